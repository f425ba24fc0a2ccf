"""A TCP relay that makes a line longer: what passes arrives later, in order, none of it lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLOCK_BYTES = 64 * 1024


@asynccontextmanager
async def longer_line(port: int, *, round_trip: float) -> AsyncIterator[int]:
    """The port of a relay to loopback's `port` that adds `round_trip` seconds, half each way.

    Only the way is longer, not narrower: as much as anybody sends is on it at once.
    """
    connections: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        task.add_done_callback(connections.discard)
        try:
            await _relay(reader, writer, port, round_trip / 2)
        except* ConnectionError:
            pass  # either end is gone, and both connections are closed

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        if connections:
            await asyncio.wait(connections)
        await server.wait_closed()


async def _relay(
    near_reader: asyncio.StreamReader, near: asyncio.StreamWriter, port: int, delay: float
) -> None:
    await asyncio.sleep(2 * delay)  # the handshake of TCP is a round trip too
    try:
        far_reader, far = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on(near_reader, far, delay))
                both.create_task(_pass_on(far_reader, near, delay))
        finally:
            await _close(far)
    finally:
        await _close(near)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
) -> None:
    """Until the sender ends its side, and the receiver has heard of it."""
    now = asyncio.get_running_loop().time
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def receive() -> None:
        data = b"-"
        while data:
            data = await reader.read(_BLOCK_BYTES)
            on_the_way.put_nowait((now() + delay, data))

    async with asyncio.TaskGroup() as both:
        both.create_task(receive())
        while True:
            due, data = await on_the_way.get()
            await asyncio.sleep(due - now())
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
