"""What is kept of what FFmpeg says."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.messages import Messages

SAID = (
    "[mp3 @ 0x15b4bec0] [info] by the way\n"
    "[mp3 @ 0x15b4bec0] [error] Header missing\n"
    "[in#0 @ 0x15b4bb80] [error] Error opening input\n"
    "the last line"
)


def heard(*pieces: bytes) -> tuple[list[str], str | None]:
    lines: list[str] = []
    messages = Messages(lines.append)
    for piece in [*pieces, b""]:
        messages.add(piece)
    return lines, messages.reason


@given(st.lists(st.integers(0, len(SAID))))
def test_lines_are_whole_however_they_come(places: list[int]) -> None:
    at = sorted({0, len(SAID), *places})
    pieces = [SAID.encode()[a:b] for a, b in itertools.pairwise(at)]
    assert heard(*pieces) == (SAID.split("\n"), "Header missing")


def test_a_line_without_end_is_cut_off_and_the_next_one_heard() -> None:
    lines, reason = heard(*[bytes(1000)] * 1000, b"\n[error] Header missing\n")
    assert [len(line) for line in lines] == [4096, 22, 0]
    assert reason == "Header missing"


def test_a_file_without_a_track_is_called_so_whatever_else_there_was() -> None:
    said = b"[error] Odd header\n[fatal] Stream map '0:a:0' matches no streams.\n"
    assert heard(said)[1] == "There is no audio track in it"


def test_what_is_no_text_harms_nobody() -> None:
    assert heard(b"[error] \xff\xfe\n")[1] == "\ufffd\ufffd"
