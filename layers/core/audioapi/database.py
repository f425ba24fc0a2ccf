"""PostgreSQL through SQLAlchemy: what people keep and query, one transaction a unit of work."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, Session

if TYPE_CHECKING:
    from collections.abc import Iterator


class Base(DeclarativeBase):
    """All tables; migrations compare it with the database."""


@cache
def engine(url: str) -> Engine:
    """One connection an environment, since it serves one request at a time, checked before use,
    because it may have been dropped while the environment slept. `url` is a libpq URL.
    """
    return create_engine(
        url.replace("postgresql://", "postgresql+psycopg2://", 1),
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
    )


@contextmanager
def unit_of_work(url: str) -> Iterator[Session]:
    """A transaction that ends with the block: what isn't committed in it is rolled back."""
    with Session(engine(url)) as session:
        yield session
