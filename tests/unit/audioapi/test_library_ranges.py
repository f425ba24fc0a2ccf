"""Ranges and conditions of RFC 9110, whatever a client sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.library.playback import Part, part_of, unchanged
from audioapi.problems import RangeNotSatisfiableError

BYTES = st.integers(min_value=0, max_value=10_000)
FILE = bytes(index % 251 for index in range(10_000))


def sliced(part: Part | None, total: int) -> bytes:
    return FILE[:total] if part is None else FILE[part.start : part.end]


@given(total=BYTES, first=BYTES, last=BYTES)
def test_a_range_is_the_bytes_from_first_to_last(total: int, first: int, last: int) -> None:
    if first > last:
        assert part_of(f"bytes={first}-{last}", total) is None
    elif first >= total:
        with pytest.raises(RangeNotSatisfiableError):
            part_of(f"bytes={first}-{last}", total)
    else:
        part = part_of(f"bytes={first}-{last}", total)
        assert part is not None
        assert sliced(part, total) == FILE[:total][first : last + 1]
        assert part.content_range == f"bytes {first}-{first + part.size - 1}/{total}"


@given(total=BYTES, last=BYTES)
def test_a_suffix_is_the_last_bytes(total: int, last: int) -> None:
    if total and last:
        assert sliced(part_of(f"bytes=-{last}", total), total) == FILE[:total][-last:]
    else:
        with pytest.raises(RangeNotSatisfiableError):
            part_of(f"bytes=-{last}", total)


@given(total=BYTES, wanted=st.text() | st.from_regex(r"bytes=[\d,=-]*"))
def test_any_header_is_a_part_the_whole_or_refused(total: int, wanted: str) -> None:
    try:
        part = part_of(wanted, total)
    except RangeNotSatisfiableError:
        return
    assert part is None or 0 <= part.start < part.end <= total


@given(tags=st.lists(st.from_regex(r'(W/)?"[a-z]*"', fullmatch=True)))
def test_a_known_file_is_unchanged(tags: list[str]) -> None:
    assert unchanged(", ".join(tags), '"0"') is False
    assert unchanged(", ".join([*tags, 'W/"0"']), '"0"') is True
