"""Cuts a recording into its memories: a row and a WAV file a window.

Each step may be done again, after a crash or by a second delivery of its job, in any order: the
same recording gives the same rows and the same bytes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from audioapi import objects, settings
from audioapi.media import wav
from audioapi.memories import audio, store
from audioapi.memories.models import Recording, audio_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "Recording",
    "Stored",
    "Word",
    "complete",
    "cut",
    "fail",
    "plan",
    "set_transcript",
    "tidy",
]

SAMPLE_RATE = 16_000
_SAMPLE_BYTES = 2
_MOST_PLANNED = 1000
"""What a file says of its own length may be anything."""
_UPLOADING_BYTES = 8 * 1024 * 1024
_MOST_UPLOADS = 8


class Word(Protocol):
    """A spoken word; `start` and `end` are in seconds from the recording's first sample."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


def plan(recording: Recording, *, seconds: float) -> None:
    """Shows what is to come: `pending` rows for about `seconds` of audio, at least one. A recording
    that is complete already stays so.
    """
    estimated = min(max(0, seconds), _MOST_PLANNED * settings.memories().window_seconds)
    store.add_pending(recording, _windows(recording, max(1, round(estimated * SAMPLE_RATE))))


@dataclass
class Stored:
    """How many samples are in windows."""

    samples: int = 0


def cut(
    recording: Recording, pcm: Iterable[bytes], stored: Stored | None = None
) -> Iterator[bytes]:
    """Passes 16 kHz mono s16le on as it comes and meanwhile stores each window's WAV, the last one
    as short as it is, and counts them in `stored`. All are durable when it is exhausted; a failed
    upload is raised.
    """
    config, stored = settings.memories(), stored or Stored()
    window_bytes = config.window_seconds * SAMPLE_RATE * _SAMPLE_BYTES
    at_once = max(1, min(_MOST_UPLOADS, _UPLOADING_BYTES // window_bytes))
    with objects.uploads(config.audio_bucket, at_once=at_once, content_type="audio/wav") as upload:
        gathered, index = bytearray(), 0

        def store_window() -> None:
            window = gathered[:window_bytes]
            upload(audio_key(recording.session_id, index), _file(window))
            stored.samples += len(window) // _SAMPLE_BYTES
            del gathered[:window_bytes]

        for block in pcm:
            gathered += block
            while len(gathered) >= window_bytes:
                store_window()
                index += 1
            yield block
        if gathered:
            store_window()


def complete(recording: Recording, *, samples: int) -> bool:
    """Says that all windows of `samples` are stored, and whether any of them is left that was not
    deleted meanwhile. Without any, nothing was heard: it failed.
    """
    windows = _windows(recording, samples)
    if not windows:
        fail(recording)
        return True
    left = store.complete(recording, windows)
    tidy(recording)
    return left


def fail(recording: Recording) -> None:
    """Says that what is pending won't come."""
    store.fail_pending(recording)


def tidy(recording: Recording) -> None:
    """Removes what was stored of windows that were deleted while the work was done: nobody could
    find it any more.
    """
    store.tidy(recording, lambda windows: audio.remove(recording.session_id, windows))


def set_transcript(recording: Recording, words: Sequence[Word]) -> None:
    """Gives each window the words whose middle lies in it."""
    spoken: defaultdict[int, list[str]] = defaultdict(list)
    for word in words:
        middle = (word.start + word.end) / 2
        spoken[int(middle // settings.memories().window_seconds)].append(word.text)
    store.put_transcripts(recording, {index: " ".join(texts) for index, texts in spoken.items()})


def _file(samples: bytes | bytearray) -> bytes:
    header = wav.header(sample_rate=SAMPLE_RATE, channels=1, data_bytes=len(samples))
    return header + samples


def _windows(recording: Recording, samples: int) -> list[store.Window]:
    seconds = settings.memories().window_seconds
    full = seconds * SAMPLE_RATE
    return [
        _window(recording, index, index * seconds, min(full, samples - index * full) / SAMPLE_RATE)
        for index in range(math.ceil(samples / full))
    ]


def _window(recording: Recording, index: int, offset: int, duration: float) -> store.Window:
    start = recording.began + timedelta(seconds=offset)
    return store.Window(index, start, start + timedelta(seconds=duration), duration)
