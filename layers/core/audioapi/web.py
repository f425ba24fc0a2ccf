"""What functions behind the Lambda Web Adapter share, as `http` for those of Python's own runtime:
identity in, Problem Details out, one log line of each failure.

https://awslabs.github.io/aws-lambda-web-adapter/features/request-context.html
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import anyio.from_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audioapi import identity, problems
from audioapi.observe import logger, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from audioapi.identity import Principal

_REQUEST_ID = "request_id"


def application(
    routes: Sequence[Route], dialect: problems.Dialect = problems.STANDARD
) -> Starlette:
    """An application that answers every failure with a problem, in its family's `dialect`.

    Endpoints are plain functions, which run in threads: what they call waits for AWS. `/ready` is
    for the adapter, which passes nothing on before that answers.
    """

    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, problems.AudioApiError)  # noqa: S101 — how it is registered
        return _refused(request.scope, error, dialect)

    def no_route(request: Request, error: Exception) -> Response:
        allowed = getattr(error, "headers", None) or {}
        if methods := allowed.get("Allow"):
            return known(request, problems.MethodNotAllowedError(methods.split(", ")))
        return known(request, problems.NotFoundError("Not found"))

    app = Starlette(
        routes=[Route("/ready", _ready, methods=["GET"]), *routes],
        middleware=[Middleware(_Edge, dialect=dialect)],
        exception_handlers={
            problems.AudioApiError: known,
            HTTPException: no_route,
        },
    )
    app.router.redirect_slashes = False
    return app


def route(method: str, path: str, endpoint: Callable[[Request], Response]) -> Route:
    made = Route(path, endpoint, methods=[method])
    made.methods = {method}  # a HEAD, which Starlette adds, would do the work of its GET
    return made


def caller(request: Request) -> Principal | None:
    """Who sent the request, None if it carries no credential."""
    return identity.authenticate(request.headers, request.query_params)


def body(request: Request) -> Iterator[bytes]:
    """The request's body, block by block as it comes; only for an endpoint's own thread."""
    blocks = request.stream()
    while (block := anyio.from_thread.run(anext, blocks, None)) is not None:
        yield block


def deadline(request: Request) -> float | None:
    """When the function will be stopped, in epoch seconds; None where nobody tells."""
    given = _told(request.scope, b"x-amzn-lambda-context").get("deadline")
    return given / 1000 if isinstance(given, int) else None


async def _ready(_: Request) -> Response:
    return Response()


class _Edge:
    """The outermost place: gives every log line of a request its id, and answers what nobody
    foresaw, which Starlette's own would log a second time.
    """

    def __init__(self, app: ASGIApp, dialect: problems.Dialect) -> None:
        self._app = app
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        scope[_REQUEST_ID] = _request_id(scope)
        logger.thread_safe_append_keys(request_id=scope[_REQUEST_ID])
        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            logger.info("the caller left while it was sending")
        except Exception:
            logger.exception("request failed")
            measure({"Failures": 1}, code=problems.INTERNAL.code)
            if started:
                raise  # so that the server breaks the connection off
            await _problem(scope, problems.INTERNAL, self._dialect)(scope, receive, send)


def _refused(scope: Scope, error: problems.AudioApiError, dialect: problems.Dialect) -> Response:
    logger.info("request refused", code=error.code, detail=error.detail)
    measure({"Failures": 1}, code=error.code)
    return _problem(scope, error, dialect)


def _problem(scope: Scope, error: problems.AudioApiError, dialect: problems.Dialect) -> Response:
    return JSONResponse(
        problems.body(error, scope[_REQUEST_ID], dialect),
        status_code=int(error.status),
        headers=error.headers,
        media_type=problems.CONTENT_TYPE,
    )


def _request_id(scope: Scope) -> str:
    given = _told(scope, b"x-amzn-request-context").get("requestId")
    return given if isinstance(given, str) else str(uuid.uuid4())


def _told(scope: Scope, header: bytes) -> dict[str, Any]:
    """The JSON object that the adapter put into a header; empty if there is none."""
    try:
        given = json.loads(dict(scope["headers"]).get(header, b"{}"))
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}
