"""What measurements found, kept as JSON as soon as each has ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from tests.bench.results import Outcome


class Kept:
    """Two files: the run's own, named after its beginning, and the latest of each measurement that
    ran whole, in whichever run. Quick runs have a latest of their own: their figures mean nothing.
    """

    def __init__(self, folder: Path, began: datetime, *, quick: bool) -> None:
        self.run = folder / f"{began:%Y%m%dT%H%M%SZ}.json"
        self.latest = folder / ("quick.json" if quick else "latest.json")
        self._found: list[dict[str, Any]] = []

    def add(self, outcome: Outcome) -> None:
        """One that broke off doesn't replace one that ran whole."""
        found = outcome.as_json()
        self._found.append(found)
        _write(self.run, self._found)
        latest = _read(self.latest)
        if not found["error"] or latest.get(outcome.name, found)["error"]:
            _write(self.latest, (latest | {outcome.name: found}).values())

    def seconds(self, name: str) -> float | None:
        """How long a measurement took the last time that it ran whole."""
        last = _read(self.latest).get(name)
        return float(last["seconds"]) if last and not last["error"] else None


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Outcomes by their measurements' names."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))["measurements"]
    return {outcome["name"]: outcome for outcome in found}


def _write(path: Path, found: Iterable[dict[str, Any]]) -> None:
    """Whole or not at all, whenever the bench is ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    text = json.dumps({"measurements": list(found)}, indent=2, ensure_ascii=False)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)
