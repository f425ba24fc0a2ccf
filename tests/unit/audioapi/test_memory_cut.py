"""What goes through the cut comes out as it went in, and is stored on the way in bounded memory."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import objects, settings
from audioapi.memories import windows
from audioapi.memories.windows import Recording
from tests.audio import pcm, samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING = Recording("s1", "acme-corp", "dev-user", 0, 0)
SECOND = windows.SAMPLE_RATE * 2


class Bucket:
    """Keeps what is put; `arrived` counts it, and while `closed` nothing comes through."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.arrived = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def put(self, _bucket: str, key: str, data: bytes, **_: str) -> None:
        self.arrived.release()
        self.open.wait()
        self.objects[key] = data


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    config = settings.MemoriesSettings(audio_bucket="b", window_seconds=1)
    monkeypatch.setattr(settings, "memories", lambda: config)
    found = Bucket()
    monkeypatch.setattr(objects, "put", found.put)
    return found


@pytest.mark.parametrize("size", [1, 333, SECOND - 1, SECOND, SECOND + 1, 10 * SECOND])
def test_blocks_of_any_size_pass_and_are_cut_alike(bucket: Bucket, size: int) -> None:
    samples = pcm(rate=windows.SAMPLE_RATE, channels=1, seconds=0.3 if size == 1 else 3.3)
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    assert list(windows.cut(RECORDING, iter(blocks))) == blocks
    stored = [samples_of(bucket.objects[key]) for key in sorted(bucket.objects)]
    assert b"".join(stored) == samples
    assert all(len(window) == SECOND for window in stored[:-1])


def test_keys_are_numbered_by_three_digits_and_more(bucket: Bucket) -> None:
    list(windows.cut(RECORDING, (bytes(SECOND) for _ in range(1001))))
    assert min(bucket.objects) == "sessions/s1/window_000/audio.wav"
    assert "sessions/s1/window_1000/audio.wav" in bucket.objects


def test_uploads_go_on_beside_the_work(bucket: Bucket) -> None:
    """The work gets its next block while the window before is on its way."""
    bucket.open.clear()
    work = windows.cut(RECORDING, (bytes(SECOND) for _ in range(3)))
    next(work)
    assert bucket.arrived.acquire()
    next(work)
    assert bucket.objects == {}
    bucket.open.set()
    assert len(list(work)) == 1
    assert len(bucket.objects) == 3


def test_work_waits_for_uploads_that_are_too_slow(bucket: Bucket) -> None:
    """Else they would pile up in memory."""
    bucket.open.clear()
    taken = 0

    def blocks() -> Iterator[bytes]:
        nonlocal taken
        for taken in range(1, 101):  # noqa: B007 - counts what was taken
            yield bytes(SECOND)

    work = threading.Thread(target=lambda: list(windows.cut(RECORDING, blocks())))
    work.start()
    for _ in range(8):
        assert bucket.arrived.acquire()
    assert not bucket.arrived.acquire(timeout=0.1)
    assert taken <= 9
    bucket.open.set()
    work.join()
    assert len(bucket.objects) == 100


def test_memory_does_not_grow_with_the_recording(bucket: Bucket) -> None:
    bucket.objects = Forgetful()
    peaks = []
    for seconds in (50, 500):
        tracemalloc.start()
        for _ in windows.cut(RECORDING, (bytes(SECOND) for _ in range(seconds))):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 20 * SECOND


class Forgetful(dict[str, bytes]):
    def __setitem__(self, key: str, value: bytes) -> None:
        pass


@pytest.mark.parametrize("failing", [0, 1, 5])
def test_a_failed_upload_is_raised(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    def put(bucket_: str, key: str, data: bytes, **options: Any) -> None:
        if f"window_{failing:03d}" in key:
            raise ConnectionError(key)
        bucket.put(bucket_, key, data, **options)

    monkeypatch.setattr(objects, "put", put)
    with pytest.raises(ConnectionError, match=f"window_{failing:03d}"):
        list(windows.cut(RECORDING, (bytes(SECOND * 3 // 4) for _ in range(8))))


def test_a_source_that_fails_leaves_whole_windows_only(bucket: Bucket) -> None:
    def blocks() -> Iterator[bytes]:
        yield bytes(SECOND + 100)
        raise EOFError

    with pytest.raises(EOFError):
        list(windows.cut(RECORDING, blocks()))
    assert [len(samples_of(data)) for data in bucket.objects.values()] in ([], [SECOND])
