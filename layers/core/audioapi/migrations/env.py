"""What Alembic runs: the pending revisions, in one transaction."""

from __future__ import annotations

from alembic import context

from audioapi import database
from audioapi.organizations import Organization

target_metadata = Organization.metadata

with database.engine(context.config.attributes["url"]).connect() as connection:
    context.configure(connection=connection, target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()
