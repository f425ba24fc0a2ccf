"""Subtitles are what players take: read here by a library that is not ours."""

from __future__ import annotations

import html
import io
import itertools

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from audioapi.speech import subtitles
from audioapi.speech.transcript import Transcript, Utterance, Word

TEXTS = st.text("abcé'&<>-.?!", min_size=1, max_size=20)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Words behind one another, some touching, some with minutes between, in utterances."""
    at = 0.0
    heard = []
    for texts in draw(st.lists(st.lists(TEXTS, min_size=1, max_size=30), max_size=5)):
        words = []
        for text in texts:
            start = at + draw(st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.5, 200.0]))
            at = start + draw(st.floats(0.0, 9.0))
            words.append(Word(text, start, at, 1.0))
        heard.append(Utterance(words[0].start, words[-1].end, tuple(words)))
    return transcript(*heard)


def transcript(*heard: Utterance) -> Transcript:
    return Transcript(heard, "test", None, "en-US")


def said(text: str, *, start: float = 0.0, seconds: float = 0.3) -> Utterance:
    """The words of `text`, each `seconds` long, without pauses."""
    words = tuple(
        Word(word, start + n * seconds, start + (n + 1) * seconds, 1.0)
        for n, word in enumerate(text.split())
    )
    return Utterance(start, words[-1].end, words)


@given(transcripts())
def test_cues_hold_all_words_in_order_and_never_overlap(heard: Transcript) -> None:
    made = subtitles.cues(heard)
    assert " ".join(line for cue in made for line in cue.lines) == heard.text
    for cue in made:
        assert len(cue.lines) in {1, 2}
        assert all(len(line) <= subtitles.LINE_CHARACTERS for line in cue.lines)
        assert 0 < cue.end - cue.start <= subtitles.LONGEST_MS
    for cue, following in itertools.pairwise(made):
        assert cue.end <= following.start


@given(transcripts())
def test_a_player_reads_the_cues_that_were_made(heard: Transcript) -> None:
    made = subtitles.cues(heard)
    srt, vtt = io.StringIO(subtitles.srt(heard)), io.StringIO(subtitles.vtt(heard))
    from_vtt = webvtt.from_buffer(vtt, format="vtt").captions
    for read in (webvtt.from_buffer(srt, format="srt").captions, from_vtt) if made else (from_vtt,):
        assert [milliseconds(caption.start) for caption in read] == [cue.start for cue in made]
        assert [milliseconds(caption.end) for caption in read] == [cue.end for cue in made]
    assert [html.unescape(caption.text) for caption in from_vtt] == [
        "\n".join(cue.lines) for cue in made
    ]


def milliseconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


def test_files_as_they_are_written() -> None:
    heard = transcript(said("Q&A <now>", start=59.5), said("a week later", start=360_000.25))
    assert subtitles.srt(heard) == (
        "1\n00:00:59,500 --> 00:01:00,500\nQ&A <now>\n\n"
        "2\n100:00:00,250 --> 100:00:01,250\na week later\n"
    )
    assert subtitles.vtt(heard) == (
        "WEBVTT\n\n"
        "00:00:59.500 --> 00:01:00.500\nQ&amp;A &lt;now&gt;\n\n"
        "100:00:00.250 --> 100:00:01.250\na week later\n"
    )


def test_nothing_said_is_an_empty_file() -> None:
    assert subtitles.srt(transcript()) == ""
    assert subtitles.vtt(transcript()) == "WEBVTT\n"
    assert webvtt.from_string(subtitles.vtt(transcript())).captions == []


def test_a_long_utterance_is_parted_behind_a_sentence() -> None:
    text = "It was the best of times and the worst of them. Nobody could have told at first which"
    made = subtitles.cues(transcript(said(text)))
    assert [cue.lines for cue in made] == [
        ("It was the best of times", "and the worst of them."),
        ("Nobody could have told at first which",),
    ]


def test_or_else_at_its_longest_pause() -> None:
    first, second = "one two three four five six seven eight", "nine ten eleven twelve"
    before, behind = said(first, seconds=0.5), said(second, start=4.4, seconds=0.9)
    made = subtitles.cues(transcript(Utterance(0.0, 8.0, before.words + behind.words)))
    assert [" ".join(cue.lines) for cue in made] == [first, second]


def test_lines_are_of_like_length() -> None:
    [cue] = subtitles.cues(transcript(said("how much there might be prudently in his power to")))
    assert cue.lines == ("how much there might be", "prudently in his power to")


def test_a_word_that_no_line_holds_is_not_cut() -> None:
    word = "x" * 60
    made = subtitles.cues(transcript(said(f"see {word} there")))
    assert [cue.lines for cue in made] == [("see",), (word,), ("there",)]


@pytest.mark.parametrize(
    ("following", "end"), [(5.0, 1100), (0.7, 700)], ids=["for a second", "until the next"]
)
def test_a_short_cue_stays(following: float, end: int) -> None:
    made = subtitles.cues(transcript(said("yes", start=0.1), said("no", start=following)))
    assert (made[0].start, made[0].end) == (100, end)
