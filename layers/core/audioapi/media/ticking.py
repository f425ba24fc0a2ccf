"""A stream that may stand still, read such that nobody has to wait for it."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TICK_SECONDS = 0.02


@contextlib.contextmanager
def ticking(data: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """The same blocks, and an empty one whenever none has come for 20 ms. What `data` raises is
    raised where they are read.

    `data` is read in a thread, a block ahead. It ends with the `with` block, which waits for it:
    `data` should end soon then, or yield something.
    """
    arrived: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=1)
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(data, arrived, over), name="ticking")
    reader.start()
    try:
        yield _blocks(arrived)
    finally:
        over.set()
        with contextlib.suppress(queue.Empty):
            arrived.get_nowait()  # the reader may wait for room
        reader.join()


def _read(
    data: Iterable[bytes],
    arrived: queue.Queue[bytes | BaseException | None],
    over: threading.Event,
) -> None:
    try:
        for block in data:
            arrived.put(block)
            if over.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that it matters to
        arrived.put(error)
    else:
        arrived.put(None)


def _blocks(arrived: queue.Queue[bytes | BaseException | None]) -> Iterator[bytes]:
    while True:
        try:
            block = arrived.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            block = b""
        if isinstance(block, BaseException):
            raise block
        if block is None:
            return
        yield block
