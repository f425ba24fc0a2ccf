"""The bench works: what it finds is kept as it is shown. How long anything takes isn't asserted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tests.bench import cli, results, runner
from tests.bench.bench import Bench, Measurement
from tests.bench.results import Figure, at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_quick_run_is_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["--quick", "--only", "published", "calls", "--folder", str(tmp_path)])
    assert status == 0

    kept = json.loads((tmp_path / "latest.json").read_text())
    [own] = [path for path in tmp_path.iterdir() if path.name != "latest.json"]
    assert json.loads(own.read_text()) == kept
    assert kept["quick"] is True
    assert set(kept["machine"]) == {"system", "processors", "python", "ffmpeg", "load"}
    assert [found["name"] for found in kept["measurements"]] == ["published", "calls"]
    figures = [figure for found in kept["measurements"] for figure in found["figures"]]
    for figure in figures:
        assert set(figure) == {"name", "value", "unit", "target", "seen", "met"}
        assert figure["value"] > 0
        assert (figure["target"] is None) == (figure["met"] is None)

    [puts] = [figure for figure in figures if figure["name"] == "S3 PUTs for a chunk, ack_every 1"]
    assert puts["value"] == 1
    assert puts["target"] == {"relation": "≤", "value": 1}
    assert puts["met"] is True
    said = capsys.readouterr()
    assert puts["name"] in said.out
    assert "published: " in said.err


def test_a_recording_is_processed_and_transcribed(tmp_path: Path) -> None:
    figures = quick(tmp_path, "process")
    processed = figures["processing 10 seconds of MP3 over a plain FFmpeg pass"]
    assert processed["seen"].keys() == {"process, s", "plain pass, s"}
    assert processed["value"] > 0
    memory = figures["peak memory with FFmpeg, 10 seconds over 2 seconds"]
    assert memory["target"] == {"relation": "≤", "value": 1.3}
    assert all(peak > 0 for peak in memory["seen"].values())
    heard = figures["PocketSphinx, seconds for a second of speech"]
    assert heard["seen"]["words"] > 0
    assert heard["target"] is None


def test_pages_of_a_library_are_compared_with_the_floor(tmp_path: Path) -> None:
    figures = quick(tmp_path, "library")
    assert list(figures) == [
        f"p95 of {page} of 2,000 audios over the floor's"
        for page in ("page 1", "page 50", "a search", "one usage")
    ]
    for figure in figures.values():
        assert figure["value"] > 0
        assert set(figure["seen"]) == {"p95, ms", "median, ms", "floor p95, ms", "floor median, ms"}


def test_conversations_are_heard(tmp_path: Path) -> None:
    figures = quick(tmp_path, "analysis")
    assert figures["words wrong, of those said"]["value"] < 0.5
    assert figures["utterances found, over sentences said"]["seen"]["sentences missed"] == 0
    assert figures["an utterance's borders, mean error"]["met"]
    assert figures["an utterance's mean pitch, mean error"]["met"]
    assert figures["times real time, by processor time"]["value"] > 0


def test_functions_start_cold(tmp_path: Path) -> None:
    figures = quick(tmp_path, "cold")
    assert list(figures) == [
        f"cold start of {name} over its floor" for name in ("Health", "LiveEvents", "StreamMessage")
    ]
    for figure in figures.values():
        assert figure["value"] > 0
        assert figure["seen"].keys() == {"app, ms", "floor, ms"}


def quick(folder: Path, name: str) -> dict[str, Any]:
    """The figures of a quick run of one measurement, by their names."""
    assert cli.main(["--quick", "--only", name, "--folder", str(folder)]) == 0
    [found] = json.loads((folder / "latest.json").read_text())["measurements"]
    return {figure["name"]: figure for figure in found["figures"]}


def breaks_off(_: Bench) -> Iterator[Figure]:
    yield Figure("found before", 2)
    raise OSError("no space left")


def goes_well(_: Bench) -> Iterator[Figure]:
    yield Figure("found after", 3)


def test_a_measurement_that_breaks_off_keeps_what_it_found_and_spares_the_next(
    tmp_path: Path,
) -> None:
    measurements = [
        Measurement("first", "title", "note", breaks_off),
        Measurement("second", "title", "note", goes_well),
    ]
    first, second = runner.run(measurements, Console(stderr=True), tmp_path, quick=True)
    assert (first.figures, first.error) == ([Figure("found before", 2)], "OSError: no space left")
    assert (second.figures, second.error) == ([Figure("found after", 3)], None)


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
