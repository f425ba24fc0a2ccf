"""What docs/webhooks.md tells receivers is so: its code verifies, its tables are ours."""

from __future__ import annotations

import re
import time
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audioapi.webhooks import delivery, signature, store
from audioapi.webhooks.models import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = Path("docs/webhooks.md").read_text()
SECRET = signature.new_secret()
BODY = '{"title": "Grüße"}'.encode()
UNITS = {"s": 1, "min": 60, "h": 3600}


@pytest.fixture
def verify() -> Callable[..., None]:
    found = re.search(r"```python\n(.+?)```", TEXT, re.DOTALL)
    assert found is not None
    namespace: dict[str, Any] = {}
    exec(found[1], namespace)  # noqa: S102 — our own documentation
    documented: Callable[..., None] = namespace["verify"]
    return documented


def headers(*, at: int) -> dict[str, str]:
    return signature.headers(SECRET, "evt_1", BODY, at=at)


def test_the_example_takes_our_requests_for_good(verify: Callable[..., None]) -> None:
    verify(SECRET, headers(at=int(time.time())), BODY)


def test_it_refuses_others(verify: Callable[..., None]) -> None:
    now = headers(at=int(time.time()))
    for secret, given, body in (
        (signature.new_secret(), now, BODY),
        (SECRET, now, BODY + b" "),
        (SECRET, {**now, "webhook-id": "evt_2"}, BODY),
    ):
        with pytest.raises(ValueError, match="wrong signature"):
            verify(secret, given, body)


def test_it_refuses_old_ones(verify: Callable[..., None]) -> None:
    with pytest.raises(ValueError, match="too old"):
        verify(SECRET, headers(at=int(time.time()) - 301), BODY)


def test_every_event_is_in_the_catalogue() -> None:
    assert set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", TEXT, re.MULTILINE)) == set(EventType)


def test_the_schedule_is_the_one_that_is_kept() -> None:
    rows = re.findall(r"^\| (\d) \| (.+?) \| (.*?) ?\|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, len(delivery.SCHEDULE) + 2))
    assert [seconds(pause) for _, pause, _ in rows[1:]] == list(delivery.SCHEDULE)
    for (_, _, told), exact in zip(rows[1:], accumulate(delivery.SCHEDULE), strict=True):
        assert exact - seconds(told) in {0, 5}


def seconds(text: str) -> int:
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) ([a-z]+)", text))


def test_limits_are_told() -> None:
    assert f"A caller has {store.SLOTS} webhooks at most" in TEXT
    assert f"An attempt has {delivery.ATTEMPT_SECONDS:g} seconds" in TEXT
    assert f"The last {store.ATTEMPTS_KEPT} attempts are kept" in TEXT
