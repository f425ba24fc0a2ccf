"""The library's rows. Every statement is about one organisation: no other's is read or counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete, func, inspect, select, update
from sqlalchemy.dialects.postgresql import insert

from audioapi.library.models import LibraryAudio, ProcessingStatus
from audioapi.organizations import Organization

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

SORTED_BY = {
    "createdAt": LibraryAudio.created_at,
    "title": LibraryAudio.title,
    "durationSeconds": LibraryAudio.duration_seconds,
}
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Wanted:
    """What of an organisation's library is asked for. An audio has one of `tags` at least, and a
    word that begins with each of `search`'s.
    """

    organization_id: UUID
    search: str | None = None
    usage_type: str | None = None
    tags: Sequence[str] = ()
    sort_by: str = "createdAt"
    descending: bool = True


def search_text(title: str, description: str | None, tags: Sequence[str] | None) -> str:
    """What a search looks through."""
    return "\n".join(filter(None, [title, description, *(tags or ())])).lower()


def add(session: Session, audio: LibraryAudio) -> LibraryAudio:
    """Adds the row, or finds it if it was added before."""
    values = {
        c.key: v for c in inspect(LibraryAudio).columns if (v := getattr(audio, c.key)) is not None
    }
    session.execute(insert(LibraryAudio).values(values).on_conflict_do_nothing())
    return session.get_one(LibraryAudio, audio.id)


def get(session: Session, organization_id: UUID, audio_id: UUID) -> LibraryAudio | None:
    return session.scalar(select(LibraryAudio).where(*_own(organization_id, audio_id)))


def get_with_organization(
    session: Session, organization_id: UUID, audio_id: UUID
) -> tuple[LibraryAudio, Organization] | None:
    found = session.execute(
        select(LibraryAudio, Organization)
        .join(Organization, Organization.id == LibraryAudio.organization_id)
        .where(*_own(organization_id, audio_id))
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def page(
    session: Session, wanted: Wanted, *, offset: int, limit: int | None
) -> Sequence[LibraryAudio]:
    """In order, ties by id, so that no audio is on two pages."""
    column: Any = SORTED_BY[wanted.sort_by]
    order = column.desc() if wanted.descending else column.asc()
    if column.nullable:  # otherwise an index in plain order wouldn't serve
        order = order.nulls_last()
    statement = select(LibraryAudio).where(*_matching(wanted)).order_by(order, LibraryAudio.id)
    return session.scalars(statement.offset(offset).limit(limit)).all()


def count(session: Session, wanted: Wanted) -> int:
    statement = select(func.count()).select_from(LibraryAudio).where(*_matching(wanted))
    return session.scalar(statement) or 0


def change(
    session: Session, organization_id: UUID, audio_id: UUID, values: dict[str, Any]
) -> LibraryAudio | None:
    """The changed audio; None if there is none."""
    return session.scalar(
        update(LibraryAudio)
        .where(*_own(organization_id, audio_id))
        .values(**values)
        .returning(LibraryAudio)
    )


def finish(session: Session, audio_id: UUID, values: dict[str, Any]) -> LibraryAudio | None:
    """PENDING → what `values` say; None if it isn't pending, as a second delivery finds it."""
    return session.scalar(
        update(LibraryAudio)
        .where(
            LibraryAudio.id == audio_id,
            LibraryAudio.processing_status == ProcessingStatus.PENDING,
        )
        .values(**values)
        .returning(LibraryAudio)
    )


def remove(session: Session, organization_id: UUID, audio_id: UUID) -> bool:
    removed = session.execute(
        delete(LibraryAudio).where(*_own(organization_id, audio_id)).returning(LibraryAudio.id)
    )
    return removed.one_or_none() is not None


def _own(organization_id: UUID, audio_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return LibraryAudio.organization_id == organization_id, LibraryAudio.id == audio_id


def _matching(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [LibraryAudio.organization_id == wanted.organization_id]
    if wanted.usage_type is not None:
        conditions.append(LibraryAudio.usage_type == wanted.usage_type)
    if wanted.tags:
        conditions.append(LibraryAudio.tags.overlap(list(wanted.tags)))
    if wanted.search is not None:
        conditions.append(_found(wanted.search))
    return conditions


def _found(search: str) -> ColumnElement[bool]:
    """Full text without a language's stems, for names of calls are no prose; each word of the
    search a prefix. https://www.postgresql.org/docs/current/textsearch-controls.html
    """
    query = " & ".join(f"{word}:*" for word in _WORD.findall(search.lower()))
    return func.to_tsvector("simple", LibraryAudio.search_text).op("@@")(
        func.to_tsquery("simple", query)
    )
