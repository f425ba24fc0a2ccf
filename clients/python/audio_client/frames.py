"""The messages of a streaming session: JSON text frames, audio in base64."""

from __future__ import annotations

import base64
import json
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

Frame = dict[str, Any]

# API Gateway takes frames of 32 KB, and `websockets` puts a message into one frame: base64 makes
# 32,000 characters of this, which leaves room for the envelope.
CHUNK_BYTES = 24_000


class Kind(Enum):
    """What a server frame is about."""

    GREETING = auto()
    ACK = auto()
    REFUSAL = auto()
    TRY_AGAIN = auto()
    CLOSED = auto()
    READY = auto()
    FAILED = auto()
    TROUBLE = auto()
    OTHER = auto()


PROCESSED = "Chunk processed successfully"
_KINDS = {
    "Audio session created": Kind.GREETING,
    "Audio session resumed": Kind.GREETING,
    PROCESSED: Kind.ACK,
    "Session closed successfully": Kind.CLOSED,
    "Audio file ready": Kind.READY,
    "Audio processing failed": Kind.FAILED,
    "No audio received": Kind.FAILED,
    # The gateway's own, with no word about which message it was: that one's answer doesn't come.
    "Internal server error": Kind.TROUBLE,
}
_ABOUT_FILE = "file_path", "duration_seconds", "lost_seconds", "missing_chunks", "download_url"


def cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def audio(seq: int, piece: bytes) -> str:
    return _dump({"type": "audio", "seq": seq, "data": base64.b64encode(piece).decode("ascii")})


def control(action: str, **members: object) -> str:
    return _dump({"type": "control", "action": action, **members})


def parse(message: str | bytes) -> Frame:
    """The frame, or an empty one for what is no JSON object."""
    try:
        frame = json.loads(message)
    except ValueError:
        frame = None
    if isinstance(frame, dict):
        return frame
    logger.warning("The server sent what is no JSON object: %.200r", message)
    return {}


def kind(frame: Frame) -> Kind:
    message = frame.get("message")
    if message == "Failed to process chunk":
        permanent = "error" in frame and frame.get("retry") is not True
        return Kind.REFUSAL if permanent else Kind.TRY_AGAIN
    return _KINDS.get(str(message), Kind.TROUBLE if "error" in frame else Kind.OTHER)


def outcome(info: Frame) -> Frame | None:
    """The frame about its file that a session's `info` over HTTP amounts to, None before that."""
    if info.get("status") == "error":
        told = {"message": "Audio processing failed", "error": info.get("error")}
    elif info.get("download_url"):
        told = {"message": "Audio file ready"} | {name: info.get(name) for name in _ABOUT_FILE}
    elif info.get("processing_status") == "complete":
        told = {"message": "No audio received"}
    else:
        return None
    return {"session_id": info.get("session_id"), "status": info.get("status"), **told}


def _dump(frame: Frame) -> str:
    return json.dumps(frame, separators=(",", ":"))
