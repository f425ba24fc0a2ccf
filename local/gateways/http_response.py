"""What a function returned, or failed to, as the HTTP response that API Gateway makes of it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# The gateway frames the body itself.
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})


class MalformedResponseError(Exception):
    """The function's response doesn't match the format that API Gateway expects."""


def gateway_error(status: int, message: str) -> web.Response:
    """Build a response of the gateway's own, `{"message": ...}`."""
    return web.json_response({"message": message}, status=status, dumps=compact)


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def response_of(payload: Any) -> web.Response:
    """Build the response; raise MalformedResponseError if the payload has a wrong part.

    Anything without a `statusCode` is a body of JSON with status 200.
    """
    if not isinstance(payload, dict) or "statusCode" not in payload:
        return web.json_response(payload, dumps=compact)
    headers = CIMultiDict(_headers(payload.get("headers") or {}))
    headers.setdefault("Content-Type", "text/plain;charset=UTF-8")
    headers.extend(("Set-Cookie", cookie) for cookie in _cookies(payload.get("cookies") or []))
    return web.Response(
        status=status_of(payload["statusCode"]),
        headers=headers,
        body=_body(payload.get("body"), encoded=payload.get("isBase64Encoded") is True),
    )


def status_of(value: object) -> int:
    """Return the status code, which AWS takes as a number or as its digits."""
    status = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(status, int) and 200 <= status <= 599:  # noqa: PLR2004 - the final statuses of HTTP
        return status
    raise MalformedResponseError(f"statusCode is {value!r}")


def _headers(headers: object) -> Iterable[tuple[str, str]]:
    if not isinstance(headers, dict):
        raise MalformedResponseError(f"headers is {headers!r}")
    return [
        (name, _header_value(name, value))
        for name, value in headers.items()
        if name.lower() not in _FRAMING
    ]


def _header_value(name: str, value: object) -> str:
    """Numbers and booleans become their JSON text; no list, object or null is a header's value."""
    text = json.dumps(value) if isinstance(value, (int, float)) else value
    if not isinstance(text, str) or not _TOKEN.fullmatch(name) or _CONTROL.search(text):
        raise MalformedResponseError(f"header {name!r} is {value!r}")
    return text


def _cookies(cookies: object) -> list[str]:
    if not isinstance(cookies, list):
        raise MalformedResponseError(f"cookies is {cookies!r}")
    return [_header_value("Set-Cookie", cookie) for cookie in cookies]


def _body(body: object, *, encoded: bool) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponseError(f"body is a {type(body).__name__}, not a string")
    if not encoded:
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedResponseError(f"body is no base64: {error}") from error
