"""The bench works: what it finds is kept as it is shown. How long anything takes isn't asserted."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from local.runtime.snapshot import POSSIBLE
from tests.bench import bench, cli, results
from tests.bench.bench import Bench, Measurement
from tests.bench.results import Figure, at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


ON_A_STACK = ["ack", "window", "services", "parallel"]
WITHOUT_STACK = ["finish", "published", "process", "library", "analysis", "calls"]
ALONE = ["cold", "snapshot"]


def test_each_measurement_is_run_here() -> None:
    assert sorted(ON_A_STACK + WITHOUT_STACK + ALONE) == sorted(cli.MEASUREMENTS)


@pytest.mark.timeout(300)
def test_sessions_on_a_stack_are_measured(tmp_path: Path) -> None:
    figures = quick(tmp_path, *ON_A_STACK)
    assert figures["ack latency, chunk 20 over chunk 10"]["seen"]["acks each"] == 10
    assert figures["whole session at + 100 ms, window 1 over 16"]["value"] > 0
    for threads in ("1 thread", "8 threads"):
        read = figures[f"GetItem, {threads}, over a no-op server"]
        assert read["seen"].keys() == {"calls/s", "no-op calls/s"}
    share = figures["the local services' share of an acknowledged chunk"]
    assert share["seen"]["calls"] == 3
    assert figures["ack latency, 2 sessions over 1"]["seen"]["acks"] == 4
    assert figures["sessions that lost anything, of 2"]["met"]


@pytest.mark.timeout(300)
def test_work_outside_a_stack_is_measured(tmp_path: Path) -> None:
    figures = quick(tmp_path, *WITHOUT_STACK)
    assert figures["finishing 2 seconds at 16 kHz over a plain FFmpeg pass"]["value"] > 0
    assert figures["the published way over ours, 8 chunks"]["value"] > 1

    processed = figures["processing 2 seconds of MP3 over a plain FFmpeg pass"]
    assert processed["seen"].keys() == {"process, s", "plain pass, s", "times real time"}
    memory = figures["peak memory with FFmpeg, 2 seconds over 1 second"]
    assert memory["target"] == {"relation": "≤", "value": 1.3}
    assert all(peak > 0 for peak in memory["seen"].values())
    assert figures["transcribing 1 s of speech over PocketSphinx alone"]["seen"]["words"] > 0

    for page in ("page 1", "page 5", "a search", "one usage"):
        times = figures[f"p95 of {page} of 200 audios over the floor's"]["seen"]
        assert times.keys() == {"p95, ms", "median, ms", "floor p95, ms", "floor median, ms"}

    assert figures["utterances found, over sentences said"]["seen"]["sentences missed"] == 0
    assert figures["an utterance's borders, mean error"]["value"] < 500
    assert figures["an utterance's mean pitch, mean error"]["met"]
    assert figures["processor time over PocketSphinx's alone"]["value"] > 0

    puts = figures["S3 PUTs for a chunk, ack_every 10"]
    assert (puts["value"], puts["met"]) == (1, True)
    assert figures["all calls for a chunk, ack_every 10"]["seen"]["and by fold jobs"] > 1
    dollars = figures["dollars for an hour, 4 chunks/s, ack_every 10"]["seen"]
    assert all(part > 0 for part in dollars.values())


def test_starts_of_functions_are_measured(tmp_path: Path) -> None:
    figures = quick(tmp_path, *ALONE)
    for name in ("Health", "LiveEvents"):
        cold = figures[f"cold start of {name} over its floor"]
        assert cold["seen"].keys() == {"app, ms", "floor, ms"}
    assert figures["JobsWorker from its snapshot over a bare Python, ready"]["value"] > 0
    assert figures["JobsWorker from its snapshot over a bare Python, processor time"]["value"] > 0
    if POSSIBLE:
        assert figures["memory of 2 jobs workers over one's"]["met"]


def quick(folder: Path, *names: str) -> dict[str, Any]:
    """The figures of a quick run of these measurements, each of which was kept, by their names."""
    assert cli.main(["--quick", "--only", *names, "--folder", str(folder)]) == 0
    found = kept(folder / "quick.json")
    assert [outcome["name"] for outcome in found] == list(names)
    return {figure["name"]: figure for outcome in found for figure in outcome["figures"]}


def kept(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["measurements"]
    return found


class Bed:
    """Measurements that only say how they go, in place of those there are, and a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch

    def run(self, **measures: Callable[[Bench], Iterator[Figure]]) -> int:
        known = {
            name: Measurement(name, f"title of {name}", 240, f"note of {name}", measure)
            for name, measure in measures.items()
        }
        self._monkeypatch.setattr(cli, "MEASUREMENTS", known)
        return cli.main(["--folder", str(self.folder)])

    def latest(self) -> dict[str, Any]:
        return {outcome["name"]: outcome for outcome in kept(self.folder / "latest.json")}

    def runs(self) -> list[list[dict[str, Any]]]:
        """Each run's own file, in no order."""
        return [kept(path) for path in self.folder.glob("*Z.json")]


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    return Bed(tmp_path, monkeypatch)


def goes_well(_: Bench) -> Iterator[Figure]:
    yield Figure("found", 2, target=at_most(1), seen={"apples": 4, "pears": 2})


def breaks_off(_: Bench) -> Iterator[Figure]:
    yield Figure("found before", 3)
    raise OSError("no space left")


def is_interrupted(_: Bench) -> Iterator[Figure]:
    yield Figure("found in time", 4)
    raise KeyboardInterrupt


def test_what_is_found_is_kept_and_shown_before_the_next_measurement(
    bed: Bed, capsys: pytest.CaptureFixture[str]
) -> None:
    def looks_back(_: Bench) -> Iterator[Figure]:
        assert bed.latest().keys() == {"first"}
        assert bed.runs() == [[bed.latest()["first"]]]
        said = capsys.readouterr()
        assert "apples 4 · pears 2" in said.out
        assert "note of first" in said.out
        assert "2 measurements, about 8 min in all" in said.err
        assert "first (1/2): title of first; about 4 min" in said.err
        yield Figure("seen", 1)

    assert bed.run(first=goes_well, second=looks_back) == 0
    first = bed.latest()["first"]
    assert first["machine"].keys() == {"system", "processors", "python", "ffmpeg", "load"}
    assert (first["note"], first["error"]) == ("note of first", None)
    [figure] = first["figures"]
    assert figure == {
        "name": "found",
        "value": 2,
        "unit": "x",
        "target": {"relation": "≤", "value": 1},
        "seen": {"apples": 4, "pears": 2},
        "met": False,
    }
    assert "0 of 1 targets met\n  missed: found, 2 (≤ 1)" in capsys.readouterr().err


def test_a_measurement_that_breaks_off_keeps_what_it_found_and_spares_the_next(bed: Bed) -> None:
    assert bed.run(first=breaks_off, second=goes_well) == cli.FAILED
    first, second = bed.latest().values()
    assert [figure["name"] for figure in first["figures"]] == ["found before"]
    assert first["error"] == "OSError: no space left"
    assert second["error"] is None


def test_ctrl_c_ends_the_run_and_keeps_what_was_found(
    bed: Bed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bed.run(first=goes_well, second=is_interrupted, third=goes_well) == cli.INTERRUPTED
    first, second = bed.latest().values()
    assert first["error"] is None
    assert [figure["name"] for figure in second["figures"]] == ["found in time"]
    assert second["error"] == "Interrupted"
    assert "found in time" in capsys.readouterr().out


def test_the_latest_of_each_measurement_stays_until_it_ran_whole_again(bed: Bed) -> None:
    bed.run(first=goes_well, second=goes_well)
    kept_before = bed.latest()
    bed.run(first=is_interrupted)
    assert bed.latest() == kept_before


def test_an_estimate_is_what_it_took_the_last_time(
    bed: Bed, capsys: pytest.CaptureFixture[str]
) -> None:
    bed.run(first=goes_well)
    path = bed.folder / "latest.json"
    last = bed.latest()["first"] | {"seconds": 34.5}
    path.write_text(json.dumps({"measurements": [last]}))
    bed.run(first=goes_well)
    assert "title of first; about 34 s" in capsys.readouterr().err


def test_long_work_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "_SAY_EVERY", 0.0)
    said = io.StringIO()
    running = Bench(Console(file=said), tmp_path, quick=True)
    with running.progress("counting", 1000) as done:
        done()
        done()
    assert said.getvalue().splitlines() == [
        "  counting …",
        "  counting: 1 of 1,000",
        "  counting: 2 of 1,000",
    ]


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (at_most(1.1), 1.1, True),
        (at_most(1.1), 1.2, False),
        (at_least(100), 99.9, False),
        (at_least(100), 100, True),
        (None, 5, None),
    ],
)
def test_a_figure_knows_whether_it_meets_its_target(
    target: results.Target | None, value: float, *, met: bool | None
) -> None:
    assert Figure("any", value, target=target).met is met


def test_numbers_have_three_digits_that_count() -> None:
    values: list[Any] = [1.0, 0.98765, 12.345, 123.45, 10_000, 0.0144]
    assert list(map(results.number, values)) == ["1", "0.988", "12.3", "123", "10,000", "0.0144"]


def test_help_names_every_measurement() -> None:
    text = cli.parser().format_help()
    for name, measurement in cli.MEASUREMENTS.items():
        assert f"{name:<10}" in text
        assert measurement.title in text
