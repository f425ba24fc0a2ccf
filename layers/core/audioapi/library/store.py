"""The library's rows. Every statement is about one organisation: no other's is read or counted."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    cast,
    delete,
    false,
    func,
    inspect,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY, insert

from audioapi.library.models import LibraryAudio, ProcessingStatus
from audioapi.organizations import Organization

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

SORTED_BY: dict[str, ColumnElement[Any]] = {
    "createdAt": LibraryAudio.created_at.expression,
    "title": func.lower(LibraryAudio.title),
    "durationSeconds": LibraryAudio.duration_seconds.expression,
}
_WORD = re.compile(r"[^\W_]+")
_LONGEST_WORD = 64
"""Characters; PostgreSQL takes 2,046 bytes, the organisation included."""


@dataclass(frozen=True)
class Wanted:
    """What of an organisation's library is asked for: audios that have one of `tags` at least, and
    for each word of `search` one that begins with it, in any case.
    """

    organization_id: UUID
    search: str | None = None
    usage_type: str | None = None
    tags: Sequence[str] = ()
    sort_by: str = "createdAt"
    descending: bool = True


def add(session: Session, audio: LibraryAudio) -> LibraryAudio:
    """Adds the row, or finds it if it was added before."""
    given = inspect(audio).dict
    values = {c.key: given[c.key] for c in inspect(LibraryAudio).columns if c.key in given}
    adding = insert(LibraryAudio).values(values | {"search": _searched(audio)})
    session.execute(adding.on_conflict_do_nothing())
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


def page(session: Session, wanted: Wanted, *, offset: int, limit: int) -> Sequence[LibraryAudio]:
    """In order, ties by id, so that no audio is on two pages. What has no duration yet is the
    longest.
    """
    return session.scalars(page_of(wanted, offset=offset, limit=limit)).all()


def count(session: Session, wanted: Wanted) -> int:
    return session.scalars(count_of(wanted)).one()


def page_of(wanted: Wanted, *, offset: int, limit: int) -> Select[LibraryAudio]:
    order = SORTED_BY[wanted.sort_by], LibraryAudio.id.expression
    return (
        select(LibraryAudio)
        .where(*_matching(wanted))
        .order_by(*(column.desc() if wanted.descending else column.asc() for column in order))
        .offset(offset)
        .limit(limit)
    )


def count_of(wanted: Wanted) -> Select[int]:
    return select(func.count()).select_from(LibraryAudio).where(*_matching(wanted))


def change(
    session: Session, organization_id: UUID, audio_id: UUID, values: dict[str, Any]
) -> LibraryAudio | None:
    """The changed audio; None if there is none. Two changes at once take turns."""
    found = select(LibraryAudio).where(*_own(organization_id, audio_id)).with_for_update()
    audio = session.scalar(found)
    if audio is None:
        return None
    for name, value in values.items():
        setattr(audio, name, value)
    audio.search = _searched(audio)
    session.flush()
    session.refresh(audio, ["updated_at"])
    return audio


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


def remove(session: Session, organization_id: UUID, audio_id: UUID) -> None:
    session.execute(delete(LibraryAudio).where(*_own(organization_id, audio_id)))


def _own(organization_id: UUID, audio_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return LibraryAudio.organization_id == organization_id, LibraryAudio.id == audio_id


def _matching(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [LibraryAudio.organization_id == wanted.organization_id]
    if wanted.usage_type is not None:
        conditions.append(LibraryAudio.usage_type == wanted.usage_type)
    if wanted.tags:
        tags = (_quoted(_tag(wanted.organization_id, tag)) for tag in wanted.tags)
        conditions.append(_found(" | ".join(tags)))
    if wanted.search is not None:
        words = [f"{_quoted(word)}:*" for word in _words(wanted.organization_id, wanted.search)]
        conditions.append(_found(" & ".join(words)) if words else false())
    return conditions


def _found(query: str) -> ColumnElement[bool]:
    """https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY"""
    return LibraryAudio.search.bool_op("@@")(cast(literal(query), TSQUERY))


def _searched(audio: LibraryAudio) -> Any:
    """What a search finds the audio by. Each word begins with the organisation, so that one index
    serves words, beginnings of words and tags, and never walks through another's.
    """
    own, tags = audio.organization_id, audio.tags or []
    words = _words(own, " ".join([audio.title, audio.description or "", *tags]))
    lexemes = words | {_tag(own, tag) for tag in tags}
    return func.array_to_tsvector(cast(literal(sorted(lexemes), ARRAY(Text)), ARRAY(Text)))


def _words(own: UUID, text: str) -> set[str]:
    """Without a language's stems and stop words: titles of calls come in any language."""
    return {f"{own.hex}/{word[:_LONGEST_WORD]}" for word in _WORD.findall(_folded(text))}


def _tag(own: UUID, tag: str) -> str:
    return f"{own.hex}#{_folded(tag)}"


def _folded(text: str) -> str:
    """The same for letters that differ in case, or in how they are put together."""
    return unicodedata.normalize("NFC", text.casefold())


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
