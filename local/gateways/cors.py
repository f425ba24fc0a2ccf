"""CORS as HTTP APIs and function URLs do it: they answer preflights.

An HTTP API ignores what headers a function gives, a function URL adds its own to them.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from local.template.model import Cors


def is_preflight(request: web.BaseRequest) -> bool:
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def preflight(cors: Cors, origin: str) -> web.Response:
    """Answer a preflight; an origin that isn't allowed gets no headers, and its browser refuses."""
    response = web.Response(status=204)
    allowed = _allowed_origin(cors, origin)
    if allowed is None:
        return response
    headers = {
        "Access-Control-Allow-Origin": allowed,
        "Access-Control-Allow-Methods": ",".join(cors.methods),
        "Access-Control-Allow-Headers": ",".join(cors.headers),
        "Access-Control-Max-Age": "" if cors.max_age is None else str(cors.max_age),
        "Access-Control-Allow-Credentials": "true" if cors.credentials else "",
    }
    response.headers.update({name: value for name, value in headers.items() if value})
    return response


def replace_headers(cors: Cors, origin: str | None, response: web.StreamResponse) -> None:
    """Put the API's CORS headers in the place of the function's."""
    for name in [name for name in response.headers if name.lower().startswith("access-control-")]:
        response.headers.popall(name, None)
    add_headers(cors, origin, response)


def add_headers(cors: Cors, origin: str | None, response: web.StreamResponse) -> None:
    """Add CORS headers; beside the function's own they are twice there, and browsers refuse."""
    allowed = _allowed_origin(cors, origin) if origin else None
    if allowed is None:
        return
    response.headers.add("Access-Control-Allow-Origin", allowed)
    if cors.credentials:
        response.headers.add("Access-Control-Allow-Credentials", "true")
    if cors.expose:
        response.headers.add("Access-Control-Expose-Headers", ",".join(cors.expose))


def _allowed_origin(cors: Cors, origin: str) -> str | None:
    if "*" in cors.origins:
        return "*"
    wildcards = [allowed[:-1] for allowed in cors.origins if allowed in ("http://*", "https://*")]
    return origin if origin in cors.origins or origin.startswith(tuple(wildcards)) else None
