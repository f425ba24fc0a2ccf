"""Every failure of an HTTP function is a problem that tells the caller what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from audioapi import http, problems
from audioapi.observe import logger
from tests.unit.audioapi.context import Context

EVENT = json.loads(Path("events/session_list.json").read_text())


def request(method: str = "GET", path: str = "/things", **query: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(json.dumps(EVENT))
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    event["queryStringParameters"] = query
    return event


def answer(app: Any, event: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    response = http.handler(app)(event, Context())
    return response["statusCode"], json.loads(response["body"]), response


def failing(error: Exception) -> Any:
    app = http.resolver()

    @app.get("/things")
    def things() -> dict[str, str]:
        raise error

    return app


def test_a_domain_error_becomes_its_problem() -> None:
    error = problems.SessionNotFoundError("17")
    status, body, response = answer(failing(error), request())
    assert status == 404
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Session not found",
        "code": "SESSION_NOT_FOUND",
        "error": "Session not found",
        "request_id": EVENT["requestContext"]["requestId"],
        "session_id": "17",
    }


def test_an_unexpected_error_shows_nothing_but_the_request_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    status, body, _ = answer(failing(RuntimeError("SELECT secret FROM /var/task")), request())
    assert status == 500
    assert body["detail"] == "Internal server error"
    assert "secret" not in json.dumps(body)
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["request_id"] for line in logged] == [body["request_id"]]
    assert "SELECT secret" in logged[0]["exception"]


def test_a_malformed_parameter_is_named() -> None:
    app = http.resolver()

    @app.get("/things")
    def things(limit: Annotated[int, Query(le=10)] = 1) -> dict[str, int]:
        return {"limit": limit}

    status, body, _ = answer(app, request(limit="11"))
    assert (status, body["code"], body["field"]) == (422, "INVALID_REQUEST", "limit")
    assert body["detail"] == "limit: Input should be less than or equal to 10"


ROUTES = "GET /things, POST /things, GET /things/{id}"


def test_an_unknown_path_is_a_problem() -> None:
    status, body, _ = answer(http.fallback(ROUTES), request(path="/nothing"))
    assert (status, body["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/things", ["GET", "POST"]), ("/things/17", ["GET"])]
)
def test_a_wrong_method_is_told_the_right_ones(path: str, allowed: list[str]) -> None:
    status, body, response = answer(http.fallback(ROUTES), request("DELETE", path))
    assert (status, body["code"], body["valid_values"]) == (405, "METHOD_NOT_ALLOWED", allowed)
    assert response["headers"]["Allow"] == ", ".join(allowed)


def test_a_path_that_only_the_gateway_takes_for_a_route_is_not_found() -> None:
    app = http.resolver()

    @app.get("/things/<thing_id>")
    def thing(thing_id: str) -> str:
        return thing_id

    status, body, _ = answer(app, request(path="/things/#"))
    assert (status, body["code"]) == (404, "NOT_FOUND")


def test_each_family_has_its_dialect() -> None:
    error = problems.InvalidRequestError("page: too small", field="page")
    memories = problems.body(error, "r", problems.MEMORIES)
    assert memories["error"] == {"code": "INVALID_REQUEST", "message": "page: too small"}
    library = problems.body(error, "r", problems.LIBRARY)
    assert (library["statusCode"], library["message"]) == (400, "page: too small")
    assert memories["detail"] == library["detail"] == "page: too small"


def test_a_familys_malformed_requests_are_what_its_document_says() -> None:
    app = http.resolver(problems.LIBRARY)

    @app.get("/things")
    def things(page: Annotated[int, Query(ge=1)] = 1) -> dict[str, int]:
        return {"page": page}

    status, body, _ = answer(app, request(page="0"))
    assert (status, body["field"], body["statusCode"]) == (400, "page", 400)


class Thing(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("content_type", "body", "field"),
    [
        ("text/plain", "hello", "Content-Type"),
        ("application/json", "{", "body"),
        ("application/json", '{"name": 1}', "name"),
    ],
)
def test_a_malformed_body_is_named(content_type: str, body: str, field: str) -> None:
    app = http.resolver()

    @app.post("/things")
    def add(thing: Thing) -> str:
        return thing.name

    event = {**request("POST"), "body": body}
    event["headers"] = {**event["headers"], "content-type": content_type}
    status, told, _ = answer(app, event)
    assert (status, told["field"]) == (422, field)
