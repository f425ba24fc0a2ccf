"""A conversation is told utterance by utterance, whatever fails, and from wherever it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import settings
from audioapi.analysis.agents import Agent
from audioapi.analysis.conversation import Conversation, Turn
from audioapi.analysis.models import Cognitive, Emotion, Prosody
from audioapi.analysis.recognition import diarisation, recognisers
from audioapi.analysis.recognition.diarisation import Partial, RecognisedUtterance
from audioapi.analysis.recognition.recognisers import NoRecogniser, RecogniserError
from audioapi.analysis.text import (
    cognitive,
    insights,
    moments,
    segmentation,
    sentiment,
    summary,
    transitions,
)
from audioapi.analysis.voice import emotion, prosody
from audioapi.problems import NoUtterancesError
from audioapi.settings import AnalysisSettings
from audioapi.speech.transcript import Word
from audioapi.speech.utterances import Speech

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.analysis.models import Utterance
    from audioapi.analysis.recognition.recognisers import TimedRecogniser

SECOND = bytes(32_000)
ENDS = {
    1.0: ("speaker_1", "can you send me the new contract"),
    2.0: ("speaker_1", ""),
    3.0: ("speaker_2", "i am sorry that is really terrible and i hate it"),
    4.0: ("speaker_1", "i will send it to you tomorrow"),
}
"""What is said, and by whom, in the second that ends there."""


@dataclass
class Knowing:
    """A recogniser that knows what was said in every second."""

    asked: list[float] = field(default_factory=list)
    name = "knowing"
    version = "1"
    language = "en"

    def words(self, speech: Speech) -> tuple[Word, ...]:
        self.asked.append(speech.end)
        words = ENDS[speech.end][1].split()
        return tuple(Word(word, speech.start, speech.end, 0.5) for word in words)


class Dying(Knowing):
    def words(self, _: Speech) -> tuple[Word, ...]:
        raise MemoryError("what was said is a secret")


class FakeDiariser:
    """Takes each second for an utterance, which may be guessed at half-way through."""

    def __init__(
        self, _: int, recogniser: TimedRecogniser, *, after: tuple[str, float] | None = None
    ) -> None:
        self._recogniser = recogniser
        self._after = after
        self._end = 0.0

    def feed(self, pcm: bytes) -> Iterator[RecognisedUtterance | Partial]:
        for _ in range(len(pcm) // len(SECOND)):
            self._end += 1.0
            speech = Speech(self._end - 1.0, self._end, SECOND)
            speaker = ENDS[self._end][0]
            if self._after is None:
                recognition = self._recogniser.begin()
                recognition.feed(SECOND)
                if guess := recognition.text():
                    yield Partial(speaker, speech.start, guess)
                yield RecognisedUtterance(speaker, speech, recognition.words(speech))
            elif self._after == (speaker, speech.start):
                self._after = None

    def finish(self) -> Iterator[RecognisedUtterance | Partial]:
        return iter(())


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diarisation, "Diariser", FakeDiariser)
    monkeypatch.setattr(prosody, "prosody", lambda *_: Prosody(pitch_hz_mean=180.0))
    monkeypatch.setattr(emotion, "emotion", _emotion)
    monkeypatch.setattr(cognitive, "cognitive", lambda *_: _COGNITIVE)
    config = AnalysisSettings(audio_bucket="audio", analysis_table="analysis")
    monkeypatch.setattr(settings, "analysis", lambda: config)


_COGNITIVE = Cognitive(load=0.25, fillers=0, filler_ratio=0.0)


def _emotion(felt: Any, _: Prosody, before: list[Utterance]) -> Emotion:
    """With what came before in it, so that a test sees what was passed."""
    return Emotion(valence=felt.compound, arousal=min(len(before) / 10, 1.0), label="neutral")


def heard(
    talk: Conversation, seconds: int = 4, *, cut: int = 4 * len(SECOND)
) -> tuple[Conversation, list[Turn]]:
    sound = SECOND * seconds
    turns = [
        turn
        for start in range(0, len(sound), cut)
        for turn in talk.feed(sound[start : start + cut])
    ]
    return talk, [*turns, *talk.finish()]


def utterance(turn: Turn) -> Utterance:
    assert turn.utterance
    return turn.utterance


def begun(known: list[Utterance] | None = None, recogniser: Any = None) -> Conversation:
    return Conversation("conv_1", channels=1, known=known or [], recogniser=recogniser or Knowing())


def status(talk: Conversation, agent: str) -> str:
    return next(it.status for it in talk.agents.results() if it.agent == agent)


def test_every_utterance_is_told_in_order() -> None:
    talk, turns = heard(begun())
    assert [utterance(turn).utterance_id for turn in turns] == ["utt_0001", "utt_0002", "utt_0003"]
    assert [turn.utterance for turn in turns] == talk.timeline
    first, second, _ = turns
    assert [event.type for event in first.events] == [
        "final_transcript",
        "emotion",
        "cognitive",
        "moment",
    ]
    assert first.events[0].data == {
        "utterance_id": "utt_0001",
        "speaker": "speaker_1",
        "t_start": 0.0,
        "t_end": 1.0,
        "text": "can you send me the new contract",
        "asr_confidence": 0.5,
    }
    assert first.events[1].data["utterance_id"] == "utt_0001"
    assert "transition" in [event.type for event in second.events]


def test_sound_without_words_is_no_utterance() -> None:
    _, turns = heard(begun())
    assert 2.0 not in [utterance(turn).t_end for turn in turns]


def test_it_ends_in_a_conclusion() -> None:
    talk, _ = heard(begun())
    conclusion = talk.conclude()
    assert conclusion.summary
    assert conclusion.insights
    assert conclusion.insights.duration_seconds == 4.0
    assert conclusion.segmentation.segments
    statuses = {it.agent: it.status for it in talk.agents.results()}
    assert set(statuses.values()) == {"ok"}


def test_nobody_spoke() -> None:
    talk = begun()
    with pytest.raises(NoUtterancesError):
        talk.conclude()


@pytest.mark.parametrize("seconds_at_once", [1, 2, 3, 4])
def test_how_the_sound_is_cut_changes_nothing(seconds_at_once: int) -> None:
    _, turns = heard(begun(), cut=seconds_at_once * len(SECOND))
    assert turns == heard(begun())[1]


@pytest.mark.parametrize("known", range(4))
def test_it_goes_on_where_it_was(known: int) -> None:
    whole, turns = heard(begun())
    recogniser = Knowing()
    again, rest = heard(begun(whole.timeline[:known], recogniser))
    assert rest == turns[known:]
    assert again.timeline == whole.timeline
    assert (again.moments, again.transitions) == (whole.moments, whole.transitions)
    assert again.conclude() == whole.conclude()
    told_until = whole.timeline[known - 1].t_end if known else 0.0
    assert all(end > told_until for end in recogniser.asked)


def test_what_somebody_seems_to_say_is_told_before_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recognisers._AtOnce, "text", lambda _: "can you")
    _, turns = heard(begun(), 1)
    guessed, said = turns
    assert guessed.utterance is None
    [event] = guessed.events
    assert event.type == "partial_transcript"
    assert event.data == {"speaker": "speaker_1", "t_start": 0.0, "text": "can you"}
    assert said.utterance


def _broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError


def test_prosody_that_fails_is_empty_and_the_rest_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prosody, "prosody", _broken)
    talk, turns = heard(begun())
    told = utterance(turns[0]).model_dump()
    assert told["prosody"] == {}
    assert told["text"]
    assert {"sentiment", "emotion", "cognitive"} <= set(told)
    assert status(talk, "prosody") == "failed"
    assert talk.conclude().summary


@pytest.mark.parametrize(
    ("module", "name", "absent"),
    [
        (sentiment, "sentiment", {"sentiment", "emotion"}),
        (emotion, "emotion", {"emotion"}),
        (cognitive, "cognitive", {"cognitive"}),
    ],
)
def test_a_finding_that_fails_is_absent(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, absent: set[str]
) -> None:
    whole = set(utterance(heard(begun())[1][0]).model_dump())
    monkeypatch.setattr(module, name, _broken)
    talk, turns = heard(begun())
    assert set(utterance(turns[0]).model_dump()) == whole - absent
    assert status(talk, name) == "failed"


@pytest.mark.parametrize(("module", "name"), [(moments, "moments"), (transitions, "transitions")])
def test_nothing_is_found_by_one_that_fails(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    monkeypatch.setattr(module, name, _broken)
    talk, turns = heard(begun())
    assert getattr(talk, name) == []
    assert len(turns) == 3
    assert status(talk, name) == "failed"
    assert talk.conclude().insights


@pytest.mark.parametrize(
    ("module", "function", "absent"),
    [(summary, "summarise", "summary"), (insights, "insights", "insights")],
)
def test_a_conclusion_lacks_what_fails(
    monkeypatch: pytest.MonkeyPatch, module: Any, function: str, absent: str
) -> None:
    monkeypatch.setattr(module, function, _broken)
    talk, _ = heard(begun())
    assert absent not in talk.conclude().model_dump()
    assert status(talk, absent) == "failed"


def test_segments_that_fail_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "segmentation", _broken)
    talk, _ = heard(begun())
    conclusion = talk.conclude()
    assert conclusion.segmentation.segments == []
    assert conclusion.summary


def test_a_recogniser_that_dies_ends_it() -> None:
    with pytest.raises(RecogniserError, match=r"^knowing: MemoryError$"):
        heard(begun(recogniser=Dying()))


def test_without_a_recogniser_there_are_utterances_without_words() -> None:
    talk, turns = heard(begun(recogniser=NoRecogniser()))
    assert len(turns) == 4
    told = utterance(turns[0]).model_dump()
    assert told["text"] == ""
    assert told["prosody"] == {"pitch_hz_mean": 180.0}
    assert not {"sentiment", "emotion", "cognitive", "asr_confidence"} & set(told)
    assert status(talk, "transcript") == "skipped"
    assert talk.conclude().summary


def test_arousal_is_relative_to_the_same_speaker() -> None:
    _, turns = heard(begun())
    felt = [utterance(turn).emotion for turn in turns]
    assert [it and it.arousal for it in felt] == [0.0, 0.0, 0.1]


def test_time_is_the_recognisers_or_the_listeners() -> None:
    talk, turns = heard(begun())
    taken = talk.agents.take_latencies()
    assert len(taken[Agent.TRANSCRIPT]) == 4
    assert len(taken[Agent.UTTERANCES]) == 4
    assert len(taken[Agent.PROSODY]) == len(turns)
