"""What measurements rest on: a longer line passes everything on, a folder does as S3 does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from audioapi import objects
from tests.bench.directory import DirectoryS3
from tests.bench.proxy import longer_line
from tests.bench.timing import interleaved

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SENT = bytes(range(256)) * 2000


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends everything back once there is no more."""
    writer.write(await reader.read())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_a_longer_line_passes_on_everything_in_order_both_ways() -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with longer_line(port, round_trip=0.01) as longer:
            reader, writer = await asyncio.open_connection("127.0.0.1", longer)
            for start in range(0, len(SENT), 5000):
                writer.write(SENT[start : start + 5000])
            writer.write_eof()
            assert await reader.read() == SENT
            writer.close()
            await writer.wait_closed()


async def test_a_longer_line_ends_with_connections_still_open() -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with longer_line(port, round_trip=0) as longer:
            reader, writer = await asyncio.open_connection("127.0.0.1", longer)
            writer.write(b"unfinished")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_a_folder_keeps_objects_as_s3_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "client", lambda: DirectoryS3(tmp_path))
    for number in range(1200):
        objects.put_once("bucket", f"chunks/s/{number:04d}", str(number).encode())
    listed = list(objects.keys("bucket", "chunks/s/", after="chunks/s/0009"))
    assert listed == [f"chunks/s/{number:04d}" for number in range(10, 1200)]
    assert list(objects.keys("bucket", "chunks/none/")) == []
    assert list(objects.read_in_order("bucket", listed[:3])) == [b"10", b"11", b"12"]


def test_a_folder_keeps_a_multipart_object_as_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "client", lambda: DirectoryS3(tmp_path))
    for _ in range(2):
        parts = [(2, b"end"), (1, b"begin")]
        objects.upload_parts("bucket", "file.wav", parts, content_type="audio/wav")
    made = sorted((tmp_path / "bucket" / "file.wav").iterdir())
    assert [path.read_bytes() for path in made] == [b"begin", b"end"]


def test_a_folder_gives_any_part_of_an_object_however_it_was_put(tmp_path: Path) -> None:
    s3 = DirectoryS3(tmp_path)
    s3.put_object(Bucket="bucket", Key="whole", Body=SENT)
    s3.create_multipart_upload(Bucket="bucket", Key="parts")
    for number in range(1, 4):
        part = SENT[1000 * (number - 1) : 1000 * number if number < 3 else None]
        s3.upload_part(Bucket="bucket", Key="parts", PartNumber=number, Body=part)
    for key in ("whole", "parts"):
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == SENT
        rest = s3.get_object(Bucket="bucket", Key=key, Range="bytes=1500-")["Body"]
        assert b"".join(rest.iter_chunks(300)) == SENT[1500:]
        middle = s3.get_object(Bucket="bucket", Key=key, Range="bytes=900-2100")
        assert middle["Body"].read() == SENT[900:2101]
        assert middle["ContentLength"] == 1201


def test_a_folder_tells_of_an_object_what_s3_does(tmp_path: Path) -> None:
    s3 = DirectoryS3(tmp_path)
    s3.put_object(Bucket="bucket", Key="whole", Body=SENT)
    told = s3.head_object(Bucket="bucket", Key="whole")
    assert told["ContentLength"] == len(SENT)
    assert told["ETag"] == s3.get_object(Bucket="bucket", Key="whole")["ETag"]
    assert told["LastModified"].tzinfo is not None


def test_what_is_compared_takes_turns() -> None:
    order: list[str] = []
    seconds = iter([1.0, 20.0, 3.0, 10.0, 2.0, 30.0])

    def way(name: str) -> float:
        order.append(name)
        return next(seconds)

    ways = {"A": lambda: way("A"), "B": lambda: way("B")}
    medians = interleaved(ways, 3, lambda: order.append("done"))
    assert order == ["A", "done", "B", "done"] * 3
    assert medians == {"A": 2.0, "B": 20.0}
