"""What a bench finds: figures that are ratios within the run, or counts, and what they are of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERRUPTED = "Interrupted"


@dataclass(frozen=True)
class Target:
    relation: str
    value: float

    def met_by(self, value: float) -> bool:
        return value <= self.value if self.relation == "≤" else value >= self.value

    def __str__(self) -> str:
        return f"{self.relation} {number(self.value)}"


def at_most(value: float) -> Target:
    return Target("≤", value)


def at_least(value: float) -> Target:
    return Target("≥", value)


@dataclass(frozen=True)
class Figure:
    """`seen` is what the value comes from, absolute, each name with its unit: `plain pass, s`."""

    name: str
    value: float
    unit: str = "x"
    target: Target | None = None
    seen: Mapping[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met_by(self.value)


@dataclass(frozen=True)
class Outcome:
    """Of one measurement, on one machine; `error` says why it ended before its time."""

    name: str
    note: str
    began: str
    seconds: float
    machine: Mapping[str, Any]
    figures: list[Figure]
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        figures = [{**asdict(figure), "met": figure.met} for figure in self.figures]
        return {**asdict(self), "figures": figures}


def table(outcome: Outcome) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column(Text(outcome.name, "bold"), ratio=4)
    drawn.add_column("value", justify="right", no_wrap=True)
    drawn.add_column("target", no_wrap=True)
    drawn.add_column("", no_wrap=True)
    drawn.add_column(f"seen, in {outcome.seconds:.0f} s", ratio=5, style="dim")
    for figure in outcome.figures:
        drawn.add_row(*_row(figure))
    if outcome.error:
        drawn.add_row(Text(outcome.error, "red"), "", "", Text("broke off", "red"), "")
    return drawn


def _row(figure: Figure) -> tuple[str | Text, ...]:
    verdict = {None: Text(""), True: Text("met", "green"), False: Text("missed", "bold red")}
    seen = " · ".join(f"{name} {number(value)}" for name, value in figure.seen.items())
    value = f"{number(figure.value)} {figure.unit}".strip()
    return figure.name, value, str(figure.target or ""), verdict[figure.met], seen


def number(value: float) -> str:
    """Three digits that count, and no more where the value is a whole number."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
