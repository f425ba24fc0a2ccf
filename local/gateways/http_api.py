"""API Gateway's HTTP API with Lambda proxy integrations, on one machine.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.gateways import cors
from local.gateways.http_event import http_event, path_of
from local.gateways.http_response import MalformedResponseError, gateway_error, response_of
from local.gateways.http_routes import Match, Router
from local.gateways.integration import PAYLOAD_LIMIT, Integration, new_id
from local.template.model import HttpApi

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.template.model import Invoker

_log = logging.getLogger("local.http")

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
BODY_LIMIT = 10 * 1024 * 1024
HEADERS_LIMIT = 10_240
TIMEOUT = 30.0

_NO_API = HttpApi("none", routes={})


class HttpGateway:
    """Serves HTTP APIs; `timeout` is what a function may take, and a request's body before it, in
    seconds.
    """

    def __init__(
        self, apis: Iterable[HttpApi], invoker: Invoker, *, timeout: float = TIMEOUT
    ) -> None:
        self._apis = [(api, Router(api.routes)) for api in apis]
        self._timeout = timeout
        self._integration = Integration(invoker, timeout)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request by the API that has a route for it, the first one failing that."""
        request_id = new_id()
        api, match = self._route(request)
        origin = request.headers.get("Origin")
        if api.cors and origin and cors.is_preflight(request):
            response = cors.preflight(api.cors, origin)
        else:
            response = await self._respond(request, api, match, request_id)
            if api.cors:
                cors.replace_headers(api.cors, origin, response)
        response.headers["apigw-requestid"] = request_id
        return response

    def _route(self, request: web.Request) -> tuple[HttpApi, Match | None]:
        path = path_of(request)
        for api, router in self._apis:
            if match := router.match(request.method, path):
                return api, match
        return (self._apis[0][0] if self._apis else _NO_API), None

    async def _respond(
        self, request: web.Request, api: HttpApi, match: Match | None, request_id: str
    ) -> web.Response:
        if _head_size(request) > HEADERS_LIMIT:
            return gateway_error(431, "Request Header Fields Too Large")
        if match is None:
            return gateway_error(404, "Not Found")
        try:
            async with asyncio.timeout(self._timeout):
                body = await _read(request)
        except web.HTTPRequestEntityTooLarge:
            return gateway_error(413, "Request Entity Too Large")
        except TimeoutError:
            return gateway_error(408, "Request Timeout")
        event = http_event(request, body, match, api_id=api.name, request_id=request_id)
        return await self._invoke(match.function, event)

    async def _invoke(self, function: str, event: dict[str, Any]) -> web.Response:
        try:
            outcome = await self._integration.invoke(function, event)
        except TimeoutError:
            # Where REST APIs say 504 (seen on AWS: github.com/cortexlabs/cortex/issues/1225).
            return gateway_error(503, "Service Unavailable")
        if outcome.error == "TooLarge" and len(json.dumps(event)) > PAYLOAD_LIMIT:
            return gateway_error(413, "Request Entity Too Large")
        if outcome.error:
            return gateway_error(500, "Internal Server Error")
        try:
            return response_of(outcome.payload)
        except MalformedResponseError as error:
            _log.error("%s returned a response that API Gateway refuses: %s", function, error)
            return gateway_error(500, "Internal Server Error")

    async def close(self, grace: float) -> None:
        """Give running functions `grace` seconds to end."""
        await self._integration.close(grace)


def _head_size(request: web.Request) -> int:
    """Measure what AWS limits: the request line and the header values."""
    values = sum(len(value) for _, value in request.raw_headers)
    return len(request.method) + len(request.raw_path) + values


async def _read(request: web.Request) -> bytes:
    """Read the body, no further than to the limit; the server drains and drops the rest."""
    if (request.content_length or 0) > BODY_LIMIT:
        raise web.HTTPRequestEntityTooLarge(BODY_LIMIT)
    return await request.read()
