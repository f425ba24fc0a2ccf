"""What every HTTP function shares: identity in, Problem Details out, one log line of each failure.

`enable_validation` gives 422 with the field's name, and the types of the API reference.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)

from audioapi import identity, problems
from audioapi.observe import logger, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from audioapi.identity import Principal


def resolver(dialect: problems.Dialect = problems.STANDARD) -> APIGatewayHttpResolver:
    """A resolver that answers every failure with a problem, in its family's `dialect`."""
    app = APIGatewayHttpResolver(enable_validation=True)

    def known(error: problems.AudioApiError) -> Response[str]:
        logger.info("request refused", code=error.code, detail=error.detail)
        measure({"Failures": 1}, code=error.code)
        return _response(app, error, dialect)

    def malformed(error: RequestValidationError) -> Response[str]:
        first = error.errors()[0]
        place = () if first["type"] == "json_invalid" else first["loc"][1:]
        field = ".".join(str(part) for part in place) or str(first["loc"][0])
        return known(dialect.malformed(f"{field}: {first['msg']}", field=field))

    def unknown(_: Exception) -> Response[str]:
        logger.exception("request failed")
        measure({"Failures": 1}, code=problems.INTERNAL.code)
        return _response(app, problems.INTERNAL, dialect)

    def other_type(_: RequestUnsupportedContentType) -> Response[str]:
        wanted = "Content-Type: application/json is needed"
        return known(dialect.malformed(wanted, field="Content-Type"))

    def no_route(_: RouteNotFoundError) -> Response[str]:
        """A path whose variable holds what none may: the gateway's pattern takes more than ours."""
        return _response(app, problems.NotFoundError("Not found"), dialect)

    app.not_found(no_route)
    app.exception_handler(problems.AudioApiError)(known)
    app.exception_handler(RequestValidationError)(malformed)
    app.exception_handler(RequestUnsupportedContentType)(other_type)
    app.exception_handler(Exception)(unknown)
    return app


def fallback(routes: str) -> APIGatewayHttpResolver:
    """A resolver without routes, for what no function takes: a path of `routes`, which are
    `METHOD /path/{variable}` separated by commas, with another method is a 405, any other a 404.
    """
    app = resolver()
    known = [route.split() for route in routes.split(",")]

    def no_route(_: RouteNotFoundError) -> Response[str]:
        path = app.current_event.path
        if allowed := sorted({method for method, route in known if _matches(route, path)}):
            return _response(app, problems.MethodNotAllowedError(allowed))
        return _response(app, problems.NotFoundError("Not found"))

    app.not_found(no_route)
    return app


def handler(app: APIGatewayHttpResolver) -> Callable[[dict[str, Any], LambdaContext], Any]:
    """The Lambda handler: adds the request's id to every log line of it."""

    @logger.inject_lambda_context(clear_state=True)
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
        request_id = event["requestContext"]["requestId"]
        logger.append_keys(request_id=request_id)
        logger.set_correlation_id(request_id)
        return app.resolve(event, context)

    return lambda_handler


def caller(app: APIGatewayHttpResolver) -> Principal | None:
    """Who sent the request, None if it carries no credential."""
    event = app.current_event
    return identity.authenticate(
        {name.lower(): value for name, value in event.headers.items()},
        event.query_string_parameters or {},
    )


def received_at(app: APIGatewayHttpResolver) -> int:
    """When the gateway received the request, in epoch milliseconds."""
    return int(app.current_event.raw_event["requestContext"]["timeEpoch"])


def _matches(route: str, path: str) -> bool:
    wanted, given = route.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        w == g or w.startswith("{") for w, g in zip(wanted, given, strict=True)
    )


def _response(
    app: APIGatewayHttpResolver,
    error: problems.AudioApiError,
    dialect: problems.Dialect = problems.STANDARD,
) -> Response[str]:
    request_id = app.current_event.raw_event["requestContext"]["requestId"]
    return Response(
        status_code=int(error.status),
        content_type=problems.CONTENT_TYPE,
        headers=dict(error.headers),
        body=json.dumps(problems.body(error, request_id, dialect)),
    )
