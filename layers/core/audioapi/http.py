"""What every HTTP function shares: identity in, Problem Details out, one log line of each failure.

Who calls, and whether they may, is settled before anything of what they sent is read: `handler`.
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

from audioapi import identity, outside, problems
from audioapi.observe import logger, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from audioapi.identity import Principal


_FOR_ONE = "no-store"  # https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5


class Resolver(APIGatewayHttpResolver):
    """Answers every failure with a problem, in its family's `dialect`."""

    def __init__(self, dialect: problems.Dialect) -> None:
        super().__init__(enable_validation=True, json_body_deserializer=outside.parsed)
        self.dialect = dialect


def resolver(dialect: problems.Dialect = problems.STANDARD) -> Resolver:
    app = Resolver(dialect)

    def known(error: problems.AudioApiError) -> Response[str]:
        _note(error)
        return _response(app, error)

    def malformed(error: RequestValidationError) -> Response[str]:
        first = error.errors()[0]
        place = () if first["type"] == "json_invalid" else first["loc"][1:]
        field = ".".join(str(part) for part in place) or str(first["loc"][0])
        return known(dialect.malformed(f"{field}: {first['msg']}", field=field))

    def unknown(_: Exception) -> Response[str]:
        _note(None)
        return _response(app, problems.INTERNAL)

    def other_type(_: RequestUnsupportedContentType) -> Response[str]:
        wanted = "Content-Type: application/json is needed"
        return known(dialect.malformed(wanted, field="Content-Type"))

    def no_route(_: RouteNotFoundError) -> Response[str]:
        """A path whose variable holds what none may: the gateway's pattern takes more than ours."""
        return _response(app, problems.NotFoundError("Not found"))

    app.not_found(no_route)
    app.exception_handler(problems.AudioApiError)(known)
    app.exception_handler(RequestValidationError)(malformed)
    app.exception_handler(RequestUnsupportedContentType)(other_type)
    app.exception_handler(Exception)(unknown)
    return app


def fallback(routes: str) -> Resolver:
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


def handler(
    app: Resolver, *, scope: str | Mapping[str, str] | None = None, nobody_too: bool = False
) -> Callable[[dict[str, Any], LambdaContext], Any]:
    """The Lambda handler: adds the request's id to every log line of it.

    With a `scope`, or one for each method, only callers who have it are let in, and `nobody_too`
    those without any credential. Everybody else is refused before the request's body, path or
    query are looked at, so that nothing can be learnt from them, or be broken by them. What they
    are answered is theirs alone, and kept by no cache: it may hold addresses that open a file.
    """

    @logger.inject_lambda_context(clear_state=True)
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
        request_id = event["requestContext"]["requestId"]
        logger.append_keys(request_id=request_id)
        logger.set_correlation_id(request_id)
        if scope is not None:
            method = event["requestContext"]["http"]["method"]
            wanted = scope if isinstance(scope, str) else scope[method]
            try:
                app.context["caller"] = _admitted(event, wanted, nobody_too=nobody_too)
            except Exception as error:  # noqa: BLE001 — the outermost edge, as `unknown` is
                return _refusal(error, request_id, app.dialect)
        answer = app.resolve(event, context)
        if scope is not None:
            answer["headers"].setdefault("Cache-Control", _FOR_ONE)
        return answer

    return lambda_handler


def caller(app: Resolver) -> Principal | None:
    """Who sent the request; None for one without a credential, where that is let in."""
    admitted: Principal | None = app.context["caller"]
    return admitted


def _admitted(event: Mapping[str, Any], scope: str, *, nobody_too: bool) -> Principal | None:
    principal = identity.authenticate(
        {name.lower(): value for name, value in event.get("headers", {}).items()},
        event.get("queryStringParameters") or {},
    )
    if not (principal is None and nobody_too):
        identity.required(principal).require(scope)
    return principal


def received_at(app: APIGatewayHttpResolver) -> int:
    """When the gateway received the request, in epoch milliseconds."""
    return int(app.current_event.raw_event["requestContext"]["timeEpoch"])


def _matches(route: str, path: str) -> bool:
    wanted, given = route.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        w == g or w.startswith("{") for w, g in zip(wanted, given, strict=True)
    )


def _note(error: problems.AudioApiError | None) -> None:
    """Logs and counts a failure; None for the exception that nobody foresaw."""
    if error is None:
        logger.exception("request failed")
    else:
        logger.info("request refused", code=error.code, detail=error.detail)
    measure({"Failures": 1}, code=(error or problems.INTERNAL).code)


def _response(app: Resolver, error: problems.AudioApiError) -> Response[str]:
    request_id = app.current_event.raw_event["requestContext"]["requestId"]
    return Response(
        status_code=int(error.status),
        content_type=problems.CONTENT_TYPE,
        headers=dict(error.headers),
        body=json.dumps(problems.body(error, request_id, app.dialect)),
    )


def _refusal(error: Exception, request_id: str, dialect: problems.Dialect) -> dict[str, Any]:
    """The same, as the gateway takes it, of a request that Powertools hasn't seen.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    known = error if isinstance(error, problems.AudioApiError) else None
    _note(known)
    problem = known or problems.INTERNAL
    return {
        "statusCode": int(problem.status),
        "headers": {
            "Content-Type": problems.CONTENT_TYPE,
            "Cache-Control": _FOR_ONE,
            **problem.headers,
        },
        "body": json.dumps(problems.body(problem, request_id, dialect)),
        "isBase64Encoded": False,
        "cookies": [],
    }
