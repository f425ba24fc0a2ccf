"""The few causes of trouble without which nothing goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def fewest(causes: Sequence[str], fails: Callable[[Sequence[str]], bool]) -> list[str]:
    """Of the causes with which it `fails`: as few as are needed, each of them. First halves are
    left out, then smaller parts, as delta debugging does it.
    https://www.st.cs.uni-saarland.de/papers/tse2002/tse2002.pdf
    """
    left, size = list(causes), max(1, len(causes) // 2)
    while True:
        at = 0
        while at < len(left):
            without = left[:at] + left[at + size :]
            if fails(without):
                left = without
            else:
                at += size
        if size == 1:
            return left
        size //= 2
