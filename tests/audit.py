"""`python -m tests.audit PIP_AUDIT`: asks for known holes in every pinned package.

Ends with 1 for a hole. Where nobody knows, because the advisories can't be reached, that is said:
it is no success. With AUDIT=required in the environment it is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIREMENTS = Path("requirements-dev.txt")
"""Has what is deployed too, in the very versions: a test compares them."""
TYPESCRIPT = Path("clients/typescript")


@dataclass(frozen=True)
class Answer:
    """Holes that are known, one line each; `asked` is false of packages that nobody knew about."""

    name: str
    packages: int
    asked: bool
    holes: tuple[str, ...] = ()


def of_python(pip_audit: str) -> Answer:
    """pip-audit itself ends with 0 if it could look up no package at all."""
    options = ["--no-deps", "--disable-pip", "--format", "json", "--requirement", str(REQUIREMENTS)]
    command = [pip_audit, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return Answer(str(REQUIREMENTS), 0, asked=False)
    holes = tuple(
        f"{package['name']} {package['version']}: {hole['id']}, {fixed(hole['fix_versions'])}"
        for package in found
        for hole in package.get("vulns", ())
    )
    unknown = any("skip_reason" in package for package in found)
    return Answer(str(REQUIREMENTS), len(found), asked=not unknown, holes=holes)


def fixed(versions: list[str]) -> str:
    return f"fixed in {', '.join(versions)}" if versions else "not fixed yet"


def of_typescript() -> Answer:
    command = ["npm", "audit", "--json", "--package-lock-only"]
    done = subprocess.run(command, cwd=TYPESCRIPT, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout or "{}")
    name = str(TYPESCRIPT / "package-lock.json")
    if "vulnerabilities" not in told:
        return Answer(name, 0, asked=False)
    found = told["vulnerabilities"].values()
    holes = tuple(f"{hole['name']} {hole['range']}: {hole['severity']}" for hole in found)
    return Answer(name, told["metadata"]["dependencies"]["total"], asked=True, holes=holes)


def lines(answer: Answer) -> Iterator[str]:
    if answer.asked:
        yield f"{answer.name}: {answer.packages} packages, {len(answer.holes)} known holes"
    else:
        yield f"{answer.name}: NOT AUDITED, for the advisories can't be reached from here"
    yield from (f"  {hole}" for hole in answer.holes)


def main(pip_audit: str) -> int:
    answers = [of_python(pip_audit), of_typescript()]
    sys.stdout.writelines(f"{line}\n" for answer in answers for line in lines(answer))
    unknown = not all(answer.asked for answer in answers)
    required = os.environ.get("AUDIT") == "required"
    return int(any(answer.holes for answer in answers) or (unknown and required))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
