"""A conversation that is listened to, live or from a file: the one engine of both.

What it finds depends on the sound alone, never on how it was cut into blocks, nor on whether
somebody heard the beginning before and only the end is new.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from audioapi.analysis.agents import Agent, Agents
from audioapi.analysis.events import compose
from audioapi.analysis.models import Analyser, Conclusion, Prosody, Segmentation, Utterance
from audioapi.analysis.recognition import diarisation, recognisers
from audioapi.analysis.recognition.recognisers import (
    TimedRecogniser,
    configured,
)
from audioapi.analysis.text import (
    cognitive,
    insights,
    moments,
    segmentation,
    sentiment,
    summary,
    transitions,
)
from audioapi.analysis.voice import emotion
from audioapi.problems import NoUtterancesError
from audioapi.speech.utterances import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from audioapi.analysis.models import Emotion, Event, Moment, Sentiment, Transition
    from audioapi.analysis.recognition.diarisation import Partial, RecognisedUtterance
    from audioapi.analysis.recognition.recognisers import AnyRecogniser
    from audioapi.speech.transcript import Word

_SAMPLE_BYTES = 2


def load() -> None:
    """What a conversation needs besides its imports, and takes a second."""
    from audioapi.analysis.voice import prosody  # noqa: F401, PLC0415 - as in `_analysed`

    recognisers.load()
    sentiment.load()


@dataclass(frozen=True)
class Turn:
    """The events that tell of an utterance, in order, and the utterance if it has just ended: it is
    None while somebody speaks still, and what it seems to say may change.
    """

    utterance: Utterance | None
    events: list[Event]


class Conversation:
    """Is fed with sound, s16le at 16 kHz in one or two interleaved channels.

    `known` are utterances that were told of before, from the beginning on: their sound is to be fed
    again, for what comes after it, and they are neither recognised nor told again.
    Without a `recogniser`, it is TRANSCRIBER's that can hear while somebody speaks.
    """

    def __init__(
        self,
        conversation_id: str,
        *,
        channels: int,
        goal: str | None = None,
        known: Sequence[Utterance] = (),
        recogniser: AnyRecogniser | None = None,
    ) -> None:
        self.conversation_id = conversation_id
        self.agents = Agents(conversation_id)
        self.timeline: list[Utterance] = []
        self.moments: list[Moment] = []
        self.transitions: list[Transition] = []
        self._goal = goal
        self._frame_bytes = _SAMPLE_BYTES * channels
        self._bytes = 0
        self._of_speaker: dict[str, list[Utterance]] = defaultdict(list)
        for utterance in known:
            self._add(utterance)
        self.agents = Agents(conversation_id)  # those before it were counted when they were told
        after = (known[-1].speaker, known[-1].t_start) if known else None
        self._recogniser = TimedRecogniser(recogniser or configured())
        self._diariser = diarisation.Diariser(channels, self._recogniser, after=after)

    @property
    def seconds(self) -> float:
        """How much sound was fed."""
        return self._bytes / self._frame_bytes / RATE

    def feed(self, pcm: bytes) -> Iterator[Turn]:
        """The turns that end in this sound. Raises RecogniserError."""
        self._bytes += len(pcm)
        yield from self._turns(self._diariser.feed(pcm))

    def finish(self) -> Iterator[Turn]:
        """The turns that the sound's end cuts off. Raises RecogniserError."""
        yield from self._turns(self._diariser.finish())

    def conclude(self) -> Conclusion:
        """Raises NoUtterancesError if nobody spoke."""
        if not self.timeline:
            raise NoUtterancesError
        segments = self.agents.find(
            Agent.SEGMENTATION,
            segmentation.ANALYSER,
            lambda: segmentation.segmentation(self.timeline, context=self._goal),
        ) or Segmentation(segments=[], analyser=segmentation.ANALYSER)
        summed_up = self.agents.find(
            Agent.SUMMARY,
            summary.ANALYSER,
            lambda: summary.summarise(self.timeline, segments, self.moments, goal=self._goal),
        )
        counted = self.agents.find(
            Agent.INSIGHTS,
            insights.ANALYSER,
            lambda: insights.insights(
                self.timeline, self.moments, self.transitions, duration_seconds=self.seconds
            ),
        )
        if summed_up:
            self.agents.credit(Agent.SUMMARY, summed_up.analyser, fallback=summed_up.fallback)
        return Conclusion(summary=summed_up, insights=counted, segmentation=segments)

    def _turns(self, found: Iterator[RecognisedUtterance | Partial]) -> Iterator[Turn]:
        for heard in self._timed(found):
            if isinstance(heard, diarisation.Partial):
                yield Turn(None, [compose.partial(heard)])
            elif heard.words or not self._recogniser.understands:
                yield self._turn(heard)

    def _timed(
        self, found: Iterator[RecognisedUtterance | Partial]
    ) -> Iterator[RecognisedUtterance | Partial]:
        """The same; what passes until an utterance ends is the listener's time, the recogniser's
        taken off.
        """
        listening = 0.0
        started = time.perf_counter()
        for heard in found:
            listening += time.perf_counter() - started
            if isinstance(heard, diarisation.RecognisedUtterance):
                recognising = self._recogniser.take_seconds()
                listening = max(listening - recognising, 0.0)
                self.agents.took(Agent.UTTERANCES, _voice_activity(), seconds=listening)
                if self._recogniser.understands:
                    self.agents.took(
                        Agent.TRANSCRIPT, self._recogniser.analyser, seconds=recognising
                    )
                listening = 0.0
            yield heard
            started = time.perf_counter()

    def _turn(self, heard: RecognisedUtterance) -> Turn:
        utterance = self._analysed(heard)
        found, changed = self._add(utterance)
        return Turn(utterance, list(compose.of_utterance(utterance, found, changed)))

    def _analysed(self, heard: RecognisedUtterance) -> Utterance:
        from audioapi.analysis.voice import (  # noqa: PLC0415 - 0.1 s, for whoever hears somebody
            prosody,
        )

        find, words = self.agents.find, heard.words
        spoken = (
            find(Agent.PROSODY, prosody.ANALYSER, lambda: prosody.prosody(heard.speech, words))
            or Prosody()
        )
        utterance = Utterance(
            utterance_id=f"utt_{len(self.timeline) + 1:04d}",
            speaker=heard.speaker,
            t_start=heard.speech.start,
            t_end=heard.speech.end,
            text=" ".join(word.text for word in words),
            prosody=spoken,
        )
        return self._understood(utterance, words) if words else utterance

    def _understood(self, utterance: Utterance, words: Sequence[Word]) -> Utterance:
        """With what its words tell."""
        find, spoken = self.agents.find, utterance.prosody
        felt = find(
            Agent.SENTIMENT, sentiment.ANALYSER, lambda: sentiment.sentiment(utterance.text)
        )
        return utterance.model_copy(
            update={
                "asr_confidence": round(sum(word.confidence for word in words) / len(words), 3),
                "sentiment": felt,
                "emotion": self._emotion(utterance, felt) if felt else None,
                "cognitive": find(
                    Agent.COGNITIVE, cognitive.ANALYSER, lambda: cognitive.cognitive(words, spoken)
                ),
            }
        )

    def _emotion(self, utterance: Utterance, felt: Sentiment) -> Emotion | None:
        before = self._of_speaker[utterance.speaker]
        return self.agents.find(
            Agent.EMOTION,
            emotion.ANALYSER,
            lambda: emotion.emotion(felt, utterance.prosody, before),
        )

    def _add(self, utterance: Utterance) -> tuple[list[Moment], list[Transition]]:
        """To the timeline, with what it makes there."""
        self.timeline.append(utterance)
        found = self.agents.find_all(
            Agent.MOMENTS, moments.ANALYSER, lambda: moments.moments(utterance)
        )
        changed = self.agents.find_all(
            Agent.TRANSITIONS, transitions.ANALYSER, lambda: transitions.transitions(self.timeline)
        )
        self.moments += found
        self.transitions += changed
        self._of_speaker[utterance.speaker].append(utterance)
        return found, changed


@cache
def _voice_activity() -> Analyser:
    """PocketSphinx brings the WebRTC project's, and says no version of it."""
    return Analyser(name="webrtc-vad", version=f"pocketsphinx {version('pocketsphinx')}")
