"""The schema is what the models say, and a unit of work is all or nothing."""

from __future__ import annotations

from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from audioapi import database, migrations
from audioapi.organizations import Organization


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    with database.engine(database_url).connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Organization.metadata) == []


def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrations.upgrade(database_url)
    with database.engine(database_url).connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            ("0001",)
        ]


def test_what_is_committed_stays_and_what_is_not_does_not(database_url: str) -> None:
    kept, lost = (Organization(id=uuid4(), name="Acme", slug=uuid4().hex) for _ in range(2))
    with database.unit_of_work(database_url) as work:
        work.add(kept)
        work.commit()
        work.add(lost)
        work.flush()
        slugs = (kept.slug, lost.slug)
    with database.unit_of_work(database_url) as work:
        found = work.scalars(select(Organization.slug).where(Organization.slug.in_(slugs))).all()
    assert found == [slugs[0]]


def test_a_slug_belongs_to_one_organisation(database_url: str) -> None:
    slug = uuid4().hex
    with database.unit_of_work(database_url) as work:
        work.add_all(Organization(id=uuid4(), name=name, slug=slug) for name in ("Acme", "Emca"))
        with pytest.raises(IntegrityError):
            work.commit()


def test_a_dropped_connection_is_replaced(database_url: str) -> None:
    with database.unit_of_work(database_url) as work:
        pid = work.scalar(text("SELECT pg_backend_pid()"))
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with database.unit_of_work(database_url) as work:
        assert work.scalar(text("SELECT 1")) == 1
