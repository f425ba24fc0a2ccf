"""However often SQS gives out a message, in whatever order, and wherever the function is killed:
what has arrived stays delivered and is not sent again, and nothing is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audioapi.identity import Principal
from audioapi.webhooks import delivery, sender, service, store
from audioapi.webhooks.models import DeliveryStatus, NewWebhook
from audioapi.webhooks.sender import Outcome
from tests.integration.audioapi.webhook_calls import Clock, CrashError, Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

ALICE = Principal("alice", "acme")
BEFORE, AFTER, MEANWHILE = "killed before", "killed after", "another copy meanwhile"
OUTCOMES = st.sampled_from([200, 500, BEFORE, AFTER, MEANWHILE])


@dataclass
class Address:
    """Answers as drawn, and with 500 from then on. `arrived` are the requests that it took."""

    outcomes: list[Any]
    queue: Queue
    arrived: int = 0

    def post(self, *_: object, **__: object) -> Outcome:
        outcome = self.outcomes.pop(0) if self.outcomes else 500
        if outcome == BEFORE:
            raise CrashError
        if outcome == MEANWHILE and self.queue.waiting:
            self.queue.give(0)
        if outcome in {200, AFTER}:
            self.arrived += 1
        if outcome == AFTER:
            raise CrashError
        return Outcome(status_code=outcome if isinstance(outcome, int) else 500)


@settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each empties it
)
@given(
    outcomes=st.lists(OUTCOMES, max_size=12),
    copies=st.lists(st.integers(1, 3), max_size=4),
    order=st.lists(st.integers(0, 3), max_size=30),
)
def test_what_has_arrived_stays_so(
    empty: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    outcomes: list[Any],
    copies: list[int],
    order: Sequence[int],
) -> None:
    empty()
    queue = Queue(Clock())
    address = Address(list(outcomes), queue)
    with monkeypatch.context() as patch:
        for module in (delivery, service):
            patch.setattr(module, "now_ms", queue.clock)
        patch.setattr(sender, "post", address.post)
        patch.setattr(service, "_check_url", lambda _: None)
        webhook = service.create(ALICE, NewWebhook(url="https://hooks.example.com/"))
        service.announce("acme", "alice", "session.completed", {}, about=webhook.id)
        seen = _statuses(queue, webhook.id, iter(copies), iter(order))
        service.delete(ALICE, webhook.id)

    if DeliveryStatus.DELIVERED in seen:
        assert set(seen[seen.index(DeliveryStatus.DELIVERED) :]) == {DeliveryStatus.DELIVERED}
    assert seen[-1] is not DeliveryStatus.PENDING
    killed_after = len([outcome for outcome in outcomes if outcome == AFTER])
    noted = seen[-1] is DeliveryStatus.DELIVERED
    assert address.arrived <= killed_after + noted
    if not noted:
        assert 200 not in outcomes[: len(outcomes) - len(address.outcomes)]


def _statuses(queue: Queue, webhook_id: str, copies: Any, order: Any) -> list[DeliveryStatus]:
    """What the delivery was after each message, until none is left."""
    seen: list[DeliveryStatus] = []
    _fetch(queue, copies)
    while queue.waiting:
        queue.give(min(next(order, 0), len(queue.waiting) - 1))
        _fetch(queue, copies)
        found, _ = store.deliveries(webhook_id, limit=10, cursor=None)
        assert len(found) <= 1
        seen.extend(kept.status for kept in found)
    return seen


def _fetch(queue: Queue, copies: Any) -> None:
    for message in queue.fetch():
        for _ in range(next(copies, 1) - 1):
            queue.put(message)
