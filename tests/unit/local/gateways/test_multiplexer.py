"""The one port: HTTP, WebSockets and the callback API side by side, and clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import boto3
import pytest
from botocore.config import Config
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from local.gateways.multiplexer import HEAD_LIMIT, Gateway, Multiplexer, listen, rewrite
from local.gateways.websocket_connection import POSTS_IN_FLIGHT
from local.template.model import HttpApi, Stack, WebSocketApi, WebSocketRoute
from tests.patience import until_async
from tests.unit.local.gateways.gateway_fakes import FakeInvoker, returning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from websockets.asyncio.client import ClientConnection

    Event = Mapping[str, Any]

OK = {"statusCode": 200}
STACK = Stack(
    functions={},
    http_apis=(HttpApi("http", {"POST /echo": "http"}),),
    websocket_apis=(
        WebSocketApi(
            "sockets",
            "dev",
            "$request.body.action",
            {
                "$connect": WebSocketRoute("connect", responds=False),
                "$default": WebSocketRoute("default", responds=True),
            },
        ),
    ),
)
LOOPBACKS = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
CASES = json.loads((Path(__file__).parents[3] / "data/websocket_paths.json").read_text())


def functions(**overrides: Callable[[Event], object]) -> FakeInvoker:
    def echo(event: Event) -> dict[str, Any]:
        return {"statusCode": 200, "body": event.get("body")}

    return FakeInvoker(**{"connect": returning(OK), "default": echo, "http": echo, **overrides})


@asynccontextmanager
async def serving(invoker: FakeInvoker | None = None) -> AsyncIterator[Gateway]:
    async with Gateway(STACK, invoker or functions(), port=0) as gateway:
        yield gateway


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['path']}?{case['query']}")
def test_seed_001s_paths_are_rewritten(case: dict[str, str]) -> None:
    assert rewrite(case["path"], case["query"]) == case["rewritten"]


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1"])
async def test_one_port_serves_http_and_websockets(address: str) -> None:
    async with (
        serving() as gateway,
        aiohttp.ClientSession() as session,
        connect(f"ws://{address}:{gateway.port}/api/ws/audio") as websocket,
    ):
        await websocket.send("over a socket")
        url = f"http://{address}:{gateway.port}/echo"
        async with session.post(url, json="over http") as response:
            assert await response.text() == '"over http"'
        assert await websocket.recv() == "over a socket"


@pytest.mark.parametrize("address", LOOPBACKS)
async def test_localhost_is_both_of_its_addresses(address: str) -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        reader, writer = await asyncio.open_connection(address, gateway.port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        await _close(writer)

    assert invoker.events["http"][0]["requestContext"]["http"]["sourceIp"] == address


async def test_headers_that_are_no_text_are_latin_1() -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        reader, writer = await asyncio.open_connection("localhost", gateway.port)
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        writer.write(head + b"User-Agent: \xff\r\nX-Name: caf\xe9\r\nCookie: a=\xfc\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        await _close(writer)

    [event] = invoker.events["http"]
    assert event["headers"]["x-name"] == "caf\u00e9"
    assert event["requestContext"]["http"]["userAgent"] == "\u00ff"
    assert event["cookies"] == ["a=\u00fc"]


async def test_a_session_in_the_path_arrives_as_a_parameter() -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        url = f"{gateway.ws_url}/api/ws/audio/s1?user_id=u1"
        async with connect(url, additional_headers={"X-Forwarded-For": "10.0.0.1"}):
            pass

    (event,) = invoker.events["connect"]
    assert event["queryStringParameters"] == {"user_id": "u1", "session_id": "s1"}
    assert event["multiValueHeaders"]["X-Forwarded-For"][0] == "10.0.0.1"
    assert event["requestContext"]["identity"]["sourceIp"] in ("127.0.0.1", "::1")


async def test_any_other_websocket_path_is_forbidden() -> None:
    async with serving() as gateway:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{gateway.ws_url}/api/ws/video")

    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b'{"message":"Forbidden"}'


async def test_a_taken_port_is_an_os_error() -> None:
    async with serving() as gateway:
        with pytest.raises(OSError, match=r"in use"):
            listen("localhost", gateway.port)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:80"),
        ("0.0.0.0", "http://localhost:80"),
        ("192.168.0.2", "http://192.168.0.2:80"),
        ("::1", "http://[::1]:80"),
    ],
)
def test_the_url_is_one_that_clients_can_open(host: str, url: str) -> None:
    assert Gateway(STACK, functions(), host=host, port=80).url == url


async def test_a_large_head_is_refused_with_431() -> None:
    async with serving() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET / HTTP/1.1\r\nX-Large: " + b"x" * 2 * HEAD_LIMIT)
        response = await reader.read()
        await _close(writer)

    assert response.startswith(b"HTTP/1.1 431 ")
    head, _, body = response.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"message": "Request Header Fields Too Large"}


async def test_a_head_that_comes_byte_by_byte_is_cut_off() -> None:
    front = Multiplexer(_unreachable, websocket_port=0, stage="dev", head_timeout=0.02)
    (listener,) = listen("127.0.0.1", 0)
    await front.start([listener])
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")

    assert await reader.read() == b""
    assert front.transports == set()
    await _close(writer)
    await front.close()


async def test_a_head_in_pieces_is_put_together() -> None:
    async with serving() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        request = (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        )
        for at in range(len(request)):
            writer.write(request[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        assert b"200 OK" in await reader.read()
        await _close(writer)


async def test_a_client_that_sends_and_never_reads_holds_up_nobody_else() -> None:
    async with (
        serving() as gateway,
        connect(f"{gateway.ws_url}/dev") as stuck,
        connect(f"{gateway.ws_url}/dev") as websocket,
    ):
        stuck.transport.pause_reading()
        sending = asyncio.create_task(_send_forever(stuck))
        await until_async(stuck.transport.get_write_buffer_size)
        for number in range(20):
            await websocket.send(str(number))
            assert await websocket.recv() == str(number)

        buffered = [end.get_write_buffer_size() for end in gateway._front.transports]
        assert max(buffered) < 1024 * 1024
        sending.cancel()
        stuck.transport.abort()
        await until_async(lambda: gateway.websocket.connections == 1)


async def test_who_closes_half_of_a_websocket_still_hears_the_rest() -> None:
    async with serving() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(
            b"GET /dev HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: am5ubWVpbHd3bmNyYXF0ag==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        close_frame = b"\x88\x82\x00\x00\x00\x00\x03\xe8"  # masked with zeros, code 1000
        writer.write(close_frame)
        writer.write_eof()

        assert await reader.read() == b"\x88\x02\x03\xe8"
        await until_async(lambda: gateway.websocket.connections == 0)
        await _close(writer)


async def test_leaving_in_the_middle_of_a_request_breaks_nothing() -> None:
    go = asyncio.Event()

    async def slow(_event: Event) -> dict[str, Any]:
        await go.wait()
        return OK

    invoker = functions(http=slow)
    async with serving(invoker) as gateway, aiohttp.ClientSession() as session:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        await until_async(lambda: invoker.events["http"])
        await _close(writer)
        go.set()
        async with session.post(f"{gateway.url}/echo") as response:
            assert response.status == 200


async def test_closing_ends_every_kind_of_connection() -> None:
    async with serving() as gateway:
        websocket = await connect(f"{gateway.ws_url}/dev")
        idle = socket.create_connection(("127.0.0.1", gateway.port))
        session = aiohttp.ClientSession()
        await (await session.post(f"{gateway.url}/echo")).read()

    with pytest.raises(ConnectionClosed) as closed:
        await websocket.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1001
    with closing(idle), pytest.raises(aiohttp.ClientConnectionError):
        await session.post(f"{gateway.url}/echo")
    await session.close()


# The callback API, as functions call it.


@asynccontextmanager
async def connected(
    gateway: Gateway, invoker: FakeInvoker
) -> AsyncIterator[tuple[ClientConnection, str]]:
    """Open a WebSocket; yield it and its connection id."""
    async with connect(f"{gateway.ws_url}/dev", user_agent_header="test") as websocket:
        yield websocket, invoker.events["connect"][-1]["requestContext"]["connectionId"]


@contextmanager
def calling(endpoint_url: str) -> Iterator[ApiGatewayManagementApiClient]:
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with closing(client):
        yield client


@pytest.mark.parametrize("stage", ["", "/dev"])
async def test_a_function_posts_to_a_connection_asks_after_it_and_closes_it(stage: str) -> None:
    invoker = functions()
    async with serving(invoker) as gateway, connected(gateway, invoker) as (websocket, id_):
        with calling(gateway.url + stage) as client:
            for data in ("grüß".encode(), b"\xff"):
                await asyncio.to_thread(client.post_to_connection, ConnectionId=id_, Data=data)
            state = await asyncio.to_thread(client.get_connection, ConnectionId=id_)
            await asyncio.to_thread(client.delete_connection, ConnectionId=id_)
            with pytest.raises(client.exceptions.GoneException):
                await asyncio.to_thread(client.get_connection, ConnectionId=id_)

        assert state["Identity"]["UserAgent"] == "test"
        assert state["ConnectedAt"] <= state["LastActiveAt"]
        assert [await websocket.recv(), await websocket.recv()] == ["grüß", b"\xff"]
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1000


async def test_a_post_during_connect_is_gone() -> None:
    failures: list[Exception] = []

    async def greet(event: Event) -> dict[str, int]:
        id_ = event["requestContext"]["connectionId"]
        try:
            await asyncio.to_thread(client.post_to_connection, ConnectionId=id_, Data=b"hello")
        except client.exceptions.GoneException as gone:
            failures.append(gone)
        return OK

    invoker = functions(connect=greet)
    async with serving(invoker) as gateway:
        with calling(gateway.url) as client:
            async with connected(gateway, invoker) as (_, id_):
                assert len(failures) == 1
                await asyncio.to_thread(client.post_to_connection, ConnectionId=id_, Data=b"now")


async def test_a_post_to_a_client_that_left_is_gone() -> None:
    invoker = functions()
    async with serving(invoker) as gateway:
        async with connected(gateway, invoker) as (_, id_):
            pass
        await until_async(lambda: gateway.websocket.connections == 0)
        with calling(gateway.url) as client, pytest.raises(client.exceptions.GoneException):
            await asyncio.to_thread(client.post_to_connection, ConnectionId=id_, Data=b"late")


async def test_a_post_over_128_kb_is_too_large() -> None:
    invoker = functions()
    async with serving(invoker) as gateway, connected(gateway, invoker) as (websocket, id_):
        with calling(gateway.url) as client:
            post = partial(client.post_to_connection, ConnectionId=id_)
            await asyncio.to_thread(post, Data=b"a" * 131_072)
            with pytest.raises(client.exceptions.PayloadTooLargeException):
                await asyncio.to_thread(post, Data=b"a" * 131_073)

        assert len(await websocket.recv()) == 131_072


async def test_posts_to_a_client_that_does_not_read_are_limited() -> None:
    invoker = functions()
    async with (
        serving(invoker) as gateway,
        connected(gateway, invoker) as (websocket, id_),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        websocket.transport.pause_reading()

        async def flood() -> int:
            """Post until a post is refused."""
            while True:
                url = f"{gateway.url}/@connections/{id_}"
                async with session.post(url, data=bytes(100_000)) as response:
                    if response.status != 200:
                        return response.status

        floods = [asyncio.create_task(flood()) for _ in range(POSTS_IN_FLIGHT + 1)]
        first, others = await asyncio.wait(floods, return_when=asyncio.FIRST_COMPLETED)
        websocket.transport.abort()

        assert {task.result() for task in first} == {429}
        assert set(await asyncio.gather(*others)) <= {410, 429}


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def _send_forever(websocket: ClientConnection) -> None:
    while True:
        await websocket.send("a" * 10_000)


def _unreachable() -> asyncio.Protocol:
    raise AssertionError("no request is complete")
