"""The frames that clients send and get, seed 001's four fields in every answer to audio."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audioapi import outside

if TYPE_CHECKING:
    from audioapi.streaming.models import Session

Frame = dict[str, Any]

ACTIONS = ("close_session", "keepalive", "status")
MAX_SEQ = 9_999_999_999  # ten digits, as the chunks' keys have


@dataclass(frozen=True)
class Chunk:
    """A piece of audio; `seq` is its 0-based number in the session, if the client numbers them."""

    data: bytes
    seq: int | None = None


@dataclass(frozen=True)
class Control:
    action: str
    chunk_count: int | None = None


class BadFrameError(Exception):
    """A message that is no chunk and no control message; `frame` is what its sender gets."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame["error"])
        self.frame = frame


class BadChunkError(Exception):
    """A chunk that can't be taken; `seq` tells its sender which one, if it was readable."""

    def __init__(self, reason: str, *, seq: int | None = None) -> None:
        super().__init__(reason)
        self.seq = seq


def parse(body: str, *, binary: bool) -> Chunk | Control:
    """What a message says: raw audio (`binary`, which gateways hand over in base64), base64 text,
    or a JSON object `{"type": "audio" | "control", …}`.
    """
    if binary:
        return Chunk(_some(base64.b64decode(body)))
    if body.lstrip().startswith("{"):
        return _parse_json(body)
    try:
        return Chunk(_some(base64.b64decode(body, validate=True)))
    except (binascii.Error, ValueError) as error:
        reason = "Invalid JSON format"
        raise BadFrameError(
            {"error": reason, "detail": "A text frame is a JSON object or base64"}
        ) from error


def _parse_json(body: str) -> Chunk | Control:
    try:
        message = outside.parsed(body)
    except ValueError as error:
        raise BadFrameError({"error": "Invalid JSON format"}) from error
    kind = message.get("type")
    if kind == "audio":
        return _audio(message)
    if kind == "control":
        return _control(message)
    raise BadFrameError({"error": "Unknown message type", "received": kind})


def _audio(message: dict[str, Any]) -> Chunk:
    seq = message.get("seq")
    if seq is not None and not _whole(seq, most=MAX_SEQ):
        raise BadChunkError(f"seq must be a whole number from 0 to {MAX_SEQ}")
    data = message.get("data")
    if not isinstance(data, str):
        raise BadChunkError("data must be a base64 string", seq=seq)
    try:
        return Chunk(_some(base64.b64decode(data, validate=True), seq=seq), seq)
    except (binascii.Error, ValueError) as error:
        raise BadChunkError("data is not valid base64", seq=seq) from error


def _control(message: dict[str, Any]) -> Control:
    action = message.get("action")
    if action not in ACTIONS:
        raise BadFrameError(
            {"error": "Unknown control action", "received": action, "valid_values": list(ACTIONS)}
        )
    count = message.get("chunk_count")
    if count is not None and not _whole(count, most=MAX_SEQ):
        raise BadFrameError(
            {"error": f"chunk_count must be a whole number from 0 to {MAX_SEQ}", "received": count}
        )
    return Control(action, count)


def _whole(value: object, *, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _some(data: bytes, *, seq: int | None = None) -> bytes:
    if not data:
        raise BadChunkError("The chunk is empty", seq=seq)
    return data


def created(session: Session) -> Frame:
    return _about(session, "Audio session created")


def resumed(session: Session, *, next_seq: int) -> Frame:
    """`next_seq` is the first chunk that has not arrived, for clients that number theirs."""
    return {**_about(session, "Audio session resumed"), "next_seq": next_seq}


def acknowledged(session: Session, *, seq: int | None, next_seq: int | None = None) -> Frame:
    """`next_seq`, where not every chunk is acknowledged, says that all before it are durable."""
    frame = _about(session, "Chunk processed successfully", status="active")
    numbers = {"seq": seq, "next_seq": next_seq if seq is not None else None}
    return {**frame, **{name: number for name, number in numbers.items() if number is not None}}


def refused(session: Session, reason: str, *, seq: int | None) -> Frame:
    frame = {**_about(session, "Failed to process chunk", status="error"), "error": reason}
    return frame if seq is None else {**frame, "seq": seq}


def taken(session: Session, *, seq: int | None, next_seq: int) -> Frame:
    """Another chunk has that number: `next_seq` is the first one that is free."""
    reason = "seq is taken: another chunk of this session has that number, and other bytes"
    return {**refused(session, reason, seq=seq), "next_seq": next_seq}


def failed(session: Session, *, seq: int | None) -> Frame:
    """A chunk that met a failure of ours, and may be kept nevertheless: sent again without a number
    it would be another one.
    """
    frame = refused(session, "Internal server error", seq=seq)
    return frame if seq is None else {**frame, "retry": True}


def kept_alive(session: Session) -> Frame:
    return _about(session, "Session kept alive")


def state(session: Session, *, next_seq: int) -> Frame:
    return {**_about(session, "Session status"), "next_seq": next_seq}


def closed(session: Session) -> Frame:
    return _about(session, "Session closed successfully", status="completed")


def ready(session: Session, *, download_url: str | None) -> Frame:
    """The file is there; without any audio there is none, and the message says so."""
    return {
        **_about(session, "Audio file ready" if session.file_path else "No audio received"),
        "file_path": session.file_path,
        "duration_seconds": session.duration_seconds,
        "lost_seconds": session.lost_seconds,
        "missing_chunks": session.missing_chunks,
        "download_url": download_url,
    }


def unprocessable(session: Session) -> Frame:
    return {**_about(session, "Audio processing failed"), "error": session.error}


def _about(session: Session, message: str, *, status: str | None = None) -> Frame:
    return {
        "message": message,
        "session_id": session.session_id,
        "chunk_count": session.total_chunks,
        "status": status or session.status.public,
    }
