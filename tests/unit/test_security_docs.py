"""docs/security.md: each claim names a test, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path("docs/security.md").read_text(encoding="utf-8")
PINNED = re.compile(r"[\w.-]+(\[\w+\])?==[\w.]+( ;.*)?")


def test_each_named_test_is_there() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in Path("tests").rglob("*.py"))
    there = set(re.findall(r"^\s*(?:async )?def (test_\w+)", written, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", DOCS))
    assert len(named) > 50
    assert named <= there, named - there


def test_each_attack_is_answered_by_a_test() -> None:
    attacks = [row for row in rows() if len(row) == 4 and row[0] not in ("attack", "---")]
    assert len(attacks) > 20
    for attack, _, shown_by, _ in attacks:
        assert "`test_" in shown_by, attack


def rows() -> list[list[str]]:
    lines = (line for line in DOCS.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_what_is_deployed_has_exact_versions() -> None:
    files = [
        *Path("layers").glob("*/requirements.txt"),
        *Path("functions").glob("*/requirements.txt"),
    ]
    developed = Path("requirements-dev.txt").read_text(encoding="utf-8")
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                assert PINNED.fullmatch(line), f"{file}: {line}"
                name = re.sub(r"\[\w+\]", "", line).partition(" ")[0].lower()
                assert name in developed.lower(), f"{file}: {line} is not what tests run with"
