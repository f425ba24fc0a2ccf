"""The webhooks' family: what is announced to an address arrives there, and nowhere else."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from audioapi.identity import Principal, put_api_key
from audioapi.webhooks import sender, service, signature, store, targets
from audioapi.webhooks.models import DeliveryStatus
from audioapi.webhooks.sender import Outcome
from tests.integration.simulation.api import Api, Asked
from tests.integration.simulation.functions import Source
from tests.integration.simulation.network import Call, Trouble
from tests.integration.simulation.simulation import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from audioapi.webhooks.models import Delivery
    from tests.integration.simulation.api import Answer
    from tests.integration.simulation.scheduler import Process
    from tests.integration.simulation.simulation import World

EVENTS = ("session.completed", "recording.completed", "recording.failed")
_AGAIN_SECONDS = 20.0
_MOST_DELIVERIES, _MOST_TRIES = 100, 60


@dataclass(frozen=True)
class Got:
    """A request that has arrived at a receiver, `at` seconds of the run's clock."""

    url: str
    event_id: str
    body: bytes
    signed: Mapping[str, str]
    at: float
    status: int


class Receivers:
    """The addresses on the internet that webhooks go to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.got: list[Got] = []

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, **_: object
    ) -> Outcome:
        """In place of the sender: each request is a call that may be disturbed."""
        refused = {
            Trouble.INTERNAL: partial(self._answer, url, body, headers, 500),
            Trouble.UNAVAILABLE: partial(self._answer, url, body, headers, 503),
        }
        unanswered = Outcome(error=f"no answer within {seconds:g} s")
        call = Call(
            service="receiver",
            operation=f"POST {url}",
            perform=partial(self._answer, url, body, headers, 204),
            answers=refused,
            lost=lambda: unanswered,
        )
        process = self._world.scheduler.current
        assert process
        outcome: Outcome = self._world.network.call(process, call)
        return outcome

    def _answer(self, url: str, body: bytes, headers: Mapping[str, str], status: int) -> Outcome:
        at = self._world.scheduler.now
        self.got.append(Got(url, headers["webhook-id"], body, headers, at, status))
        return Outcome(status_code=status, retry_after=30 if status == 503 else 0)


@dataclass
class Hook:
    """A webhook as its owner knows it: `created` and `deleted` are the answers to that."""

    url: str
    events: list[str]
    is_deleted: bool
    is_replayed: bool
    created: Answer | None = None
    deletion_asked: bool = False
    deleted: Answer | None = None
    replayed: dict[str, Answer] = field(default_factory=dict)

    @property
    def webhook_id(self) -> str:
        return str(self.created.body["id"]) if self.created else ""


@dataclass
class Owner:
    """Makes webhooks, perhaps replays what was sent to one, perhaps deletes one."""

    name: str
    principal: Principal
    world: World
    api: Api
    hooks: list[Hook]
    stays: list[float]
    patience: bool

    def run(self) -> None:
        for number, hook in enumerate(self.hooks):
            self._create(number, hook)
        for number, hook in enumerate(self.hooks):
            self.world.scheduler.sleep(self.stays[number])
            if hook.created and hook.is_replayed:
                self._replay(number, hook)
            if hook.created and hook.is_deleted:
                self._delete(number, hook)

    def try_again(self) -> None:
        """What was not answered."""
        for number, hook in enumerate(self.hooks):
            if hook.created is None:
                self._create(number, hook)
            if hook.created and hook.deletion_asked and hook.deleted is None:
                self._delete(number, hook)

    def _create(self, number: int, hook: Hook) -> None:
        answer = self.api.insist(
            f"{self.name} creates {number}",
            "webhook_create",
            asked=Asked(
                {"url": hook.url, "events": hook.events},
                once=f"{self.principal.organization_id}-{number}",
            ),
        )
        hook.created = answer if answer and answer.good else None

    def _delete(self, number: int, hook: Hook) -> None:
        hook.deletion_asked = True
        name = f"{self.name} deletes {number}"
        hook.deleted = self.api.insist(name, "webhook_delete", hook.webhook_id)

    def _replay(self, number: int, hook: Hook) -> None:
        name = f"{self.name} lists {number}"
        page = self.api.insist(name, "webhook_deliveries", hook.webhook_id)
        for delivery in page.body["deliveries"][:1] if page and page.good else ():
            ask = self.api.insist if self.patience else self.api.ask
            answer = ask(
                f"{self.name} replays {number}",
                "webhook_replay",
                hook.webhook_id,
                delivery["id"],
                asked=Asked(once=f"{self.principal.organization_id}-{number}-replay"),
            )
            if answer and answer.good:
                hook.replayed[delivery["event_id"]] = answer


@dataclass
class Event:
    """Something that became of an owner's work, announced from `begun` on, until it is `done`."""

    name: str
    owner: Owner
    kind: str
    about: str
    after: float
    twice: bool
    begun: float | None = None
    done: bool = False


class Deliveries(Family):
    """An owner or two, who may have the same name in two organisations."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._receivers = Receivers(world)
        self._chance = random.Random(f"{world.plan.seed} webhooks")
        self._owners = [self._owner(number) for number in range(self._chance.choice((1, 1, 2)))]
        self._events = [event for owner in self._owners for event in self._some_events(owner)]

    def _owner(self, number: int) -> Owner:
        chance, name = self._chance, f"owner {number + 1}"
        hooks = [
            Hook(
                f"https://{number + 1}-{each + 1}.example/hook",
                chance.sample(EVENTS, chance.randint(1, 3)),
                is_deleted=chance.random() < 0.3,
                is_replayed=chance.random() < 0.4,
            )
            for each in range(chance.choice((1, 1, 2)))
        ]
        return Owner(
            name,
            Principal("carol", f"hooks-{number + 1}"),
            self._world,
            Api(self._world, f"hooks-key-{number + 1}"),
            hooks,
            [chance.uniform(1, 120) for _ in hooks],
            patience=chance.random() < 0.7,
        )

    def _some_events(self, owner: Owner) -> Iterator[Event]:
        chance = self._chance
        for number in range(chance.randint(1, 2)):
            for kind in chance.sample(EVENTS, chance.randint(1, 2)):
                about = f"{owner.principal.organization_id}-{number}"
                name = f"{owner.name} hears {kind} of {number}"
                yield Event(name, owner, kind, about, chance.uniform(0, 150), chance.random() < 0.3)

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(sender, "post", self._receivers.post)
        patch.setattr(targets, "resolve", lambda *_, **__: ["203.0.113.7"])

    def sources(self) -> Iterator[Source]:
        yield Source("WebhooksQueue", "webhook_deliver", attempts=30, missed_seconds=360.0)

    def begin(self) -> Iterator[Process]:
        for number, owner in enumerate(self._owners):
            put_api_key(f"hooks-key-{number + 1}", owner.principal)
            yield self._world.scheduler.spawn(owner.name, owner.run)
        for event in self._events:
            self._announce(event, event.after, 1)
            if event.twice:
                self._announce(event, event.after + 1, 2)

    def _announce(self, event: Event, after: float, number: int) -> None:
        """As a worker does: again if it came to nothing, by a message that comes again."""
        done: list[None] = []

        def announce() -> None:
            event.begun = self._world.scheduler.now if event.begun is None else event.begun
            principal = event.owner.principal
            data = {"about": event.about, "owner": principal.organization_id}
            organization_id, user_id = principal.organization_id, principal.user_id
            service.announce(organization_id, user_id, event.kind, data, about=event.about)
            done.append(None)
            event.done = True

        def again() -> None:
            if not done and number < _MOST_TRIES:
                self._announce(event, _AGAIN_SECONDS, number + 2)

        name = f"{event.name}, {number}"
        self._world.scheduler.spawn(name, announce, after=after, at_end=again)

    def try_again(self) -> None:
        for owner in self._owners:
            owner.try_again()

    def wrong(self) -> Iterator[str]:
        for event in self._events:
            if not event.done:
                yield f"{event.name} could not be announced"
        bodies: defaultdict[tuple[str, str], set[bytes]] = defaultdict(set)
        for got in self._receivers.got:
            bodies[got.url, got.event_id].add(got.body)
        for (url, event_id), different in bodies.items():
            if len(different) > 1:
                yield f"{url} got {event_id} with {len(different)} bodies"
        for owner in self._owners:
            for reason in self._wrong_of(owner):
                yield f"{owner.name}: {reason}"

    def _wrong_of(self, owner: Owner) -> Iterator[str]:
        principal = owner.principal
        kept = {w.id: w for w in store.webhooks(principal.organization_id, principal.user_id)}
        known = {hook.webhook_id for hook in owner.hooks if hook.deleted is None}
        if kept.keys() != known:
            yield f"{len(kept)} webhooks are kept, {len(known)} are known"
        for number, hook in enumerate(owner.hooks):
            for reason in self._wrong_of_hook(owner, hook):
                yield f"webhook {number}: {reason}"

    def _wrong_of_hook(self, owner: Owner, hook: Hook) -> Iterator[str]:
        if hook.created is None:
            yield "nobody could create it"
            return
        got = [each for each in self._receivers.got if each.url == hook.url]
        yield from self._misdirected(owner, hook, got)
        if hook.deleted is not None:
            return
        deliveries = self._deliveries(hook)
        for event in self._events:
            if event.owner is owner and event.kind in hook.events:
                yield from _undelivered(event, hook, deliveries)
        for delivery in deliveries:
            yield from _untrue(delivery, got)
        for event_id, answer in hook.replayed.items():
            if not any(g.event_id == event_id and g.at >= answer.asked_at for g in got):
                yield f"{event_id} was replayed, and not sent again"

    def _misdirected(self, owner: Owner, hook: Hook, got: list[Got]) -> Iterator[str]:
        """What wasn't for this address, or not any more."""
        announced = {
            (event.about, event.kind): event.begun for event in self._events if event.owner is owner
        }
        assert hook.created
        for each in got:
            told = json.loads(each.body)
            begun = announced.get((told["data"]["about"], told["type"]))
            if begun is None or told["type"] not in hook.events:
                yield f"it was told {told}"
            elif hook.deleted and begun > hook.deleted.at:
                yield f"it was told {told['type']}, announced after it was deleted"
            at, secret = int(each.signed["webhook-timestamp"]), hook.created.body["secret"]
            signed = signature.headers(secret, each.event_id, each.body, at=at)
            if signed["webhook-signature"] != each.signed["webhook-signature"]:
                yield "its signature is another's"

    def _deliveries(self, hook: Hook) -> list[Delivery]:
        found, more = store.deliveries(hook.webhook_id, limit=_MOST_DELIVERIES, cursor=None)
        assert more is None
        return found


def _undelivered(event: Event, hook: Hook, deliveries: list[Delivery]) -> Iterator[str]:
    """Of an event that was announced when the webhook was there, one delivery has to be made."""
    assert hook.created
    made = [
        told
        for told in (json.loads(delivery.body) for delivery in deliveries)
        if (told["data"]["about"], told["type"]) == (event.about, event.kind)
    ]
    if len(made) > 1:
        yield f"{len(made)} deliveries were made of {event.name}"
    if not made and event.begun is not None and event.begun > hook.created.at:
        yield f"no delivery was made of {event.name}"


def _untrue(delivery: Delivery, got: list[Got]) -> Iterator[str]:
    """What a delivery says of itself, and isn't so."""
    own = [each for each in got if each.event_id == delivery.event_id]
    answered = [each for each in own if each.status < 300]
    name = f"delivery of {delivery.type}"
    if delivery.status is DeliveryStatus.PENDING:
        yield f"{name} is still pending"
    if delivery.status is DeliveryStatus.DELIVERED and not answered:
        yield f"{name} never arrived"
    if delivery.status is DeliveryStatus.FAILED:
        yield f"{name} failed"
    if any(each.body != delivery.body.encode() for each in own):
        yield f"{name} arrived with another body"
    told = [attempt.status_code for attempt in delivery.attempts]
    if delivery.status is DeliveryStatus.DELIVERED and not (told and told[-1] == 204):
        yield f"{name} is delivered after {told}"
