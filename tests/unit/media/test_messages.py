"""What is kept of what FFmpeg says."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.messages import Decoded, Messages

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


def said(*lines: str, loglevel: str = "error") -> Messages:
    messages = Messages(loglevel=loglevel)
    messages.add("".join(f"{line}\n" for line in lines).encode())
    return messages


GRAPH = "[graph_0_in_0:0 @ 0x7f] [verbose] tb:1/{0} samplefmt:s16 samplerate:{0} chlayout:{1}"
COUNTED = "Input stream #0:0 (audio): 46 packets read (7471 bytes); 44 frames decoded"


@pytest.mark.parametrize(
    ("line", "decoded"),
    [
        (f"[verbose]   {COUNTED} (45056 samples); ", Decoded(45056, 44)),  # FFmpeg 5.1
        (
            f"[in#0/mp3 @ 0x1c] [verbose]   {COUNTED}; 2 decode errors (45056 samples); ",
            Decoded(45056, 44, 2),
        ),
        ("[verbose]   Input stream #0:1 (video): 9 packets read (99 bytes); ", Decoded()),
        ("[verbose]   Output stream #0:0 (audio): 9 frames encoded (99 samples); ", Decoded()),
    ],
)
def test_how_much_was_decoded_is_heard(line: str, decoded: Decoded) -> None:
    assert said(line).decoded == decoded


def test_the_rates_are_those_of_one_filter_graph_one_after_the_other() -> None:
    other = GRAPH.replace("graph_0", "graph_1")
    lines = [it.format(rate, "mono") for rate in (44100, 48000) for it in (GRAPH, other)]
    assert said(*lines).rates == [44100, 48000]
    assert said("[graph_-1_in_0:0 @ 0x7f] [verbose] tb:1/8000 samplerate:8000 chlayout:mono").rates


def test_packets_that_could_not_be_decoded_were_as_long_as_others() -> None:
    errors = f"[verbose] {COUNTED}; 3 decode errors (45056 samples); "
    assert said(GRAPH.format(48000, "mono"), errors).lost_seconds == 3 * 1024 / 48000
    assert said(errors).lost_seconds is None
    assert said(GRAPH.format(48000, "mono")).lost_seconds is None


@pytest.mark.parametrize(
    ("rate", "layout", "ours"),
    [(48000, "5.1", True), (2_147_483_647, "mono", False), (48000, "23 channels", False)],
)
def test_a_filter_graph_fails_by_our_fault_if_the_sound_is_nothing_special(
    rate: int, layout: str, *, ours: bool
) -> None:
    failure = "[af#0:0 @ 0x14] [error] Error reinitializing filters!"
    messages = said(GRAPH.format(rate, layout), failure)
    assert bool(messages.our_fault) is ours
    assert messages.reason == "Error reinitializing filters!"


def test_a_graph_without_a_decoder_is_the_bytes_fault() -> None:
    """As FFmpeg 7.0 says it."""
    messages = said(
        "[aist#0:0/none @ 0x42] [error] Decoding requested, but no decoder found for: none",
        "[aost#0:0/pcm_s16le @ 0x42] [error] Error initializing a simple filtergraph",
    )
    assert messages.our_fault is None


@pytest.mark.parametrize("level", ["quiet", "panic", "fatal"])
def test_a_quieter_level_hides_reasons_and_not_our_faults(level: str) -> None:
    messages = said("[error] Header missing", "[error] Unrecognized option 'x'.", loglevel=level)
    assert messages.reason is None
    assert messages.our_fault == "Unrecognized option 'x'."
