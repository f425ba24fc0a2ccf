"""The routes of live sessions, called as the gateway calls them; the worker and the queue."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi import identity, settings
from audioapi.analysis.live import store
from audioapi.analysis.models import Event, EventType
from audioapi.identity import Principal
from tests.forms import CONTENT_TYPE, multipart
from tests.integration.audioapi.functions import app
from tests.integration.audioapi.sessions import aws
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from audioapi.analysis.live.models import Cursor, LiveSession
    from tests.forms import Part

ALICE = Principal("alice", "acme")
CALLERS = {
    "alice": ALICE,
    "reader": Principal("alice", "acme", ("read",)),
    "bob": Principal("bob", "acme"),
    "namesake": Principal("alice", "globex"),
}
SUMMARY = Event(EventType.SUMMARY_UPDATE, {"overview": "Grüße"})
DONE = Event(EventType.DONE, {"conversation_id": "liveconv_00000000"})


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["detail"]


def let_in() -> None:
    for key, caller in CALLERS.items():
        identity.put_api_key(key, caller)


def start(
    *, key: str | None = "alice", headers: dict[str, str] | None = None, **wanted: Any
) -> Answer:
    return _call("live_start", "", key, body=json.dumps(wanted), headers=headers)


def started(**wanted: Any) -> str:
    """The id of a new session of Alice's."""
    answer = start(**wanted)
    assert answer.status == 200, answer.body
    session_id: str = answer.body["session_id"]
    return session_id


def send(session_id: str, seq: object, data: bytes, *, key: str | None = "alice") -> Answer:
    """Sends a chunk as a browser does."""
    return send_form(
        session_id, ("chunk", "blob", data), ("chunk_seq", None, str(seq).encode()), key=key
    )


def send_form(session_id: str, *parts: Part, key: str | None = "alice") -> Answer:
    body = base64.b64encode(multipart(*parts)).decode()
    return _call("live_chunk", session_id, key, body=body, content_type=CONTENT_TYPE)


def control(
    session_id: str, action: object, *, key: str | None = "alice", **members: Any
) -> Answer:
    body = json.dumps({"action": action, **members})
    return _call("live_control", session_id, key, body=body)


def kept(session_id: str) -> LiveSession:
    found = store.get(session_id)
    assert found is not None
    return found


def chunks(session_id: str) -> list[bytes]:
    """What the worker reads."""
    s3 = aws("s3")
    bucket = settings.analysis().audio_bucket
    keys = store.chunk_keys(kept(session_id))
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]


def messages() -> list[dict[str, Any]]:
    """What waits for the worker, which is then gone; with each message's group."""
    sqs = aws("sqs")
    found = []
    while batch := sqs.receive_message(
        QueueUrl=settings.live().live_queue_url,
        MaxNumberOfMessages=10,
        AttributeNames=["MessageGroupId"],
    ).get("Messages"):
        for message in batch:
            group = message["Attributes"]["MessageGroupId"]
            found.append({**json.loads(message["Body"]), "group": group})
            sqs.delete_message(
                QueueUrl=settings.live().live_queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
    return found


def working(session_id: str, worker: str = "worker") -> Cursor:
    """Makes `worker` the session's worker."""
    cursor = store.take_over(session_id, worker)
    assert cursor is not None
    return cursor


def transcript(text: str) -> Event:
    return Event(EventType.FINAL_TRANSCRIPT, {"utterance_id": "utt_1", "text": text, "t_end": 1.5})


def set_back(session_id: str, **times: int) -> None:
    """Changes when the session ends, as if time had passed."""
    aws("dynamodb").update_item(
        TableName=settings.analysis().analysis_table,
        Key={"pk": {"S": session_id}, "sk": {"S": "session"}},
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in times),
        ExpressionAttributeValues={f":{name}": {"N": str(at)} for name, at in times.items()},
    )


def _call(  # noqa: PLR0913 — by keyword, and each is a part of a request
    function: str,
    session_id: str,
    key: str | None,
    *,
    body: str,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Answer:
    event = json.loads(Path("events", f"{function}.json").read_text())
    event["headers"] = {"content-type": content_type, **(headers or {})}
    if key is not None:
        event["headers"]["x-api-key"] = key
    if session_id:
        path = event["rawPath"].replace(event["pathParameters"]["session_id"], session_id)
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["pathParameters"] = {"session_id": session_id}
    event["body"] = body
    response = app(function).lambda_handler(event, Context())
    if response["statusCode"] >= 400:
        assert response["headers"]["Content-Type"] == "application/problem+json"
    return Answer(response["statusCode"], json.loads(response["body"]))
