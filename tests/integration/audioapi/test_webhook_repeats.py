"""What has arrived is not sent again unless somebody asks: duplicates, crashes and replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audioapi.identity import Principal
from audioapi.webhooks import sender, service, store
from audioapi.webhooks.models import EventType, NewWebhook
from tests.integration.audioapi.faults import DeadError, die
from tests.integration.audioapi.webhook_calls import (
    CrashError,
    Queue,
    announce,
    call,
    create,
    log,
    pauses,
)
from tests.receiver import Receiver, receiving, status

if TYPE_CHECKING:
    from collections.abc import Callable


def due(queue: Queue) -> dict[str, Any]:
    """The message of a delivery that is to be made now."""
    announce()
    queue.run(most=1)
    [(_, _, told)] = queue.waiting
    return told


def test_a_request_whose_first_answer_was_never_kept_makes_one_webhook(queue: Queue) -> None:
    """It was killed between the two writes."""
    caller, wanted = Principal("alice", "acme"), NewWebhook(url="https://127.0.0.1/hook")
    different = NewWebhook(url=wanted.url, events=[EventType.SESSION_FAILED])
    first = service.create(caller, wanted, "key")
    assert service.create(caller, wanted, "key") == first
    others = [
        service.create(caller, wanted, "other"),
        service.create(caller, different, "key"),
        service.create(caller, wanted),
        service.create(caller, wanted),
    ]
    assert len({first.id, *(other.id for other in others)}) == 5
    queue.clock.now += 24 * 3600 * 1000
    assert service.create(caller, wanted, "key").id != first.id


def test_an_event_that_is_announced_twice_arrives_once(queue: Queue, receiver: Receiver) -> None:
    webhook = create(receiver.url)
    announce()
    queue.clock.now += 1000
    announce()
    queue.run()
    announce()
    queue.run()
    assert len(receiver.got) == 1
    assert len(log(webhook["id"])) == 1


def test_a_message_that_sqs_gives_out_twice_is_sent_once(queue: Queue, receiver: Receiver) -> None:
    create(receiver.url)
    announce()
    [event] = queue.fetch()
    queue.put(event)
    queue.give(0)
    [told] = queue.fetch()
    queue.put(told)
    queue.run()
    assert len(receiver.got) == 1


def test_one_that_comes_while_the_first_is_under_way_waits_for_it(
    queue: Queue, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(receiver.url)
    told = due(queue)
    post = sender.post

    def and_meanwhile(*args: Any, **options: Any) -> sender.Outcome:
        queue.put(told)
        queue.give(0)
        return post(*args, **options)

    monkeypatch.setattr(sender, "post", and_meanwhile)
    queue.run()
    assert len(receiver.got) == 1


def test_of_two_that_see_it_due_at_once_one_sends(
    queue: Queue, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(receiver.url)
    told = due(queue)
    claim = store.claim

    def after_another(*args: Any, **options: Any) -> Any:
        """The other one has it, and is killed with it."""
        monkeypatch.setattr(store, "claim", claim)
        assert claim(*args, **options) is not None
        queue.put(told, in_ms=360_000)
        return claim(*args, **options)

    monkeypatch.setattr(store, "claim", after_another)
    queue.run(most=1)
    assert receiver.got == []
    queue.run()
    assert len(receiver.got) == 1


def test_a_failure_that_is_noted_too_late_changes_nothing(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that ran out while its holder was held up; another copy has delivered since."""
    with receiving() as receiver:
        webhook = create(receiver.url)
        told = due(queue)
        post = sender.post

        def held_up(*_: Any, **__: Any) -> sender.Outcome:
            monkeypatch.setattr(sender, "post", post)
            queue.put(told, in_ms=120_000)
            queue.give(0)
            return sender.Outcome(status_code=500)

        monkeypatch.setattr(sender, "post", held_up)
        queue.run()
    [delivered] = log(webhook["id"])
    assert delivered["status"] == "delivered"
    assert [attempt["status_code"] for attempt in delivered["attempts"]] == [204]


def test_a_replay_is_the_same_message_again(queue: Queue, receiver: Receiver) -> None:
    webhook = create(receiver.url)
    announce()
    queue.run()
    [delivered] = log(webhook["id"])
    queue.clock.now += 7_000
    assert call("replay", webhook["id"], delivered["id"]).status == 202
    queue.run()
    first, again = receiver.got
    assert again.verified(webhook["secret"]) == first.verified(webhook["secret"])
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert again.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
    [replayed] = log(webhook["id"])
    assert replayed["status"] == "delivered"
    assert len(replayed["attempts"]) == 2


def test_a_replay_has_all_attempts_again(queue: Queue) -> None:
    with receiving(status(500)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run()
        [failed] = log(webhook["id"])
        call("replay", webhook["id"], failed["id"])
        queue.run()
        assert len(receiver.got) == 16
        receiver.replies[:] = [status(200)]
        call("replay", webhook["id"], failed["id"])
        queue.run()
    [delivered] = log(webhook["id"])
    assert (delivered["status"], len(delivered["attempts"])) == ("delivered", 17)


def test_a_replay_takes_the_place_of_what_is_scheduled(queue: Queue) -> None:
    with receiving(status(500), status(500), status(200)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run(most=3)
        [pending] = log(webhook["id"])
        call("replay", webhook["id"], pending["id"])
        queue.run()
    assert len(receiver.got) == 3
    [delivered] = log(webhook["id"])
    assert pauses(delivered["attempts"]) == [5, 0]
    assert delivered["status"] == "delivered"


def test_two_replays_at_once_are_one(queue: Queue, receiver: Receiver) -> None:
    webhook = create(receiver.url)
    announce()
    queue.run()
    found = store.delivery(webhook["id"], log(webhook["id"])[0]["id"])
    assert found is not None
    assert store.replay(found, now=queue.clock.now) is not None
    assert store.replay(found, now=queue.clock.now) is None


def test_only_the_last_attempts_are_kept(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ATTEMPTS_KEPT", 13)
    with receiving(status(500)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run()
        for _ in range(2):
            call("replay", webhook["id"], log(webhook["id"])[0]["id"])
            queue.run()
        assert len(receiver.got) == 24
    assert len(log(webhook["id"])[0]["attempts"]) == 13


@pytest.mark.parametrize("note", ["delivered", "not_delivered"])
def test_a_crash_between_an_attempt_and_its_note_makes_it_again_and_recognisable(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise CrashError

    with receiving(status(200 if note == "delivered" else 500), status(200)) as receiver:
        webhook = create(receiver.url)
        announce()
        with monkeypatch.context() as patch:
            patch.setattr(store, note, killed)
            queue.run(most=2)
        queue.run()
    first, again = receiver.got
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body
    [delivered] = log(webhook["id"])
    assert (delivered["status"], len(delivered["attempts"])) == ("delivered", 1)


def test_a_crash_while_an_event_becomes_deliveries_leaves_none_out(
    queue: Queue, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        create(f"{receiver.url}/{number}")
    announce()
    for step in (store, "add_delivery"), (service, "send"):
        with monkeypatch.context() as patch:
            patch.setattr(*step, _killed_at_second(getattr(*step)))
            queue.run(most=1)
    queue.run()
    assert sorted(got.path for got in receiver.got) == ["/hook/0", "/hook/1", "/hook/2"]


def _killed_at_second(work: Callable[..., None]) -> Callable[..., None]:
    calls: list[object] = []

    def killed(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise CrashError
        work(*args)

    return killed


def test_a_replay_that_dies_is_carried_out(
    queue: Queue, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message begins the round."""
    webhook = create(receiver.url)
    announce()
    queue.run()
    [delivered] = log(webhook["id"])
    with monkeypatch.context() as patch:
        patch.setattr(store, "replay", die)
        with pytest.raises(DeadError):
            call("replay", webhook["id"], delivered["id"])
    queue.run()
    [replayed] = log(webhook["id"])
    assert (replayed["status"], len(replayed["attempts"])) == ("delivered", 2)
