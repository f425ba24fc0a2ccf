"""Compares `sam local` with `local` and with AWS's documentation; ends with 1 for a difference that
isn't known, and with 2 where it can't run.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from local.services.clients import forget_aws
from local.stack.stack import ROOT, TEMPLATE, LocalStack, Options
from tests.sam_local import answers, differences, events, sam
from tests.sam_local.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sam_local.answers import Seen
    from tests.sam_local.events import Got

BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
INVOKED = {
    "FallbackFunction": "fallback",
    "ApiDocsFunction": "api_docs",
    "HealthFunction": "health",
    "LibraryListFunction": "library_list",
}
"""Functions that `sam local invoke` runs with their sample events; the last two need the stores."""
UNKNOWN = "[red]differs"

Problems = list[str]


async def main(console: Console, folder: Path) -> Problems:
    sam.need_docker()
    build()
    problems = compare_events(
        await events.of_local(), await asyncio.to_thread(events_of_sam, folder), console
    )
    async with LocalStack(Options(folder / "stack", port=0, watch=False)) as stack:
        bridge = sam.bridge()
        async with answers.reachable(stack.address, bridge):
            template = answers.write_template(BUILT)
            variables = answers.write_variables(folder, stack.address, bridge)
            options = ("--env-vars", str(variables))
            ours = await asyncio.to_thread(answers.ask, stack.address.url)
            theirs = await asyncio.to_thread(answers_of_sam, template, folder, options)
            problems += compare_answers(ours, theirs, console)
            problems += await compare_returns(stack, template, options, console)
    return problems


def build() -> None:
    """Unless what was built is newer than all that it was made of."""
    sources = [TEMPLATE, *(ROOT / "functions").rglob("*"), *(ROOT / "layers").rglob("*")]
    newest = max(path.stat().st_mtime for path in sources if is_source(path))
    if not BUILT.exists() or BUILT.stat().st_mtime < newest:
        subprocess.run(["make", "build"], cwd=ROOT, check=True)


def is_source(path: Path) -> bool:
    return path.is_file() and not {"__pycache__", ".build"} & set(path.parts)


def events_of_sam(folder: Path) -> dict[str, Got]:
    with sam.serving(events.write_template(folder), folder / "events.log") as url:
        return events.ask(url)


def answers_of_sam(template: Path, folder: Path, options: Iterable[str]) -> dict[str, Seen]:
    with sam.serving(template, folder / "answers.log", *options) as url:
        return answers.ask(url)


def compare_events(ours: dict[str, Got], theirs: dict[str, Got], console: Console) -> Problems:
    table = Table("request", "route", "local", "sam local", title="Events, beside AWS's")
    problems: Problems = []
    for case in CASES:
        of_local = differences.of_local(case, ours[case.name])
        of_sam = differences.of_sam(case, theirs[case.name], ours[case.name])
        problems += of_local + of_sam
        table.add_row(
            case.name,
            case.route,
            UNKNOWN if of_local else "same",
            UNKNOWN if of_sam else differences.in_words(case),
        )
    console.print(table, reasons())
    return problems


def reasons() -> Table:
    table = Table("in the events of sam local", "requests", "why", title="Known differences")
    for item in differences.DIFFERENCES:
        requests = sum(map(item.of, CASES))
        table.add_row(", ".join(item.fields), str(requests), item.why)
    for name, why in differences.WITHOUT_EVENT.items():
        table.add_row("no event", name, why)
    return table


def compare_answers(ours: dict[str, Seen], theirs: dict[str, Seen], console: Console) -> Problems:
    table = Table("request", "local", "sam local", "", title="Answers of the real functions")
    problems: Problems = []
    for case in CASES:
        left, right = ours[case.name], theirs[case.name]
        why = differences.WITHOUT_EVENT.get(case.name, "")
        known = (left != right) == bool(why)
        table.add_row(case.name, str(left), str(right), why if known else UNKNOWN)
        problems += [] if known else [f"{case.name}: local {left!r}, sam local {right!r}"]
    console.print(table)
    return problems


async def compare_returns(
    stack: LocalStack, template: Path, options: Iterable[str], console: Console
) -> Problems:
    table = Table("function", "event", "local", "sam local", title="sam local invoke")
    problems: Problems = []
    for function, name in INVOKED.items():
        path = ROOT / "events" / f"{name}.json"
        outcome = await stack.invoke(function, json.loads(path.read_text()))
        ours = outcome.payload or outcome.message
        theirs = await asyncio.to_thread(sam.invoke, template, function, path, *options)
        table.add_row(function, path.name, status(ours), status(theirs))
        if returned(ours) != returned(theirs):
            problems.append(f"{function}: local {ours!r}, sam local {theirs!r}")
    console.print(table)
    return problems


def status(payload: Any) -> str:
    return str(payload.get("statusCode", payload)) if isinstance(payload, dict) else repr(payload)


def returned(payload: Any) -> object:
    """The status, and of which keys and kinds the body is; or why there is none."""
    if not isinstance(payload, dict):
        return payload
    body = payload.get("body") or "null"
    is_json = body.startswith(("{", "["))
    return status(payload), answers.shape(json.loads(body)) if is_json else len(body)


def run() -> int:
    forget_aws()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        with tempfile.TemporaryDirectory(prefix="sam-local-") as folder:
            problems = asyncio.run(main(console, Path(folder)))
    except sam.SamLocalError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    for problem in problems:
        console.print(problem, style="red", markup=False, soft_wrap=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(run())
