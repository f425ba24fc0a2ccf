"""The HTTP API gateway: what a function is sent, and what a client gets of its answer."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from local.gateways.http_api import BODY_LIMIT, HttpGateway
from local.gateways.http_routes import Match, Router
from local.template.model import Cors, HttpApi, Invocation
from tests.unit.local.gateways.gateway_fakes import FakeInvoker, never, returning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUTES = {
    "GET /items/{id}": "echo",
    "POST /items": "echo",
    "ANY /files/{path+}": "echo",
    "HEAD /items/{id}": "echo",
}
SITE = "https://example.com"
CORS = Cors(
    origins=(SITE,),
    methods=("GET", "POST"),
    headers=("x-api-key",),
    expose=("x-total",),
    max_age=300,
    credentials=True,
)


@asynccontextmanager
async def serving(
    invoker: FakeInvoker,
    *,
    routes: dict[str, str] = ROUTES,
    cors: Cors | None = None,
    time_limit: float = 30.0,
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    gateway = HttpGateway([HttpApi("api", routes, cors)], invoker, timeout=time_limit)
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", "/{path:.*}", gateway.handle)
    server = TestServer(app)
    await server.start_server(access_log=None, auto_decompress=False)
    async with TestClient(server) as client:
        yield client
    await gateway.close(0)


def echo(**response: object) -> FakeInvoker:
    return FakeInvoker(echo=returning({"statusCode": 200, **response}))


async def test_a_get_becomes_the_event_that_aws_makes() -> None:
    invoker = echo(body="ok")
    async with serving(invoker) as client:
        url = URL("/items/a%20b?q=1&q=%C3%A9+2&empty=", encoded=True)
        headers = [
            ("X-Tag", "1"),
            ("X-Tag", "2"),
            ("Cookie", "a=1; b=2"),
            ("User-Agent", "test"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("Connection", "keep-alive"),
        ]
        await client.get(url, headers=headers)
        port = str(client.port)

    (event,) = invoker.events["echo"]
    assert event == {
        "version": "2.0",
        "routeKey": "GET /items/{id}",
        "rawPath": "/items/a b",
        "rawQueryString": "q=1&q=%C3%A9+2&empty=",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "accept": "*/*",
            "accept-encoding": ANY,
            "content-length": "0",
            "host": f"127.0.0.1:{port}",
            "user-agent": "test",
            "x-amzn-trace-id": ANY,
            "x-forwarded-for": "10.0.0.1, 127.0.0.1",
            "x-forwarded-port": port,
            "x-forwarded-proto": "http",
            "x-tag": "1,2",
        },
        "queryStringParameters": {"q": "1,é 2", "empty": ""},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": f"127.0.0.1:{port}",
            "domainPrefix": "127",
            "http": {
                "method": "GET",
                "path": "/items/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
            "requestId": ANY,
            "routeKey": "GET /items/{id}",
            "stage": "$default",
            "time": ANY,
            "timeEpoch": ANY,
        },
        "pathParameters": {"id": "a b"},
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "application/json; charset=utf-8", "application/problem+json", "image/svg+xml"],
)
async def test_text_arrives_as_text(content_type: str) -> None:
    invoker = echo()
    async with serving(invoker) as client:
        await client.post("/items", data="grüß".encode(), headers={"Content-Type": content_type})

    (event,) = invoker.events["echo"]
    assert (event["body"], event["isBase64Encoded"]) == ("grüß", False)


@pytest.mark.parametrize(
    "content_type",
    ["audio/wav", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
)
async def test_everything_else_arrives_as_base64(content_type: str) -> None:
    invoker = echo()
    async with serving(invoker) as client:
        await client.post("/items", data=b"\x00\xff", headers={"Content-Type": content_type})

    (event,) = invoker.events["echo"]
    assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)


async def test_a_compressed_body_is_passed_on_as_it_came() -> None:
    invoker = echo()
    async with serving(invoker) as client:
        await client.post("/items", data=b"\x1f\x8b no gzip", headers={"Content-Encoding": "gzip"})

    assert base64.b64decode(invoker.events["echo"][0]["body"]) == b"\x1f\x8b no gzip"


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("POST", "/any", "ANY /any", {}),
        ("GET", "/any", "GET /any", {}),
        ("GET", "/pets/dog/", "GET /pets/{proxy+}", {"proxy": "dog/"}),
        ("GET", "/", "$default", {}),
    ],
)
def test_the_most_specific_route_wins(
    method: str, path: str, key: str, parameters: dict[str, str]
) -> None:
    keys = (
        "$default",
        "ANY /{proxy+}",
        "GET /pets/{proxy+}",
        "GET /pets/dog/{id}",
        "GET /pets/dog/1",
        "ANY /any",
        "GET /any",
    )
    assert Router(dict.fromkeys(keys, "f")).match(method, path) == Match(key, "f", parameters)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/items"), ("DELETE", "/items/1"), ("GET", "/files/")]
)
async def test_without_a_route_the_gateway_answers_404(method: str, path: str) -> None:
    async with serving(echo()) as client:
        response = await client.request(method, path)

        assert response.status == 404
        assert await response.json() == {"message": "Not Found"}
        assert len(response.headers["apigw-requestid"]) == 16


async def test_a_structured_response_is_sent_as_it_says() -> None:
    body = base64.b64encode(b"\x00\xff").decode()
    invoker = echo(
        statusCode=201,
        headers={"content-type": "audio/wav", "x-count": 3, "x-on": True, "content-length": "99"},
        cookies=["a=1; Path=/", "b=2"],
        body=body,
        isBase64Encoded=True,
    )
    async with serving(invoker) as client:
        response = await client.get("/items/1")

        assert response.status == 201
        assert await response.read() == b"\x00\xff"
        assert response.headers["Content-Type"] == "audio/wav"
        assert (response.headers["x-count"], response.headers["x-on"]) == ("3", "true")
        assert response.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2"]
        assert response.headers["Content-Length"] == "2"
        assert "Date" in response.headers


async def test_a_body_without_a_type_is_plain_text() -> None:
    async with serving(echo(body="grüß")) as client:
        response = await client.get("/items/1")

        assert response.headers["Content-Type"] == "text/plain;charset=UTF-8"
        assert await response.text() == "grüß"


@pytest.mark.parametrize("payload", [{"message": "hi"}, ["a"], "hi", 3, None])
async def test_anything_without_a_status_code_is_a_body_of_json(payload: object) -> None:
    async with serving(FakeInvoker(echo=returning(payload))) as client:
        response = await client.get("/items/1")

        assert (response.status, response.content_type) == (200, "application/json")
        assert json.loads(await response.read()) == payload


@pytest.mark.parametrize(
    "response",
    [
        {"statusCode": "OK"},
        {"statusCode": 0},
        {"statusCode": None},
        {"body": {"a": 1}},
        {"body": "no base64!", "isBase64Encoded": True},
        {"headers": ["a"]},
        {"headers": {"x-list": ["a"]}},
        {"headers": {"x-split": "a\r\nb: c"}},
        {"headers": {"no name": "a"}},
        {"cookies": "a=1"},
    ],
)
async def test_a_malformed_response_is_a_500_and_its_reason_in_the_log(
    response: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(echo(**response)) as client:
        answer = await client.get("/items/1")

        assert answer.status == 500
        assert await answer.json() == {"message": "Internal Server Error"}
    assert "echo returned a response that API Gateway refuses" in caplog.text


@pytest.mark.parametrize("error", ["Unhandled", "Timeout", "Exit", "Init", "Throttled", "TooLarge"])
async def test_a_failed_invocation_is_a_500(error: Any) -> None:
    async with serving(FakeInvoker(echo=returning(Invocation(error=error)))) as client:
        response = await client.get("/items/1")

        assert response.status == 500
        assert await response.json() == {"message": "Internal Server Error"}


async def test_a_function_slower_than_the_gateway_is_a_503_and_runs_on() -> None:
    invoker = FakeInvoker(echo=never)
    async with serving(invoker, time_limit=0.01) as client:
        response = await client.get("/items/1")

        assert response.status == 503
        assert await response.json() == {"message": "Service Unavailable"}


async def test_a_body_over_10_mb_is_refused_before_it_is_sent() -> None:
    async with serving(echo()) as client:

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield bytes(1024 * 1024)

        declared = await client.post("/items", data=BytesIO(bytes(BODY_LIMIT + 1)))
        chunked = await client.post("/items", data=endless())
        allowed = await client.post("/items", data=BytesIO(bytes(BODY_LIMIT)), expect100=True)

        assert [declared.status, chunked.status, allowed.status] == [413, 413, 200]
        assert await chunked.json() == {"message": "Request Entity Too Large"}


async def test_an_event_that_lambda_refuses_is_a_413() -> None:
    too_large = Invocation(error="TooLarge")
    async with serving(FakeInvoker(echo=returning(too_large))) as client:
        response = await client.post("/items", data=BytesIO(bytes(5 * 1024 * 1024)))

        assert response.status == 413


async def test_headers_over_10240_bytes_are_refused() -> None:
    async with serving(echo()) as client:
        values = {f"x-{n}": "v" * 2000 for n in range(6)}
        response = await client.get("/items/1", headers=values)

        assert response.status == 431
        assert await response.json() == {"message": "Request Header Fields Too Large"}


async def test_head_has_the_headers_and_no_body() -> None:
    async with serving(echo(body="hello")) as client:
        response = await client.head("/items/1")

        assert response.headers["Content-Length"] == "5"
        assert await response.read() == b""


async def test_preflights_never_reach_a_function() -> None:
    invoker = echo()
    async with serving(invoker, cors=CORS) as client:
        asking = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
        allowed = await client.options("/items", headers=asking)
        foreign = await client.options("/items", headers={**asking, "Origin": "https://evil.com"})

        assert [allowed.status, foreign.status] == [204, 204]
        assert {
            name.lower(): value
            for name, value in allowed.headers.items()
            if name.startswith("Access-Control")
        } == {
            "access-control-allow-origin": SITE,
            "access-control-allow-methods": "GET,POST",
            "access-control-allow-headers": "x-api-key",
            "access-control-max-age": "300",
            "access-control-allow-credentials": "true",
        }
        assert "Access-Control-Allow-Origin" not in foreign.headers
    assert invoker.events["echo"] == []


async def test_the_apis_cors_headers_replace_the_functions() -> None:
    own = {"Access-Control-Allow-Origin": "*", "access-control-max-age": "1"}
    async with serving(echo(headers=own), cors=CORS) as client:
        same = await client.get("/items/1", headers={"Origin": SITE})
        plain = await client.get("/items/1")
        missing = await client.get("/nowhere", headers={"Origin": SITE})

        assert same.headers.getall("Access-Control-Allow-Origin") == [SITE]
        assert same.headers["Access-Control-Expose-Headers"] == "x-total"
        assert same.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Access-Control-Max-Age" not in same.headers
        assert "Access-Control-Allow-Origin" not in plain.headers
        assert missing.headers["Access-Control-Allow-Origin"] == SITE


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (("*",), SITE, "*"),
        (("https://*",), SITE, SITE),
        (("https://*",), "http://example.com", None),
        (("http://localhost:3000",), "http://localhost:3000", "http://localhost:3000"),
    ],
)
async def test_origins(origins: tuple[str, ...], origin: str, allowed: str | None) -> None:
    async with serving(echo(), cors=Cors(origins=origins)) as client:
        response = await client.get("/items/1", headers={"Origin": origin})

        assert response.headers.get("Access-Control-Allow-Origin") == allowed
