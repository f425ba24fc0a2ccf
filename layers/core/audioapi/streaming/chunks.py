"""A session's chunks: objects under `chunks/{session_id}/`, whose names sort as the audio goes.

As a session goes on, runs of its chunks are folded into larger objects, so that the end of a long
one isn't spent on fetching them one by one. The chunks stay where they are: a run is a copy.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from itertools import chain, takewhile
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from audioapi import objects, settings
from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.streaming.models import Session

FOLD_EVERY = 256
"""Chunks after which they are folded."""

_RUN_BYTES = 8 * 1024 * 1024
_RUNS_AHEAD = 3
_SETTLED_MS = 60_000
"""How much older than the newest chunk those are between which nothing comes any more: a message is
carried out within the gateway's 29 s and the function's 15, or not at all.
"""
_MISSING_LISTED = 1000
_LENGTH = struct.Struct(">I")


def put(session_id: str, data: bytes, *, seq: int | None, order: str) -> bool:
    """Makes a chunk durable; False if it was there already. `order` sorts those without seq.
    Raises objects.TakenError if another chunk is in its place.
    """
    name = order if seq is None else _name(seq)
    return objects.put_once(_bucket(), _prefix(session_id, numbered=seq is not None) + name, data)


def arrival_order(received_at: int, message_id: str) -> str:
    """Sorts by the gateway's receive time, which is all that tells of an order; of two of the same
    millisecond, which come first is left to chance, but is the same however often it's asked.
    """
    return f"{received_at:015d}-{hashlib.sha256(message_id.encode()).hexdigest()[:12]}"


def _arrived_at(order: str) -> int:
    """When the gateway received it, in epoch milliseconds."""
    return int(order.partition("-")[0])


class ChunkList(BaseModel):
    """The chunks that a file is made of: runs up to `folded_to`, and by `names` what came then."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    numbered: bool
    folded_to: str | None
    names: list[str]

    @property
    def empty(self) -> bool:
        return not (self.names or self.folded_to)

    @property
    def last_seq(self) -> int:
        """The highest number of numbered chunks; -1 if there are none."""
        last = self.names[-1] if self.names else self.folded_to
        return -1 if last is None else int(last)


def listed(session: Session) -> ChunkList:
    """The chunks that there are. What counts are the objects: a chunk may be kept of which the
    session doesn't know, if it couldn't be counted.
    """
    if session.numbered is None:
        numbered = _listed(session.model_copy(update={"numbered": True}))
        return _listed(session) if numbered.empty else numbered
    return _listed(session)


def _listed(session: Session) -> ChunkList:
    prefix = _chunks(session)
    keys = objects.keys(_bucket(), prefix, after=_after(session))
    return ChunkList(
        session_id=session.session_id,
        numbered=bool(session.numbered),
        folded_to=session.folded_to,
        names=[key.removeprefix(prefix) for key in keys],
    )


def settle(found: ChunkList) -> ChunkList:
    """The list by which every worker makes the file: who comes first writes it down. A chunk that
    was refused as the session was sealed may land behind that, and would be in one worker's alone.
    """
    key = _list_key(found.session_id)
    try:
        objects.put_once(_bucket(), key, found.model_dump_json().encode())
    except objects.TakenError:
        return ChunkList.model_validate_json(objects.read(_bucket(), key))
    return found


def unsettle(session_id: str) -> None:
    """Has the next worker list anew."""
    objects.delete_many(_bucket(), [_list_key(session_id)])


def contiguous(session: Session) -> int:
    """How many chunks there are without a gap from the first: the next one a client should send."""
    expected = session.next_seq
    for seq in _sequence_numbers(session):
        if seq != expected:
            break
        expected += 1
    return expected


def missing(found: ChunkList, *, expected: int) -> list[int]:
    """Sequence numbers that never came, up to `expected`, the number that the close gave; the first
    thousand. Nothing was folded behind a gap.
    """
    gaps: list[int] = []
    following = int(found.folded_to) + 1 if found.folded_to else 0
    for seq in map(int, found.names):
        gaps.extend(range(following, min(seq, following + _MISSING_LISTED)))
        following = seq + 1
    gaps.extend(range(following, min(expected, following + _MISSING_LISTED)))
    return gaps[:_MISSING_LISTED]


def read(found: ChunkList, runs: list[str] | None) -> Iterator[bytes]:
    """All chunks in the order of the audio, the folded ones by their `runs` if those are there. Of
    a chunk that is gone come no bytes.
    """
    prefix = _prefix(found.session_id, numbered=found.numbered)
    single = (prefix + name for name in found.names)
    if runs is None:
        logger.error("a run of chunks is gone", session_id=found.session_id)
        folded = takewhile(
            lambda key: key <= prefix + (found.folded_to or ""), objects.keys(_bucket(), prefix)
        )
        return objects.read_in_order(_bucket(), chain(folded, single), gone_ok=True)
    return chain(
        chain.from_iterable(
            map(_unpack, objects.read_in_order(_bucket(), runs, ahead=_RUNS_AHEAD))
        ),
        objects.read_in_order(_bucket(), single, gone_ok=True),
    )


def fold(session: Session) -> Iterator[tuple[str, str, int]]:
    """Copies chunks that nothing can come between any more into runs, behind those there are.

    Gives what each new run covers: chunks after the first name, up to the second, so many. Folding
    the same chunks twice makes the same objects.
    """
    after = session.folded_to or ""
    for names in _foldable(session):
        prefix = _chunks(session)
        data = objects.read_in_order(_bucket(), (prefix + name for name in names))
        key = f"{_run_prefix(session.session_id)}{after}_{names[-1]}"
        objects.put_once(_bucket(), key, b"".join(map(_pack, data)))
        yield after, names[-1], len(names)
        after = names[-1]


def _foldable(session: Session) -> Iterator[list[str]]:
    """Names of FOLD_EVERY chunks, or as many as a run holds, again and again; a rest waits."""
    names: list[str] = []
    size = 0
    for name, chunk_bytes in _settled(session):
        if len(names) == FOLD_EVERY or size + chunk_bytes > _RUN_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += chunk_bytes
    if len(names) == FOLD_EVERY:
        yield names


def _settled(session: Session) -> Iterator[tuple[str, int]]:
    """Names and sizes of what isn't folded yet, as far as its order is final."""
    prefix = _chunks(session)
    entries = objects.sizes(_bucket(), prefix, after=_after(session))
    found = ((key.removeprefix(prefix), size) for key, size in entries)
    return _without_a_gap(found, session) if session.numbered else _old_enough(found)


def _without_a_gap(found: Iterator[tuple[str, int]], session: Session) -> Iterator[tuple[str, int]]:
    first = int(session.folded_to) + 1 if session.folded_to else 0
    for expected, (name, size) in enumerate(found, start=first):
        if name != _name(expected):
            return
        yield name, size


def _old_enough(found: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """By the gateway's clock alone, which gave the newest its name as well: ours may be wrong."""
    young: deque[tuple[str, int]] = deque()
    for newest in found:
        young.append(newest)
        while _arrived_at(young[0][0]) <= _arrived_at(newest[0]) - _SETTLED_MS:
            yield young.popleft()


def runs(found: ChunkList) -> list[str] | None:
    """Keys of the runs that lead up to `folded_to`, in order; None if one isn't listed.

    A run that lost a race began where a noted one ended, too: whichever of two is found, fits.
    """
    prefix = _run_prefix(found.session_id)
    begins: dict[str, str] = {}
    for key in objects.keys(_bucket(), prefix) if found.folded_to else ():
        after, _, last = key.removeprefix(prefix).partition("_")
        begins[last] = after
    keys = []
    last = found.folded_to or ""
    while last:
        if last not in begins:
            return None
        keys.append(f"{prefix}{begins[last]}_{last}")
        last = begins[last]
    return keys[::-1]


def _pack(chunk: bytes) -> bytes:
    """Where a chunk ends is kept: a new file may begin there."""
    return _LENGTH.pack(len(chunk)) + chunk


def _unpack(run: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(run):
        (size,) = _LENGTH.unpack_from(run, at)
        at += _LENGTH.size
        yield run[at : at + size]
        at += size


def _sequence_numbers(session: Session) -> Iterator[int]:
    """Of the chunks there are, from the session's `next_seq` on, before which there is no gap."""
    prefix = _prefix(session.session_id, numbered=True)
    after = prefix + _name(session.next_seq - 1) if session.next_seq else ""
    for key in objects.keys(_bucket(), prefix, after=after):
        yield int(key.removeprefix(prefix))


def all_of(session_id: str) -> str:
    """The prefix of all that is kept of a session's chunks."""
    return f"chunks/{session_id}/"


def _bucket() -> str:
    return settings.streaming().audio_bucket


def _name(seq: int) -> str:
    return f"{seq:010d}"


def _prefix(session_id: str, *, numbered: bool) -> str:
    return all_of(session_id) + ("seq/" if numbered else "time/")


def _chunks(session: Session) -> str:
    return _prefix(session.session_id, numbered=bool(session.numbered))


def _run_prefix(session_id: str) -> str:
    return all_of(session_id) + "runs/"


def _list_key(session_id: str) -> str:
    return all_of(session_id) + "list"


def _after(session: Session) -> str:
    return _chunks(session) + session.folded_to if session.folded_to else ""
