"""What a caller of a web application gets: problems as everywhere, and never a trace."""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from starlette.responses import JSONResponse, Response

from audioapi import forms, problems, web
from tests import forms as made
from tests.integration.audioapi.served import served
from tests.patience import until
from tests.sse import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

CONTEXT = {"x-amzn-request-context": json.dumps({"requestId": "the-gateways"})}
SECRET = "postgresql://user:password@host"


def echo(request: Request) -> Response:
    content_type = request.headers.get("content-type")
    with forms.parsed(content_type, web.body(request)) as form:
        file = form.file("file")
        return JSONResponse({"size": file.size, "sum": sum(file.data.read())})


def forbidden(_: Request) -> Response:
    raise problems.ForbiddenError("Not yours", user_id="somebody")


def broken(_: Request) -> Response:
    raise RuntimeError(SECRET)


def deadline(request: Request) -> Response:
    return JSONResponse({"deadline": web.deadline(request)})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    routes = [
        web.route("POST", "/echo", echo),
        web.route("GET", "/forbidden", forbidden),
        web.route("GET", "/broken", broken),
        web.route("GET", "/deadline/{of}", deadline),
    ]
    with served(web.application(routes, problems.LIBRARY)) as address:
        yield address


def test_a_problem_is_told_as_behind_the_http_api(url: str) -> None:
    with opened(f"{url}/forbidden", headers=CONTEXT) as answer:
        assert answer.status == HTTPStatus.FORBIDDEN
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.body == {
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
            "detail": "Not yours",
            "code": "FORBIDDEN",
            "error": "Not yours",
            "request_id": "the-gateways",
            "userId": "somebody",
            "statusCode": 403,
            "message": "Not yours",
        }


@pytest.mark.parametrize("path", ["/", "/unknown", "/forbidden/", "/deadline/a/b", "/echo/%2e"])
def test_an_unknown_path_is_a_problem(url: str, path: str) -> None:
    with opened(url + path) as answer:
        assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PUT"])
def test_another_method_is_a_problem_that_names_the_right_one(url: str, method: str) -> None:
    with opened(f"{url}/echo", method) as answer:
        body = answer.body
        assert (answer.status, body["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert (answer.headers["allow"], body["validValues"]) == ("POST", ["POST"])


def test_a_head_does_not_do_the_work_of_a_get(url: str) -> None:
    with opened(f"{url}/forbidden", "HEAD") as answer:
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_what_nobody_foresaw_is_logged_once_and_told_without_a_word(
    url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(f"{url}/broken", headers=CONTEXT) as answer:
        body = answer.body
    assert (answer.status, body["code"], body["request_id"]) == (
        500,
        "INTERNAL_ERROR",
        "the-gateways",
    )
    assert SECRET not in json.dumps(body)
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "request failed"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("context", ["", "{", "[]", "7", '{"requestId": 7}', "é"])
def test_a_request_without_a_gateways_id_gets_one(url: str, context: str) -> None:
    ids = set()
    for _ in range(2):
        headers = {"x-amzn-request-context": context}
        with opened(f"{url}/forbidden", headers=headers) as answer:
            ids.add(answer.body["request_id"])
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("context", "expected"),
    [('{"deadline": 1700000000500}', 1_700_000_000.5), ('{"deadline": "soon"}', None), ("", None)],
)
def test_the_adapter_tells_when_the_function_ends(
    url: str, context: str, expected: float | None
) -> None:
    headers = {"x-amzn-lambda-context": context}
    with opened(f"{url}/deadline/x", headers=headers) as answer:
        assert answer.body == {"deadline": expected}


def test_a_form_comes_whole_however_large(url: str) -> None:
    data = bytes(range(256)) * 20_000
    sent = made.multipart(("file", "a.wav", data))
    with opened(f"{url}/echo", "POST", sent, headers={"Content-Type": made.CONTENT_TYPE}) as answer:
        assert answer.body == {"size": len(data), "sum": sum(data)}


def test_a_form_that_is_none_is_a_problem(url: str) -> None:
    with opened(f"{url}/echo", "POST", b"no form") as answer:
        assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")


def test_a_caller_that_leaves_while_it_sends_is_no_failure(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    to = urlsplit(url)
    head = f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: {made.CONTENT_TYPE}\r\n"
    with socket.create_connection((to.hostname, to.port)) as connection:
        connection.sendall(f"{head}Content-Length: 100000\r\n\r\n--{made.BOUNDARY}".encode())

    def levels() -> list[Any]:
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    until(lambda: ("INFO", "the caller left while it was sending") in levels())
    assert "ERROR" not in dict(levels())
