"""The functions of analysis, called as the gateway calls them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audioapi import identity, objects, settings
from audioapi.identity import Principal
from tests.forms import CONTENT_TYPE, multipart
from tests.integration.audioapi.functions import app
from tests.unit.audioapi.context import Context

KEY = "dev-key"
CALLER = Principal("u-1", "acme")


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def let_in(key: str = KEY, caller: Principal = CALLER) -> None:
    identity.put_api_key(key, caller)


def call(  # noqa: PLR0913 — a request has so many parts
    function: str,
    *,
    body: object = None,
    key: str | None = KEY,
    query: str = "",
    path: str | None = None,
    method: str | None = None,
    **headers: str,
) -> Answer:
    """What a function answers to its sample event with another body, key, query or path."""
    event = json.loads(Path("events", f"{function}.json").read_text())
    event["headers"] = {
        "content-type": event["headers"].get("content-type", ""),
        **{name.replace("_", "-"): value for name, value in headers.items()},
        **({} if key is None else {"x-api-key": key}),
    }
    event["rawQueryString"] = query
    event["queryStringParameters"] = dict(part.split("=") for part in query.split("&") if part)
    if path:
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
    if method:
        event["requestContext"]["http"]["method"] = method
    if isinstance(body, bytes):
        event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
    elif body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    response = app(function).lambda_handler(event, Context())
    read = response["headers"].get("Content-Type", "")
    text = response.get("body") or ""
    return Answer(
        response["statusCode"], json.loads(text) if "json" in read else text, response["headers"]
    )


def analyze(data: bytes, name: str = "call.wav", *, query: str = "", **fields: str) -> Answer:
    """Sends a file as a form does."""
    given = [(field, None, value.encode()) for field, value in fields.items()]
    body = multipart(*given, ("file", name, data))
    return call("analyze", body=body, query=query, content_type=CONTENT_TYPE)


def stored(key: str) -> bytes:
    return objects.read(settings.analysis().audio_bucket, key)


def kept() -> list[str]:
    """What is in the bucket of all analyses."""
    return list(objects.keys(settings.analysis().audio_bucket, "artifacts/"))
