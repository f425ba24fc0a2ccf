"""`python -m local.stack.seed API_KEY`: the schema, and somebody who may call.

Runs in a process of its own with a function's environment, so that `audioapi` finds what it finds
there.
"""

from __future__ import annotations

import sys
from uuid import UUID

from audioapi import database, migrations
from audioapi.identity import Principal, put_api_key
from audioapi.organizations import Organization

USER = "dev-user"
ORGANIZATION = UUID("0ac3e000-0000-4000-8000-000000000001")


def seed(api_key: str) -> None:
    migrations.upgrade(database.url())
    acme = {"id": ORGANIZATION, "name": "Acme Corporation", "slug": "acme-corp"}
    database.transaction(lambda session: session.merge(Organization(**acme)))
    put_api_key(api_key, Principal(USER, str(ORGANIZATION)))


if __name__ == "__main__":
    seed(*sys.argv[1:])
