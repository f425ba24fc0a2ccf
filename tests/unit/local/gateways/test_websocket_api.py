"""The WebSocket API gateway: what functions are sent, and what a client sees of their answers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from local.gateways.websocket_api import MESSAGES_IN_FLIGHT, WebSocketGateway
from local.template.model import Invocation, WebSocketApi, WebSocketRoute
from tests.patience import until_async
from tests.unit.local.gateways.gateway_fakes import FakeInvoker, never, returning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from websockets.asyncio.client import ClientConnection
    from websockets.http11 import Response

    Event = Mapping[str, Any]

OK = {"statusCode": 200}
API = WebSocketApi(
    "sockets",
    "dev",
    "$request.body.action",
    {
        "$connect": WebSocketRoute("connect", responds=False),
        "$disconnect": WebSocketRoute("disconnect", responds=False),
        "$default": WebSocketRoute("default", responds=True),
        "quiet": WebSocketRoute("quiet", responds=False),
    },
)


@asynccontextmanager
async def serving(
    invoker: FakeInvoker, api: WebSocketApi = API, **options: Any
) -> AsyncIterator[WebSocketGateway]:
    gateway = WebSocketGateway([api], invoker, **options)
    await gateway.start()
    yield gateway
    await gateway.close(grace=1)


def url(gateway: WebSocketGateway, query: str = "", stage: str = "dev") -> str:
    return f"ws://127.0.0.1:{gateway.port}/{stage}{query}"


def functions(**overrides: Callable[[Event], object]) -> FakeInvoker:
    """Return an invoker whose functions all answer 200, the `default` one with what it got."""
    plain = dict.fromkeys(("connect", "disconnect", "default", "quiet"), returning(OK))
    return FakeInvoker(**{**plain, "default": _echo, **overrides})


def _echo(event: Event) -> dict[str, Any]:
    return {"statusCode": 200, "body": event["body"]}


async def refusal(gateway: WebSocketGateway, stage: str = "dev") -> Response:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url(gateway, stage=stage))
    return refused.value.response


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """Wait for the server to close, and return its code and reason."""
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    frame = closed.value.rcvd
    assert frame
    return frame.code, frame.reason


def context(event: Event) -> Mapping[str, Any]:
    context: Mapping[str, Any] = event["requestContext"]
    return context


COMMON = {
    "extendedRequestId": ANY,
    "requestId": ANY,
    "requestTime": ANY,
    "requestTimeEpoch": ANY,
    "messageDirection": "IN",
    "stage": "dev",
    "connectedAt": ANY,
    "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"},
    "domainName": ANY,
    "connectionId": ANY,
    "apiId": "sockets",
}


async def test_connect_message_and_disconnect_events_are_those_of_aws() -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        address = url(gateway, "?user_id=u1&tag=1&tag=2")
        async with connect(
            address, user_agent_header="test", additional_headers={"X-Tag": "a"}
        ) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
        await until_async(lambda: invoker.events["disconnect"])
        host = f"127.0.0.1:{gateway.port}"

    (opened,), (said,), (left,) = (
        invoker.events[name] for name in ("connect", "default", "disconnect")
    )
    assert opened == {
        "headers": {
            "Host": host,
            "Sec-WebSocket-Extensions": ANY,
            "Sec-WebSocket-Key": ANY,
            "Sec-WebSocket-Version": "13",
            "User-Agent": "test",
            "X-Amzn-Trace-Id": ANY,
            "X-Tag": "a",
        },
        "multiValueHeaders": ANY,
        "queryStringParameters": {"user_id": "u1", "tag": "2"},
        "multiValueQueryStringParameters": {"user_id": ["u1"], "tag": ["1", "2"]},
        "requestContext": {**COMMON, "routeKey": "$connect", "eventType": "CONNECT"},
        "isBase64Encoded": False,
    }
    assert opened["multiValueHeaders"]["X-Tag"] == ["a"]
    assert said == {
        "requestContext": {
            **COMMON,
            "routeKey": "$default",
            "eventType": "MESSAGE",
            "messageId": ANY,
        },
        "body": "hello",
        "isBase64Encoded": False,
    }
    assert left == {
        "headers": {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""},
        "multiValueHeaders": ANY,
        "requestContext": {
            **COMMON,
            "routeKey": "$disconnect",
            "eventType": "DISCONNECT",
            "disconnectStatusCode": 1000,
            "disconnectReason": "Connection Closed Normally",
        },
        "isBase64Encoded": False,
    }
    assert len({context(event)["connectionId"] for event in (opened, said, left)}) == 1
    assert len({context(event)["requestId"] for event in (opened, said, left)}) == 3


async def test_a_status_of_connect_refuses_the_handshake_and_its_body_is_shown() -> None:
    problem = {
        "statusCode": 400,
        "headers": {"Content-Type": "application/problem+json"},
        "body": '{"error": "Invalid sample rate"}',
    }
    async with serving(functions(connect=returning(problem))) as gateway:
        response = await refusal(gateway)

        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"
        assert json.loads(response.body) == {"error": "Invalid sample rate"}
        assert gateway.connections == 0


async def test_strictly_a_refusal_has_no_body() -> None:
    refusing = functions(connect=returning({"statusCode": 401, "body": "no"}))
    async with serving(refusing, strict=True) as gateway:
        response = await refusal(gateway)

        assert (response.status_code, response.body) == (401, b"")


@pytest.mark.parametrize("outcome", [Invocation(error="Unhandled"), None, {"statusCode": "x"}])
async def test_a_failing_connect_is_a_502(outcome: object) -> None:
    async with serving(functions(connect=returning(outcome))) as gateway:
        assert (await refusal(gateway)).status_code == 502


async def test_a_connect_that_takes_too_long_is_a_504() -> None:
    async with serving(functions(connect=never), timeout=0.01) as gateway:
        assert (await refusal(gateway)).status_code == 504


async def test_another_path_is_forbidden() -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        response = await refusal(gateway, stage="prod")

        assert (response.status_code, response.body) == (403, b'{"message":"Forbidden"}')
    assert invoker.events["connect"] == []


async def test_a_subprotocol_is_chosen_by_the_function() -> None:
    choice = {"statusCode": 200, "headers": {"sec-websocket-protocol": "audio"}}
    async with (
        serving(functions(connect=returning(choice))) as gateway,
        connect(url(gateway), subprotocols=["audio", "other"]) as socket,  # type: ignore[list-item]
    ):
        assert socket.response
        assert socket.response.headers["Sec-WebSocket-Protocol"] == "audio"


async def test_who_leaves_during_connect_is_disconnected() -> None:
    leave, left = asyncio.Event(), asyncio.Event()

    async def slow(_event: Event) -> dict[str, int]:
        leave.set()
        await left.wait()
        return OK

    invoker = functions(connect=slow)
    async with serving(invoker) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(
            b"GET /dev HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: am5ubWVpbHd3bmNyYXF0ag==\r\n\r\n"
        )
        await leave.wait()
        writer.close()
        await writer.wait_closed()
        left.set()
        await until_async(lambda: invoker.events["disconnect"])

        assert gateway.connections == 0
        assert context(invoker.events["disconnect"][0])["disconnectStatusCode"] == 1006


@pytest.mark.parametrize(
    ("message", "route"),
    [
        ('{"action": "quiet"}', "quiet"),
        ('{"action": "unknown"}', "default"),
        ('{"action": "$connect"}', "default"),
        ('{"action": 3}', "default"),
        ("no json", "default"),
        ("[" * 100_000, "default"),
    ],
)
async def test_the_selection_expression_chooses_the_route(message: str, route: str) -> None:
    invoker = functions()
    async with serving(invoker) as gateway, connect(url(gateway)) as socket:
        await socket.send(message)
        await until_async(lambda: invoker.events[route])

        assert context(invoker.events[route][0])["routeKey"] in (route, f"${route}")


async def test_without_a_default_route_other_messages_are_forbidden() -> None:
    routes = {"quiet": WebSocketRoute("quiet", responds=False)}
    api = WebSocketApi("sockets", "dev", "$request.body.action", routes)
    async with serving(functions(), api) as gateway, connect(url(gateway)) as socket:
        await socket.send("hello")

        assert json.loads(await socket.recv())["message"] == "Forbidden"


async def test_the_messages_of_a_connection_run_at_once_and_are_told_apart_by_their_time() -> None:
    started: list[Event] = []
    all_here = asyncio.Event()

    async def wait_for_all(event: Event) -> dict[str, Any]:
        started.append(event)
        if len(started) == 20:
            all_here.set()
        await all_here.wait()
        return _echo(event)

    async with (
        serving(functions(default=wait_for_all)) as gateway,
        connect(url(gateway)) as socket,
    ):
        for number in range(20):
            await socket.send(str(number))
        answers = {await socket.recv() for _ in range(20)}

    assert answers == {str(number) for number in range(20)}
    by_time = sorted(started, key=lambda event: context(event)["requestTimeEpoch"])
    assert [event["body"] for event in by_time] == [str(number) for number in range(20)]
    assert len({context(event)["requestTimeEpoch"] for event in started}) == 20


async def test_a_client_that_outruns_its_functions_is_not_read() -> None:
    go = asyncio.Event()

    async def wait_for_go(event: Event) -> dict[str, Any]:
        await go.wait()
        return _echo(event)

    invoker = functions(default=wait_for_go)
    async with serving(invoker) as gateway, connect(url(gateway)) as socket:
        for number in range(MESSAGES_IN_FLIGHT + 2):
            await socket.send(str(number))
        await until_async(lambda: len(invoker.events["default"]) == MESSAGES_IN_FLIGHT)
        await (await socket.ping())

        assert len(invoker.events["default"]) == MESSAGES_IN_FLIGHT
        go.set()
        for _ in range(MESSAGES_IN_FLIGHT + 2):
            await socket.recv()


async def test_only_a_route_response_reaches_the_client() -> None:
    quiet = returning({"statusCode": 200, "body": "not heard"})
    async with serving(functions(quiet=quiet)) as gateway, connect(url(gateway)) as socket:
        await socket.send('{"action": "quiet"}')
        await socket.send("")
        await socket.send("heard")

        assert await socket.recv() == "heard"


@pytest.mark.parametrize(
    "outcome",
    [Invocation(error="Unhandled"), Invocation(error="Timeout"), None, {"body": "no status"}],
)
async def test_a_failed_message_is_an_error_frame_and_the_connection_stays(
    outcome: object,
) -> None:
    answers = [outcome, {"statusCode": 200, "body": "still here"}]
    invoker = functions(default=lambda _event: answers.pop(0))
    async with serving(invoker) as gateway, connect(url(gateway)) as socket:
        await socket.send("1")
        frame = json.loads(await socket.recv())
        (event,) = invoker.events["default"]
        await socket.send("2")

        assert frame == {
            "message": "Internal server error",
            "connectionId": context(event)["connectionId"],
            "requestId": context(event)["requestId"],
        }
        assert await socket.recv() == "still here"


async def test_a_message_that_takes_too_long_is_an_error_frame() -> None:
    async with (
        serving(functions(default=never), timeout=0.01) as gateway,
        connect(url(gateway)) as socket,
    ):
        await socket.send("1")

        assert json.loads(await socket.recv())["message"] == "Endpoint request timed out"


async def test_a_binary_frame_is_passed_on_as_base64_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    invoker = functions()
    async with serving(invoker) as gateway, connect(url(gateway)) as socket:
        for _ in range(2):
            await socket.send(b"\x00\xff")
            assert await socket.recv() == base64.b64encode(b"\x00\xff").decode()

    assert [event["isBase64Encoded"] for event in invoker.events["default"]] == [True, True]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [(warning.name, "1003" in warning.message) for warning in warnings] == [
        ("local.websocket", True)
    ]


async def test_strictly_a_binary_frame_closes_with_1003() -> None:
    invoker = functions()
    async with serving(invoker, strict=True) as gateway, connect(url(gateway)) as socket:
        await socket.send(b"\x00\xff")

        assert (await closing(socket))[0] == 1003
        await until_async(lambda: invoker.events["disconnect"])
    assert invoker.events["default"] == []
    assert context(invoker.events["disconnect"][0])["disconnectStatusCode"] == 1003


@pytest.mark.parametrize(
    ("strict", "frames", "closed"),
    [
        (False, [131_072], False),
        (False, [131_073], True),
        (True, [32_768], False),
        (True, [32_769], True),
        (True, [32_768] * 4, False),
        (True, [32_768] * 4 + [1], True),
    ],
)
async def test_messages_over_128_kb_and_strictly_frames_over_32_kb_close_with_1009(
    *, strict: bool, frames: list[int], closed: bool
) -> None:
    async with (
        serving(functions(), strict=strict) as gateway,
        connect(url(gateway), max_size=None) as socket,
    ):
        await socket.send("a" * size for size in frames)
        if closed:
            assert (await closing(socket))[0] == 1009
        else:
            assert len(await socket.recv()) == sum(frames)


async def test_an_idle_connection_is_closed() -> None:
    invoker = functions()
    async with (
        serving(invoker, idle_timeout=0.02) as gateway,
        connect(url(gateway)) as socket,
    ):
        assert await closing(socket) == (1001, "Going away")
        await until_async(lambda: invoker.events["disconnect"])
    assert context(invoker.events["disconnect"][0])["disconnectReason"] == "Going away"


async def test_an_old_connection_is_closed_however_busy() -> None:
    async with (
        serving(functions(), max_duration=0.05) as gateway,
        connect(url(gateway)) as socket,
    ):

        async def talk() -> None:
            while True:
                await socket.send("still here")
                await socket.recv()

        with pytest.raises(ConnectionClosed) as closed:
            await talk()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1001


async def test_messages_under_way_outlive_their_connection() -> None:
    go, finished = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> dict[str, Any]:
        await go.wait()
        finished.set()
        return _echo(event)

    invoker = functions(default=slow)
    async with serving(invoker) as gateway:
        async with connect(url(gateway)) as socket:
            await socket.send("1")
            await until_async(lambda: invoker.events["default"])
        await until_async(lambda: invoker.events["disconnect"])
        go.set()
        await finished.wait()


async def test_closing_says_goodbye_to_everybody() -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        sockets = [await connect(url(gateway)) for _ in range(3)]
        assert gateway.connections == 3

    assert [await closing(socket) for socket in sockets] == [(1001, "")] * 3
    assert len(invoker.events["disconnect"]) == 3


async def test_closing_does_not_wait_for_functions_that_never_end() -> None:
    invoker = functions(connect=never)
    gateway = WebSocketGateway([API], invoker)
    await gateway.start()
    handshake: Awaitable[Any] = asyncio.ensure_future(refusal(gateway))
    await until_async(lambda: invoker.events["connect"])
    await gateway.close(grace=0)
    assert (await handshake).status_code == 502
