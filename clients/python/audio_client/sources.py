"""Where audio comes from: bytes, iterables of bytes, and files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import BinaryIO

from audio_client.frames import CHUNK_BYTES

Source = bytes | Iterable[bytes] | AsyncIterable[bytes] | BinaryIO


async def pieces(source: Source) -> AsyncGenerator[bytes, None]:
    """A file is read in a thread, a chunk at a time; an iterable is iterated in the event loop."""
    if isinstance(source, bytes):
        yield source
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    elif hasattr(source, "read"):
        while piece := await asyncio.to_thread(source.read, CHUNK_BYTES):
            yield piece
    else:
        for piece in source:
            yield piece


async def pipe(stream: BinaryIO) -> AsyncGenerator[bytes, None]:
    """A pipe or terminal, read by the event loop: a thread waiting for input outlives Ctrl-C."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), stream
    )
    try:
        while piece := await _read_chunk(reader):
            yield piece
    finally:
        transport.close()


async def paced(
    source: AsyncIterable[bytes], bytes_per_second: float
) -> AsyncGenerator[bytes, None]:
    """Each piece when a recorder would have it: after the time that its audio lasts."""
    now = asyncio.get_running_loop().time
    due = now()
    async for piece in source:
        due += len(piece) / bytes_per_second
        await asyncio.sleep(due - now())
        yield piece


async def _read_chunk(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readexactly(CHUNK_BYTES)
    except asyncio.IncompleteReadError as end:
        return end.partial
