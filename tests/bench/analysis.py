"""How well a conversation is heard, and what that takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import TYPE_CHECKING, Any

from audioapi.analysis.voice.prosody import prosody
from audioapi.speech.utterances import RATE, Speech
from tests.bench import voices
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.results import Figure, at_least, at_most
from tests.integration.speech.sample import word_error_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.bench.voices import Said, Talk

_CLEAN_DB, _HISS_DB = 50, 20
_PAUSE_SECONDS = 0.51
"""After which an utterance is over."""
_LONG_TIMES = 8
_QUICK_SECONDS = 2.0


@dataclass(frozen=True)
class Listened:
    """What was heard of a talk, in order, and what it took."""

    talk: Talk
    heard: Sequence[dict[str, Any]]
    waits: Sequence[float]
    cpu: float
    peak_mb: float

    @property
    def word_error_rate(self) -> float:
        said = " ".join(said.text for said in self.talk.said)
        return word_error_rate(said, " ".join(it["text"] for it in self.heard))


def _measure(bench: Bench) -> Iterator[Figure]:
    count, chosen = (1, voices.VOICES[:1]) if bench.quick else (16, voices.VOICES)
    talks = {voice: voices.talk(voices.SENTENCES[:count], voice) for voice in chosen}
    if bench.quick:
        talks = {voice: voices.beginning(talk, _QUICK_SECONDS) for voice, talk in talks.items()}
    clean, noisy, plain = dict[str, Listened](), dict[str, Listened](), list[float]()
    with bench.progress("listening to voices, in silence and in hiss", 3 * len(talks)) as done:
        for voice, talk in talks.items():
            clean[voice] = _listen(bench, talk, _CLEAN_DB, done)
            plain.append(_heard(bench, "plain", talk, _CLEAN_DB, done)["cpu"])
            noisy[voice] = _listen(bench, talk, _HISS_DB, done)
    yield _words("words wrong, of those said", clean)
    yield _words(f"words wrong in hiss {_HISS_DB} dB below the voice", noisy)
    yield from _borders([*clean.values()])
    yield _pitch(2 if bench.quick else 20)
    yield from _costs([*clean.values()], sum(plain))
    yield _memory(bench, talks[chosen[0]], clean[chosen[0]])


def _listen(
    bench: Bench, talk: Talk, hiss_db: float, done: Callable[[], None] = lambda: None
) -> Listened:
    return Listened(talk, **_heard(bench, "live", talk, hiss_db, done))


def _heard(
    bench: Bench, way: str, talk: Talk, hiss_db: float, done: Callable[[], None]
) -> dict[str, Any]:
    path = bench.folder / "talk.pcm"
    path.write_bytes(talk.pcm(hiss_db=hiss_db))
    command = [sys.executable, "-m", "tests.bench.listening", way, str(path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'core'}"}
    out = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    path.unlink()
    done()
    found: dict[str, Any] = json.loads(out.stdout)
    return found


def _words(name: str, listened: dict[str, Listened]) -> Figure:
    rates = {voice: it.word_error_rate for voice, it in listened.items()}
    return Figure(name, fmean(rates.values()), unit="", seen=rates)


def _borders(listened: Sequence[Listened]) -> Iterator[Figure]:
    starts, ends = list[float](), list[float]()
    for it in listened:
        for said in it.talk.said:
            if found := _nearest(said, it.heard):
                starts.append(abs(found["start"] - said.start))
                ends.append(abs(found["end"] - said.end))
    sentences = sum(len(it.talk.said) for it in listened)
    heard = sum(len(it.heard) for it in listened)
    yield Figure(
        "utterances found, over sentences said",
        heard / sentences,
        seen={
            "sentences": sentences,
            "utterances": heard,
            "sentences missed": sentences - len(starts),
        },
    )
    yield Figure(
        "an utterance's borders, mean error",
        1000 * fmean(starts + ends),
        unit="ms",
        target=at_most(250),
        seen={
            "starts, ms": 1000 * fmean(starts),
            "starts 95 %, ms": 1000 * _p95(starts),
            "ends, ms": 1000 * fmean(ends),
            "ends 95 %, ms": 1000 * _p95(ends),
        },
    )


def _nearest(said: Said, heard: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What overlaps with it most."""
    overlaps = [(min(it["end"], said.end) - max(it["start"], said.start), it) for it in heard]
    most, found = max(overlaps, key=lambda each: each[0], default=(0.0, None))
    return found if most > 0 else None


def _pitch(count: int) -> Figure:
    off = []
    for hertz in voices.contours(count):
        pcm = voices.vowel(hertz)
        off.append(voices.semitones_off(hertz, prosody(Speech(0.0, len(pcm) / 2 / RATE, pcm), [])))
    means, deviations = zip(*off, strict=True)
    return Figure(
        "an utterance's mean pitch, mean error",
        fmean(means),
        unit="semitones",
        target=at_most(0.5),
        seen={"greatest": max(means), "of the deviation": fmean(deviations), "voices": count},
    )


def _costs(listened: Sequence[Listened], plain: float) -> Iterator[Figure]:
    seconds = sum(it.talk.seconds for it in listened)
    cpu = sum(it.cpu for it in listened)
    yield Figure(
        "processor time over PocketSphinx's alone",
        cpu / plain,
        seen={"all, s": cpu, "PocketSphinx alone, s": plain},
    )
    yield Figure(
        "times real time, by processor time",
        seconds / cpu,
        target=at_least(3),
        seen={"sound, s": seconds, "processor, s": cpu},
    )
    waits = [wait for it in listened for wait in it.waits]
    yield Figure(
        "from an utterance's end to its words, p95",
        _PAUSE_SECONDS + _p95(waits),
        unit="s",
        target=at_most(1),
        seen={"the pause it ends with, s": _PAUSE_SECONDS, "the last passes, s": fmean(waits)},
    )


def _memory(bench: Bench, short: Talk, listened: Listened) -> Figure:
    """The same again and again: to recognise more would only take longer."""
    times = 1 if bench.quick else _LONG_TIMES
    long = voices.again(short, times)
    with bench.progress(f"listening to {long.seconds:.0f} s", 1):
        most = _listen(bench, long, _CLEAN_DB).peak_mb
    return Figure(
        f"peak memory, {long.seconds:.0f} s over {short.seconds:.0f} s",
        most / listened.peak_mb,
        target=at_most(1.1),
        seen={"short, MB": listened.peak_mb, "long, MB": most},
    )


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else fmean(values)


MEASUREMENT = Measurement(
    "analysis",
    "how well conversations are heard: words, borders, pitch; real-time factor and memory",
    300,
    "Sixteen sentences by four of flite's voices, a second apart, a tenth of a second at a time as "
    "a live recording comes, in a process of its own: voice activity, PocketSphinx and prosody; no "
    "decoding, no text analysis; PocketSphinx alone hears each talk all at once. Machines speak "
    "more clearly than people. Where flite isn't installed (Debian's package flite), it is one "
    "recorded sentence again and again. Times are of a processor, and those without a ratio this "
    "machine's. Borders are those of the sentence's sound above -50 dB; utterances keep 0.2 s on "
    "each side. Pitch is of vowels whose pitch is known. The words' delay is the detector's pause "
    "and the recogniser's last passes, without queue, decoding and delivery.",
    _measure,
)
