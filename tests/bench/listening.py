"""`python -m tests.bench.listening FILE`: hears a conversation's samples as if it were live, a
tenth of a second at a time, and prints what it heard and what that took as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi.analysis.recognition.diarisation import Diariser, RecognisedUtterance
from audioapi.analysis.voice.prosody import prosody
from audioapi.speech.live import LivePocketSphinx
from audioapi.speech.utterances import RATE
from tests.bench.timing import peak_mb

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = RATE // 10 * 2


def main(path: Path) -> None:
    diariser = Diariser(1, LivePocketSphinx())
    began, heard, waits = time.process_time(), list[dict[str, Any]](), list[float]()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            at = time.process_time()
            found = list(_told(diariser.feed(block)))
            waits += [time.process_time() - at] * len(found)
            heard += found
    heard += _told(diariser.finish())
    print(  # noqa: T201 - for the process that started this one
        json.dumps(
            {
                "heard": heard,
                "waits": waits,
                "cpu": time.process_time() - began,
                "peak_mb": peak_mb(),
            }
        )
    )


def _told(found: Iterator[object]) -> Iterator[dict[str, Any]]:
    for it in found:
        if isinstance(it, RecognisedUtterance):
            prosody(it.speech, it.words)
            text = " ".join(word.text for word in it.words)
            yield {"start": it.speech.start, "end": it.speech.end, "text": text}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
