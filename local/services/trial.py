"""Asks of the FFmpeg that FFMPEG_PATH names all that functions ask of one, for a second of sound.

`python -m local.services.trial` ends with 1 if it can't, and says why.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from audioapi.media import assemble, conversation, survey, telephony, wav
from audioapi.media.errors import CommandError, LostSoundError, MediaError
from audioapi.media.process import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_RATE = 44_100
_SECOND = wav.header(sample_rate=_RATE, channels=1, data_bytes=2 * _RATE) + bytes(2 * _RATE)


def main() -> None:
    for trial, expected in TRIALS.items():
        try:
            samples = sum(map(len, trial())) // 2
        except (CommandError, LostSoundError, MediaError) as error:
            sys.exit(str(error))
        if samples != expected:
            sys.exit(f"a second of sound became {samples} samples, not {expected}")


def _assembled() -> Iterable[bytes]:
    report = assemble.Report()
    return assemble.assemble(
        [_SECOND], declared="wav", sample_rate=48_000, channels=2, report=report
    )


def _surveyed() -> Iterable[bytes]:
    return survey.survey([_SECOND], report=survey.Report())


def _heard() -> Iterator[bytes]:
    with conversation.sound([_SECOND]) as sound:
        yield from sound.blocks


def _normalised() -> Iterable[bytes]:
    telephony.loudness([_SECOND], limits=Limits())
    return telephony.telephony([_SECOND], limits=Limits(), gain_db=-1.0)


TRIALS: dict[Callable[[], Iterable[bytes]], int] = {
    _assembled: 2 * 48_000,
    _surveyed: 16_000,
    _heard: 16_000,
    _normalised: 8_000,
}
"""What each has to give: samples of all channels."""

if __name__ == "__main__":
    main()
