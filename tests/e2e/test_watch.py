"""A change of the code is there at the next call, and a broken one breaks nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.newcomer import Newcomer

GREETING = """
def lambda_handler(event, context):
    return {"statusCode": 200, "body": '"hello"'}
"""
CRASH = """
import os
def lambda_handler(event, context):
    os._exit(1)
"""


def test_a_change_takes_effect_at_the_next_call_and_a_crash_is_a_500(newcomer: Newcomer) -> None:
    stack = newcomer.stack
    handler = newcomer.folder / "functions" / "fallback" / "app.py"
    written = handler.read_text()
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
