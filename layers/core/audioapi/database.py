"""PostgreSQL through SQLAlchemy: what people keep and query, one transaction a piece of work.

An environment serves one request at a time and holds one connection. Losing it, or the server being
restarted, failing over or changing its password, costs another attempt and not the request.
"""

from __future__ import annotations

import json
import random
import select
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2
from psycopg2 import extensions
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from audioapi import secrets, settings
from audioapi.observe import logger
from audioapi.problems import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

RETRY_SECONDS = 8.0  # with an answer's and a connection's below 30, after which a gateway gives up
ANSWER_SECONDS = 12.0
STATEMENT_SECONDS = 10  # less, so that the server tells first
CONNECT_SECONDS = 4
_LONGEST_PAUSE_SECONDS = 1.0

# SQLSTATEs, or their first two letters, that another attempt may not meet: connection, rollback
# (serialization, deadlock), resources, operator (shutdown, time-out), a lock that is held, and a
# server that was the writer until a failover.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING = ("08", "40", "53", "57", "55P03", "25006")

# A peer that vanished without a word is noticed within about ten seconds, whatever we wait for.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_CONNECTION: dict[str, Any] = {
    "application_name": "audioapi",
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


class Base(DeclarativeBase):
    """All tables; migrations compare it with the database."""


def transaction(work: Callable[[Session], T], *, seconds: float = RETRY_SECONDS) -> T:
    """Does `work` in a transaction, commits it, and gives back what `work` returned.

    **`work` may run more than once, also after it was committed**, as the commit's answer may be
    lost: it must be idempotent, and touch nothing but its session. A new attempt begins within
    `seconds` of the first, after which UnavailableError is raised. Broken constraints and mistakes
    are raised as they are, at once.
    """

    def attempt() -> T:
        with Session(engine(), expire_on_commit=False) as session, session.begin():
            return work(session)

    return persistently(attempt, seconds=seconds)


def persistently(attempt: Callable[[], T], *, seconds: float) -> T:
    """What `attempt` returns, as soon as it fails for no reason that passes by itself."""
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            if not _passes(error):
                raise
            if time.monotonic() + pause > deadline:
                raise UnavailableError("The database can't be reached") from error
            logger.warning("database attempt failed; trying again", reason=reason(error))
        # The server may have moved, or its password changed, so the secret is read again too.
        forget()
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 — apart from others, not secret
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def reason(error: DBAPIError) -> str:
    """The server's own words: the first line, as the ones below may quote a row's values."""
    said = str(error.orig).strip().partition("\n")[0]
    return f"{_sqlstate(error) or type(error.orig).__name__}: {said}"


@cache
def engine() -> Engine:
    """The environment's, for the database of the secret. The connection is tried before use, for
    it may have been dropped while the environment slept.
    """
    extensions.set_wait_callback(_wait)
    return create_engine(
        "postgresql+psycopg2://",
        creator=_connect_limited,
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,  # what people keep has no place in logs
    )


def unpooled(url: str) -> Engine:
    """For migrations, whose statements may take long: no limits, and no connection afterwards."""
    return create_engine(
        "postgresql+psycopg2://",
        creator=partial(psycopg2.connect, url, **_CONNECTION),
        poolclass=NullPool,
    )


@cache
def url() -> str:
    """The libpq connection string that the database's secret holds, as one or as RDS keeps it:
    {"username", "password", "host", "port", "dbname"}.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    """
    arn = settings.database().database_secret_arn
    secret = secrets.read(arn, variable="DATABASE_SECRET_ARN").strip()
    try:
        found = _of_rds(secret) if secret.startswith("{") else secret
    except (ValueError, KeyError):
        found = ""
    if not is_valid(found):
        raise settings.SettingsError("DATABASE_SECRET_ARN: the secret holds no PostgreSQL URL")
    return found


def is_valid(url: str) -> bool:
    """Whether libpq can take `url` apart, at the right places: it quotes what it can't use, which
    may be a piece of a password whose `@` or `/` isn't percent-encoded.
    """
    try:
        parts = extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        return False
    port_is_number = parts.get("port", "0").replace(",", "").isdigit()
    return bool(parts) and port_is_number and "@" not in parts.get("host", "")


def forget() -> None:
    """Closes the connection, and asks for the secret again before the next."""
    engine().dispose()
    url.cache_clear()


def _passes(error: DBAPIError) -> bool:
    """Whether another attempt may succeed. What fails before a session is there has no SQLSTATE."""
    code = _sqlstate(error)
    if code is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    return error.connection_invalidated or code.startswith(_PASSING)


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "pgcode", None)


def _of_rds(secret: str) -> str:
    kept = json.loads(secret)
    return extensions.make_dsn(
        host=kept["host"],
        port=kept.get("port", 5432),
        user=kept["username"],
        password=kept["password"],
        dbname=kept.get("dbname", "postgres"),
    )


class _LimitedConnection(extensions.connection):
    """One that is closed when the server doesn't answer for ANSWER_SECONDS."""


def _connect_limited() -> extensions.connection:
    """By a statement, as poolers and proxies refuse it among the connection's `options`."""
    connection: extensions.connection = psycopg2.connect(
        url(), connection_factory=_LimitedConnection, **_CONNECTION
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", (STATEMENT_SECONDS * 1000,))
    return connection


def _wait(connection: extensions.connection) -> None:
    """Waits for the server as libpq does, but not forever for one that is there and hangs.

    psycopg2 closes the connection if this raises, and leaves connect_timeout to us.
    https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries
    """
    seconds = ANSWER_SECONDS if isinstance(connection, _LimitedConnection) else None
    if connection.status == extensions.STATUS_SETUP:
        seconds = CONNECT_SECONDS
    while (state := connection.poll()) != extensions.POLL_OK:
        reads = [connection] if state == extensions.POLL_READ else []
        writes = [connection] if state == extensions.POLL_WRITE else []
        if not any(select.select(reads, writes, [], seconds)):
            raise psycopg2.OperationalError("the server doesn't answer")
