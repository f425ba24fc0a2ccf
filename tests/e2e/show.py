"""A long conversation at its own pace through a stack of its own, with a consumer that drops and
resumes: whether every event came once, and how soon after an utterance's end.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import live
from tests.e2e.stack import running

if TYPE_CHECKING:
    from collections.abc import Sequence

BREATHS = (2.0, 2.6, 3.2, 4.1, 2.3, 5.5, 2.9, 7.1)
PAUSE_SECONDS = 1.5
EVENTS_BEFORE_A_DROP = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every event came once and in order, to the end."""
    parser = argparse.ArgumentParser(prog="tests.e2e.show", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--speed", type=float, default=1, help="times its own pace")
    parser.add_argument("--chunk-seconds", type=float, default=0.25)
    parser.add_argument("--drops", type=int, default=5, help="of the consumer's connection")
    wanted = parser.parse_args(arguments)
    breaths = _breaths(wanted.minutes * 60)
    with tempfile.TemporaryDirectory() as state, running(Path(state)) as stack:
        consumer = live.Consumer(live.start(stack))
        with ThreadPoolExecutor(1) as background:
            speaking = background.submit(_speak, consumer.live, breaths, wanted)
            for _ in range(wanted.drops):
                consumer.listen(events=EVENTS_BEFORE_A_DROP)
            consumer.listen()
            begun = speaking.result()
    return _report(consumer, begun, wanted.speed, expected=len(breaths))


def _breaths(seconds: float) -> list[float]:
    breaths: list[float] = []
    while sum(breaths) + PAUSE_SECONDS * len(breaths) < seconds:
        breaths.append(BREATHS[len(breaths) % len(BREATHS)])
    return breaths


def _speak(session: live.Live, breaths: Sequence[float], wanted: argparse.Namespace) -> float:
    """When it began, by the monotonic clock."""
    file = live.conversation(*breaths, pause=PAUSE_SECONDS)
    begun = time.monotonic()
    session.speak(file, speed=wanted.speed, chunk_seconds=wanted.chunk_seconds)
    session.control("finalize")
    return begun


def _report(consumer: live.Consumer, begun: float, speed: float, *, expected: int) -> int:
    delays = sorted(
        came - begun - sent.data["t_end"] / speed
        for sent, came in zip(consumer.heard, consumer.came, strict=True)
        if sent.type == "final_transcript"
    )
    numbers = live.numbers(consumer.heard)
    whole = numbers == list(range(1, len(numbers) + 1))
    ended = consumer.types()[-3:] == ["summary_update", "status", "done"]
    _say(f"{len(numbers)} events over {len(consumer.statuses)} connections, whole: {whole}")
    _say(f"{len(delays)} utterances of {expected}, ending as it should: {ended}")
    _say(
        f"told {statistics.median(delays):.2f} s after an utterance's end (median), "
        f"{delays[int(len(delays) * 0.95)]:.2f} s (95 %), {delays[-1]:.2f} s at most"
    )
    return 0 if whole and ended and len(delays) == expected else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
