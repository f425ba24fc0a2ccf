"""A change of the code is there at the next call, and a broken one breaks nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.e2e.stack import running

COPIED = ("template.yaml", "functions", "layers", "local", "clients/python")
GREETING = """
def lambda_handler(event, context):
    return {"statusCode": 200, "body": '"hello"'}
"""
CRASH = """
import os
def lambda_handler(event, context):
    os._exit(1)
"""


def test_a_change_takes_effect_at_the_next_call_and_a_crash_is_a_500(tmp_path: Path) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    state.mkdir()
    for name in COPIED:
        source, target = Path(name), project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target)
    handler = project / "functions" / "fallback" / "app.py"
    written = handler.read_text()
    with running(state, project=project) as stack:
        assert stack.get("/nothing").status == 404
        handler.write_text(GREETING)
        assert (stack.get("/nothing").status, stack.get("/nothing").body) == (200, "hello")
        handler.write_text(CRASH)
        assert stack.get("/nothing").status == 500
        handler.write_text("import nothing_like_it")
        assert stack.get("/nothing").status == 500
        assert stack.get("/api/audio/sessions").status == 200
        handler.write_text(written)
        assert stack.get("/nothing").status == 404
    reports = [line["record"] for line in stack.log("FallbackFunction") if "record" in line]
    assert {report.get("errorType") for report in reports} == {None, "Exit", "Init"}
