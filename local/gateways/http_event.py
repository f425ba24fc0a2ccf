"""An HTTP request as the event that API Gateway makes of it, payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from local.gateways.integration import clock, now, trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from local.gateways.http_routes import Match

ACCOUNT_ID = "123456789012"

# Hop-by-hop headers (RFC 9110, 7.6.1) end at the gateway, and cookies have a field of their own.
_NOT_FORWARDED = frozenset(
    {"connection", "cookie", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})


def path_of(request: web.BaseRequest) -> str:
    """Return the decoded path: HTTP APIs decode `rawPath` too, and route by what they decoded.

    Seen on AWS (github.com/aws/aws-lambda-dotnet/pull/1901); only REST APIs and function URLs
    leave it encoded.
    """
    return unquote(request.raw_path.partition("?")[0])


def http_event(
    request: web.BaseRequest, body: bytes, match: Match, *, api_id: str, request_id: str
) -> dict[str, Any]:
    """Build the event that the function of route `match` gets."""
    at = now()
    raw_query = request.raw_path.partition("?")[2]
    cookies = [
        cookie.strip()
        for line in request.headers.getall("Cookie", ())
        for cookie in _text(line).split(";")
    ]
    query = _joined(parse_qsl(raw_query, keep_blank_values=True))
    return {
        "version": "2.0",
        "routeKey": match.key,
        "rawPath": path_of(request),
        "rawQueryString": raw_query,
        **({"cookies": cookies} if cookies else {}),
        "headers": _headers(request, len(body), at),
        **({"queryStringParameters": query} if query else {}),
        "requestContext": _context(request, match.key, api_id, request_id, at),
        **({"pathParameters": dict(match.parameters)} if match.parameters else {}),
        **_body(body, request.headers.get("Content-Type", "")),
    }


def _context(
    request: web.BaseRequest, route_key: str, api_id: str, request_id: str, at: int
) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT_ID,
        "apiId": api_id,
        "domainName": request.host,
        "domainPrefix": request.host.partition(".")[0].partition(":")[0],
        "http": {
            "method": request.method,
            "path": path_of(request),
            "protocol": f"HTTP/{request.version.major}.{request.version.minor}",
            "sourceIp": request.remote or "",
            "userAgent": _text(request.headers.get("User-Agent", "")),
        },
        "requestId": request_id,
        "routeKey": route_key,
        "stage": "$default",
        "time": clock(at),
        "timeEpoch": at,
    }


def _headers(request: web.BaseRequest, length: int, at: int) -> dict[str, str]:
    headers = _joined(
        (name.lower(), _text(value))
        for name, value in request.headers.items()
        if name.lower() not in _NOT_FORWARDED
    )
    hops = [headers["x-forwarded-for"]] if "x-forwarded-for" in headers else []
    return {
        "x-amzn-trace-id": trace_id(at),
        **headers,
        "content-length": str(length),
        "x-forwarded-for": ", ".join([*hops, request.remote or ""]),
        "x-forwarded-port": request.host.rpartition(":")[2] if ":" in request.host else "80",
        "x-forwarded-proto": request.scheme,
    }


def _text(value: str) -> str:
    """Bytes that are no UTF-8, which aiohttp hands over as lone surrogates, are taken for Latin-1:
    no function could write down what it got (RFC 9110 §5.5).
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape").decode("latin-1")
    return value


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Duplicates are joined with commas, headers and query parameters alike."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        return {"isBase64Encoded": False}
    if _is_text(content_type):
        return {"body": body.decode(errors="replace"), "isBase64Encoded": False}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _is_text(content_type: str) -> bool:
    """Tell what arrives as text; everything else, forms and multipart included, is base64."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _TEXT_TYPES or kind.startswith("text/") or kind.endswith(("+json", "+xml"))
