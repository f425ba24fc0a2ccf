"""What is told of the API's health, with everything there and with something gone."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import audioapi
from audioapi import health, settings
from tests.integration.audioapi.functions import app
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack

EVENT = json.loads(Path("events/health.json").read_text())


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_remembered", None)


def asked() -> tuple[int, Any]:
    answer = app("health").lambda_handler(EVENT, Context())
    return answer["statusCode"], json.loads(answer["body"])


def test_everything_answers(stack: Stack, database_secret: None) -> None:
    assert asked() == (
        200,
        {
            "status": "healthy",
            "service": "audio",
            "version": audioapi.__version__,
            "checks": {"database": "ok", "queue": "ok", "storage": "ok"},
        },
    )


def test_what_is_gone_is_named_and_nothing_else_is_told(
    stack: Stack, database_secret: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_QUEUE_URL", "http://127.0.0.1:9/123456789012/secret-name")
    settings.health.cache_clear()
    try:
        status, body = asked()
    finally:
        settings.health.cache_clear()
    assert status == 503
    assert body["status"] == "unhealthy"
    assert body["checks"] == {"database": "ok", "queue": "failed", "storage": "ok"}
    assert "secret-name" not in json.dumps(body)


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """An answer that comes when the test is over."""
    over = threading.Event()
    yield over
    over.set()


def test_what_does_not_answer_holds_nobody_up(stuck: threading.Event) -> None:
    found = health.asked({"queue": stuck.wait, "storage": lambda: None}, seconds=0.2)
    assert found == {"queue": "failed", "storage": "ok"}


def test_whoever_asks_again_at_once_is_told_the_same(
    stack: Stack, database_secret: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked()
    monkeypatch.setattr(health, "asked", lambda _: pytest.fail("it was asked again"))
    assert asked() == first


def test_the_version_is_the_projects() -> None:
    assert f'version = "{audioapi.__version__}"' in Path("pyproject.toml").read_text()
