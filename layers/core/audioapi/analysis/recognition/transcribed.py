"""Words that Amazon Transcribe has written down of a whole recording, heard where they were said.

Its jobs take half a minute at least, and take files: for recordings, not for who speaks just now.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from audioapi import objects, settings
from audioapi.analysis.recognition.recognisers import RecogniserError
from audioapi.speech import amazon

if TYPE_CHECKING:
    from audioapi.speech.transcript import Transcript, Word
    from audioapi.speech.utterances import Speech

_POLL_SECONDS = 3.0


class TranscriptRecogniser:
    """A recogniser that knows what was said already. Each word is given once, to the utterance that
    its middle lies in, the first one of two at a time.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.name = transcript.recogniser
        self.version = transcript.version
        self.language = transcript.language or "und"
        self._words = sorted(
            (word for utterance in transcript.utterances for word in utterance.words), key=_middle
        )
        self._middles = [_middle(word) for word in self._words]
        self._given: set[int] = set()

    def words(self, speech: Speech) -> tuple[Word, ...]:
        first = bisect_left(self._middles, speech.start)
        end = bisect_right(self._middles, speech.end)
        new = [place for place in range(first, end) if place not in self._given]
        self._given.update(new)
        return tuple(self._words[place] for place in new)


def recogniser(name: str, key: str, folder: str, *, until: float) -> TranscriptRecogniser:
    """Of the recording at `key`, when a job of that name has ended. Raises RecogniserError for one
    that fails, or hasn't ended at `until` (of time.monotonic).
    """
    bucket, language = settings.analysis().audio_bucket, settings.analysis().transcript_language
    written = f"{folder}/transcript.json"
    amazon.start(name, f"s3://{bucket}/{key}", bucket, written, language=language)
    _wait(name, until=until)
    found = json.loads(objects.read(bucket, written))
    return TranscriptRecogniser(amazon.read(found, language=language))


def _wait(name: str, *, until: float) -> None:
    while time.monotonic() < until:
        found = amazon.client().get_transcription_job(TranscriptionJobName=name)
        job = found["TranscriptionJob"]
        if job["TranscriptionJobStatus"] == "FAILED":
            raise RecogniserError(f"{amazon.NAME}: {job.get('FailureReason', 'it failed')}")
        if job["TranscriptionJobStatus"] == "COMPLETED":
            return
        time.sleep(_POLL_SECONDS)
    raise RecogniserError(f"{amazon.NAME}: it takes too long")


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2
