"""A page of a large library, over the least time that a route with a database can take."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from sqlalchemy import text
from sqlalchemy.orm import Session

from audioapi import database
from audioapi.library import store
from audioapi.library.models import LibraryAudio, ProcessingStatus, UsageType
from audioapi.organizations import Organization
from local.processes.supervisor import Supervisor
from local.runtime.functions import Functions
from local.runtime.logs import Logs
from local.template.account import REGION
from local.template.model import Function
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.results import Figure, Target, at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.bench.services import Services

_ORGANIZATION = uuid.UUID("0ac3e000-0000-4000-8000-000000000002")
_AUDIENCE, _SECRET = "bench", "a secret as long as the digest that it signs with"
_LIMIT = 20
_USAGES = tuple(UsageType)
_HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Size:
    """How many audios there are, and how often each call is made before and while it is timed."""

    rows: int
    warming_up: int
    rounds: int


_SIZE, _QUICK = Size(100_000, 10, 200), Size(200, 1, 2)

_WRITTEN = 100
"""Audios that are written as the library writes them; the others are copies of these."""
_COPY = text(
    "INSERT INTO library_audios SELECT (jsonb_populate_record(one, jsonb_build_object("
    "'id', gen_random_uuid(), 'file_id', gen_random_uuid(), 'duration_seconds', 600 * random(), "
    "'created_at', one.created_at - make_interval(hours => copy)))).* "
    "FROM library_audios one, generate_series(1, :copies) copy"
)
_ALL_VISIBLE = text(
    "SELECT relallvisible = relpages AND relpages > 0 FROM pg_class "
    "WHERE oid = 'library_audios'::regclass"
)
"""As a server's tables are by and by, so that an index alone may answer. A page that is just being
written is left out by a VACUUM.
"""


@dataclass(frozen=True)
class Call:
    """To a function, with a query; `total` is how many audios it finds, None if that isn't told."""

    name: str
    function: str = "list"
    query: Mapping[str, str] = field(default_factory=dict)
    total: int | None = None
    target: Target | None = None

    def check(self, answer: Any) -> None:
        told = json.loads(answer["body"])
        found = told["meta"]["total"] if self.total is not None else None
        if answer["statusCode"] != 200 or found != self.total:
            raise ValueError(f"{self.name} was answered with {answer}")


_FLOOR = Call("the floor", "floor")


def _pages(rows: int) -> list[Call]:
    middle = {"page": str(rows // _LIMIT // 2)}
    word, usage = {"search": "word42"}, {"usageType": _USAGES[0]}
    copies = rows // _WRITTEN
    return [
        Call("page 1", total=rows, target=at_most(5)),
        Call(f"page {rows // _LIMIT // 2:,}", query=middle, total=rows),
        Call("a search", query=word, total=copies, target=at_most(5)),
        Call("one usage", query=usage, total=copies * len(_of_usage(0)), target=at_most(5)),
    ]


def _measure(bench: Bench) -> Iterator[Figure]:
    size = _QUICK if bench.quick else _SIZE
    rows = size.rows
    folder = bench.folder / "library"
    folder.mkdir()
    pages = _pages(rows)
    services = bench.services
    with bench.progress(f"making a library of {rows:,} audios", 1):
        _fill(services.database_url, rows)
    functions = _functions(_with_tokens(services))
    with bench.progress("the floor and pages, by turns", size.rounds) as done:
        taken = asyncio.run(_by_turns(folder, functions, [_FLOOR, *pages], size, done))
    for page in pages:
        yield _figure(page, rows, taken[page.name], taken[_FLOOR.name])
    shutil.rmtree(folder)


def _figure(page: Call, rows: int, taken: Sequence[float], floor: Sequence[float]) -> Figure:
    return Figure(
        f"p95 of {page.name} of {rows:,} audios over the floor's",
        _p95(taken) / _p95(floor),
        target=page.target,
        seen={
            "p95, ms": 1000 * _p95(taken),
            "median, ms": 1000 * median(taken),
            "floor p95, ms": 1000 * _p95(floor),
            "floor median, ms": 1000 * median(floor),
        },
    )


def _p95(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=20)[-1]


def _fill(url: str, rows: int) -> None:
    """All one organisation's: an index that another's rows are in too costs no more."""
    engine = database.unpooled(url)
    at_once = engine.execution_options(isolation_level="AUTOCOMMIT")
    with at_once.connect() as connection:
        # It would come at another moment in each run, and its snapshot holds up the last VACUUM.
        connection.execute(text("ALTER SYSTEM SET autovacuum = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    with Session(engine) as session, session.begin():
        session.add(Organization(id=_ORGANIZATION, name="Bench", slug="bench"))
        session.flush()
        for number in range(_WRITTEN):
            store.add(session, _audio(number))
        session.execute(_COPY, {"copies": rows // _WRITTEN - 1})
    with at_once.connect() as connection:
        while not connection.scalar(_ALL_VISIBLE):
            connection.execute(text("VACUUM ANALYZE library_audios"))


def _audio(number: int) -> LibraryAudio:
    return LibraryAudio(
        id=uuid.uuid4(),
        organization_id=_ORGANIZATION,
        title=f"Greeting word{number}",
        description="Thank you for calling; somebody will be with you soon.",
        usage_type=_USAGES[number % len(_USAGES)],
        tags=["english", f"campaign {number % 10}"],
        duration_seconds=12.5,
        sample_rate=8000,
        channels=1,
        bit_depth=16,
        original_file_name="greeting.mp3",
        processing_status=ProcessingStatus.COMPLETE,
        file_id=uuid.uuid4(),
        file_name="greeting_processed.wav",
        content_type="audio/wav",
        file_size=200_044,
        checksum="0" * 64,
    )


def _of_usage(usage: int) -> range:
    """The numbers of the audios that have it."""
    return range(usage, _WRITTEN, len(_USAGES))


def _with_tokens(services: Services) -> dict[str, str]:
    """Callers have tokens, for to look a key up takes moto longer than all the rest."""
    kept = services.connect().secrets.create_secret(Name="jwt", SecretString=_SECRET)
    return {**services.environment, "JWT_SECRET_ARN": kept["ARN"], "JWT_AUDIENCE": _AUDIENCE}


def _functions(environment: Mapping[str, str]) -> dict[str, Function]:
    folders = {
        "list": ROOT / "functions" / "library_list",
        "floor": Path(__file__).parent / "floor",
    }
    return {
        name: Function(
            name,
            code,
            "app.lambda_handler",
            environment,
            timeout=29,
            memory=512,
            layers=(ROOT / "layers" / "core",),
        )
        for name, code in folders.items()
    }


async def _by_turns(
    folder: Path,
    functions: Mapping[str, Function],
    calls: Sequence[Call],
    size: Size,
    done: Callable[[], None],
) -> dict[str, list[float]]:
    """Seconds of each round's calls, by their names."""
    taken: dict[str, list[float]] = {call.name: [] for call in calls}
    with Supervisor(folder / "functions.json") as supervisor, Logs(folder, console=None) as logs:
        async with Functions(
            functions,
            environment={},
            logs=logs,
            region=REGION,
            watch=False,
            on_spawn=supervisor.watch,
        ) as running:
            for number in range(-size.warming_up, size.rounds):
                for call in calls:
                    seconds = await _seconds(running, call)
                    if number >= 0:
                        taken[call.name].append(seconds)
                if number >= 0:
                    done()
    return taken


async def _seconds(running: Functions, call: Call) -> float:
    event = _event(call.query)
    began = time.perf_counter()
    invocation = await running.invoke(call.function, event)
    seconds = time.perf_counter() - began
    call.check(invocation.payload)
    return seconds


def _event(query: Mapping[str, str]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / "library_list.json").read_text())
    claims = {
        "sub": "bench",
        "organization_id": str(_ORGANIZATION),
        "aud": _AUDIENCE,
        "exp": time.time() + _HOUR_SECONDS,
    }
    token = jwt.encode(claims, _SECRET, "HS256")
    return {
        **event,
        "headers": {"authorization": f"Bearer {token}"},
        "rawQueryString": urlencode(query),
        "queryStringParameters": dict(query),
    }


MEASUREMENT = Measurement(
    "library",
    "p95 of a page of 100,000 audios over a bare SELECT 1 through the same kind of function",
    60,
    "Pages of 20, by turns with the floor, each through a process of AWS's runtime client that is "
    "warm. The floor is a function that checks the same token and answers with a SELECT 1 from "
    "the same PostgreSQL; the gateway is in neither. A page is two queries, for every one tells "
    "how many audios there are in all. All audios are one organisation's; the search finds one in "
    "a hundred, the usage one in seven. The table is vacuumed, as a server does by itself: without "
    "that, each count reads all of it.",
    _measure,
)
