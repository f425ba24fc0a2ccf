"""A stream of bytes, cut anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def pieces(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, the last one shorter."""
    gathered: list[memoryview] = []
    missing = size
    for block in blocks:
        view = memoryview(block)
        while len(view) >= missing:
            yield b"".join([*gathered, view[:missing]])
            view = view[missing:]
            gathered, missing = [], size
        if view:
            gathered.append(view)
            missing -= len(view)
    if gathered:
        yield b"".join(gathered)
