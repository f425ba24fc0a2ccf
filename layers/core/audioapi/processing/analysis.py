"""One pass over a recording for everything that its sound alone tells, in flat memory."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from audioapi import settings, worker
from audioapi.media.errors import LostSoundError
from audioapi.media.silence import Silences
from audioapi.media.survey import SAMPLE_RATE, Report, estimated_seconds, survey
from audioapi.media.waveform import Peaks
from audioapi.memories import windows
from audioapi.processing import results, source, transcripts
from audioapi.processing.models import Facts, Loudness, Source
from audioapi.processing.results import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.media.silence import SilenceMap
    from audioapi.processing.models import Task
    from audioapi.processing.source import Found


def analyse(task: Task, found: Found, recording: windows.Recording) -> Facts:
    """Stores the recording's memories and every result but the transcript. Raises MediaError if
    the recording is at fault, LostSoundError if what was made of it isn't as long.
    """
    blocks = source.read(found)
    head = next(blocks)
    expected = estimated_seconds(head, size_bytes=found.size) or 0.0
    windows.plan(recording, seconds=expected)
    report = Report()
    peaks, silences = Peaks(sample_rate=SAMPLE_RATE), Silences(sample_rate=SAMPLE_RATE)
    sound = survey(chain([head], blocks), report=report, limits=worker.limits())
    stored = windows.Stored()
    remembered = _checked(windows.cut(recording, sound, stored), stored, report)
    heard = _heard(remembered, peaks, silences)
    results.put_audio(task.task_id, heard, decoded=lambda: report.samples)
    results.put_json(task.task_id, Name.WAVEFORM, peaks.as_json())
    silence = silences.map()
    results.put_json(task.task_id, Name.SILENCES, _described(silence))
    facts = _facts(report, silence)
    results.put_json(task.task_id, Name.LOUDNESS, facts.loudness.model_dump())
    return facts


def _checked(sound: Iterable[bytes], stored: windows.Stored, report: Report) -> Iterator[bytes]:
    """The same blocks; when they are through, all of them have to be in windows."""
    yield from sound
    LostSoundError.check(
        "its memories hold", stored.samples, decoded=report.samples, sample_rate=SAMPLE_RATE
    )


def _heard(sound: Iterable[bytes], peaks: Peaks, silences: Silences) -> Iterator[bytes]:
    for block in sound:
        peaks.add(block)
        silences.add(block)
        yield block


def _described(silence: SilenceMap) -> dict[str, object]:
    return {
        **asdict(silence),
        "silences": [{"start": start, "end": end} for start, end in silence.silences],
    }


def _facts(report: Report, silence: SilenceMap) -> Facts:
    return Facts(
        samples=report.samples,
        duration_seconds=report.seconds,
        lost_seconds=report.lost_seconds,
        source=Source.model_validate(report.source, from_attributes=True),
        loudness=Loudness.model_validate(report.loudness, from_attributes=True),
        silence_seconds=silence.silence_seconds,
        windows=math.ceil(report.seconds / settings.memories().window_seconds),
        parts=transcripts.plan(report.samples, silence.silences),
        warnings=report.warnings,
    )
