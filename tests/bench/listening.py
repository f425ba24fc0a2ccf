"""`python -m tests.bench.listening live|plain FILE`: hears a conversation's samples as if it were
live, a tenth of a second at a time, or just its words, all at once; and prints what it heard and
what that took as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketsphinx import Decoder  # type: ignore[import-untyped]

from audioapi.analysis.recognition.diarisation import Diariser, RecognisedUtterance
from audioapi.analysis.voice.prosody import prosody
from audioapi.speech.live import LivePocketSphinx
from audioapi.speech.utterances import RATE
from tests.bench.timing import peak_mb

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = RATE // 10 * 2


def main(way: str, path: Path) -> None:
    print(json.dumps(WAYS[way](path)))  # noqa: T201 - for the process that started this one


def live(path: Path) -> dict[str, Any]:
    diariser = Diariser(1, LivePocketSphinx())
    began, heard, waits = time.process_time(), list[dict[str, Any]](), list[float]()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            at = time.process_time()
            found = list(_told(diariser.feed(block)))
            waits += [time.process_time() - at] * len(found)
            heard += found
    heard += _told(diariser.finish())
    cpu = time.process_time() - began
    return {"heard": heard, "waits": waits, "cpu": cpu, "peak_mb": peak_mb()}


def plain(path: Path) -> dict[str, Any]:
    began = time.process_time()
    recognise(decoder(), path.read_bytes())
    return {"cpu": time.process_time() - began}


@cache
def decoder() -> Any:
    return Decoder(loglevel="FATAL")


def recognise(by: Any, pcm: bytes) -> None:
    """The least there is to do to hear words: a pass of PocketSphinx's over all of it at once."""
    by.start_utt()
    by.process_raw(pcm, full_utt=True)
    by.end_utt()


def _told(found: Iterator[object]) -> Iterator[dict[str, Any]]:
    for it in found:
        if isinstance(it, RecognisedUtterance):
            prosody(it.speech, it.words)
            text = " ".join(word.text for word in it.words)
            yield {"start": it.speech.start, "end": it.speech.end, "text": text}


WAYS = {"live": live, "plain": plain}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
