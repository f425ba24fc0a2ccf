"""An audit that nobody answered is no success, and a known hole is a failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests import audit

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOLE = {"id": "PYSEC-1", "fix_versions": ["2.0"]}


def pip_audit(folder: Path, *packages: dict[str, Any]) -> str:
    """A program that says of packages what pip-audit says, and ends as well as it does."""
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'dependencies': packages})}\nEND\n")
    program.chmod(0o700)
    return str(program)


def ends(monkeypatch: pytest.MonkeyPatch, program: str, *, required: bool = False) -> int:
    monkeypatch.setenv("AUDIT", "required" if required else "")
    monkeypatch.setattr(audit, "of_typescript", lambda: audit.Answer("npm", 1, asked=True))
    return audit.main(program)


def test_without_a_hole_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = pip_audit(tmp_path, {"name": "a", "version": "1", "vulns": []})

    assert ends(monkeypatch, program, required=True) == 0
    assert "requirements-dev.txt: 1 packages, 0 known holes" in capsys.readouterr().out


def test_a_hole_is_told_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = pip_audit(tmp_path, {"name": "a", "version": "1", "vulns": [HOLE]})

    assert ends(monkeypatch, program) == 1
    assert "a 1: PYSEC-1, fixed in 2.0" in capsys.readouterr().out


def test_packages_that_nobody_knew_about_are_not_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = pip_audit(tmp_path, {"name": "a", "skip_reason": "not found"})

    assert ends(monkeypatch, program) == 0
    assert "NOT AUDITED" in capsys.readouterr().out
    assert ends(monkeypatch, program, required=True) == 1
