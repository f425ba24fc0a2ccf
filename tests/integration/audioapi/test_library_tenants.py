"""Two organisations side by side: whatever is called, nothing of one shows to the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.integration.audioapi.functions import statements
from tests.integration.audioapi.library_calls import (
    Answer,
    add,
    call,
    noise,
    organization,
    stored,
)

if TYPE_CHECKING:
    from local.template.model import Stack
    from tests.soak import Soak

OF_ONE_AUDIO = (
    "library_stream",
    "library_metadata",
    "library_details",
    "library_update",
    "library_playback_url",
    "library_waveform",
    "library_delete",
)
USAGES = ("welcome", "goodbye", "hold_music")


@dataclass(frozen=True)
class Tenant:
    """An organisation, its key, and the ids of its audios, whose titles name it."""

    name: str
    id: UUID
    audios: set[UUID]

    def take_in(self, random: Random) -> None:
        self.audios.add(
            add(
                self.id,
                f"Audio of {self.name}",
                data=noise() + self.name.encode(),
                tags=["common", self.name],
                usage_type=random.choice(USAGES),
            )
        )


@pytest.fixture
def tenants(stack: Stack, database_secret: None) -> tuple[Tenant, Tenant]:
    acme, globex = (Tenant(name, organization(name), set()) for name in ("Acme", "Globex"))
    random = Random(3)
    for tenant in (acme, globex) * 5:
        tenant.take_in(random)
    return acme, globex


@pytest.mark.soak
def test_nothing_of_one_shows_to_the_other(tenants: tuple[Tenant, Tenant], soak: Soak) -> None:
    calls = soak.count("calls", 120, 1_000)
    for seed in soak.seeds(1):
        random = Random(seed)
        for _ in range(calls):
            call_something(random, tenants)
    for tenant in tenants:
        assert {key.split("/")[0] for key in stored(tenant.id)} == set(map(str, tenant.audios))


def call_something(random: Random, tenants: tuple[Tenant, Tenant]) -> None:
    own, other = random.sample(tenants, 2)
    if len(own.audios) < 3:
        own.take_in(random)
    if random.random() < 0.3:
        look_around(random, own, other)
    else:
        ask_for_one(random, own, other)


def look_around(random: Random, own: Tenant, other: Tenant) -> None:
    """Lists, whose counts are of the own alone."""
    asked = random.choice(
        (
            f"organizationId={random.choice((own.id, other.id))}",
            f"search={random.choice(('audio', 'of', own.name, other.name))}",
            f"tags={random.choice(('common', own.name, other.name))}",
            f"usageType={random.choice(USAGES)}",
            f"page={random.randint(1, 3)}&limit={random.randint(1, 4)}",
            f"sortBy={random.choice(('title', 'durationSeconds'))}&sortOrder=asc",
        )
    )
    answer = call("library_list", key=own.name, query=asked)
    assert is_silent_about(other, answer)
    assert answer.body["meta"]["total"] <= len(own.audios)
    if str(other.id) in asked or other.name in asked:
        assert answer.body["meta"]["total"] == 0
    assert is_silent_about(other, call("library_usage", key=own.name))


def ask_for_one(random: Random, own: Tenant, other: Tenant) -> None:
    """The own is there; the other's is as one that is not, for the caller and for the database."""
    route, query, body = random.choice(OF_ONE_AUDIO), "", None
    if route == "library_update":
        body = random.choice(({"tags": [own.name]}, {"description": "x"}, {"usageType": "other"}))
    if route == "library_playback_url":
        query = f"expiresIn={random.randint(60, 604_800)}"
    wanted = random.choice(sorted(random.choice((own, other)).audios))
    answer, asked = watched(route, wanted, key=own.name, query=query, body=body)
    if wanted in own.audios:
        assert answer.status in (200, 206), answer
        assert is_silent_about(other, answer)
        if route == "library_delete":
            own.audios.remove(wanted)
        return
    absent = watched(route, uuid4(), key=own.name, query=query, body=body)
    assert (answer, asked) == absent
    assert (answer.status, answer.body["code"]) == (404, "AUDIO_NOT_FOUND")


def watched(route: str, audio: UUID, **more: Any) -> tuple[Answer, list[str]]:
    """The answer without its request's id, and what was asked of the database."""
    with statements() as asked:
        answer = call(route, audio, **more)
    if answer.status >= 400:
        body = {name: value for name, value in answer.body.items() if name != "request_id"}
        answer = Answer(answer.status, answer.headers, json.dumps(body).encode())
    return answer, asked


def is_silent_about(tenant: Tenant, answer: Answer) -> bool:
    told = answer.content + json.dumps(answer.headers).encode()
    hidden = {tenant.name, tenant.id, *tenant.audios}
    return not any(str(each).encode() in told for each in hidden)
