"""The database's schema, step by step (Alembic), run from a shell and by a deployment alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from audioapi import database

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOCK = 0x617564696F  # any number that nobody else takes: "audio"


@dataclass(frozen=True)
class Change:
    """A schema's revision before and after; None is an empty database."""

    before: str | None
    after: str | None


def upgrade(url: str) -> Change:
    """Brings the database at `url` (a libpq connection string) to the newest revision: wholly, or
    not at all. Two at once take turns, and the second finds nothing to do.

    A schema that is newer than this code stays as it is: a deployment that is rolled back runs the
    code before it, and each revision serves that too.
    """
    engine = database.unpooled(url)
    with engine.begin() as connection:
        # Given back at the transaction's end, however that comes.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = current(connection)
        if not _is_newer(before):
            command.upgrade(_config(connection), "head")
        return Change(before, current(connection))


def head() -> str:
    """The newest revision that this code knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None  # noqa: S101 — there is a first revision
    return newest


def current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_newer(revision: str | None) -> bool:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return revision is not None and revision not in known


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
