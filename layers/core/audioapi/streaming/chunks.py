"""A session's chunks: objects under `chunks/{session_id}/`, whose names sort as the audio goes.

As a session goes on, runs of its chunks are folded into larger objects, so that the end of a long
one isn't spent on fetching them one by one. The chunks stay where they are: a run is a copy.
"""

from __future__ import annotations

import hashlib
import struct
from itertools import chain
from typing import TYPE_CHECKING

from audioapi import objects, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.streaming.models import Session

FOLD_EVERY = 256
"""Chunks after which they are folded."""
LATE_MS = 45_000
"""A message is carried out within the gateway's 29 s and the function's 15, or not at all."""

_RUN_BYTES = 8 * 1024 * 1024
_RUNS_AHEAD = 3
_SETTLED_MS = 60_000  # longer than LATE_MS: nothing comes any more between chunks so old
_MISSING_LISTED = 1000
_LENGTH = struct.Struct(">I")


def put(session_id: str, data: bytes, *, seq: int | None, order: str) -> bool:
    """Makes a chunk durable; False if it was there already. `order` sorts those without seq.
    Raises objects.TakenError if another chunk is in its place.
    """
    name = order if seq is None else _name(seq)
    return objects.put_once(_bucket(), _prefix(session_id, numbered=seq is not None) + name, data)


def arrival_order(received_at: int, message_id: str) -> str:
    """Sorts by the gateway's receive time; the message's id tells two of a millisecond apart."""
    return f"{received_at:015d}-{hashlib.sha256(message_id.encode()).hexdigest()[:12]}"


def as_found(session: Session) -> Session | None:
    """The session, numbered as its chunks are; None if there is no chunk. What counts are the
    objects: a chunk may be kept of which the session doesn't know, if it couldn't be counted.
    """
    ways = (True, False) if session.numbered is None else (session.numbered,)
    for numbered in ways:
        prefix = _prefix(session.session_id, numbered=numbered)
        if next(objects.keys(_bucket(), prefix), None) is not None:
            return session.model_copy(update={"numbered": numbered})
    return None


def contiguous(session: Session) -> int:
    """How many chunks there are without a gap from the first: the next one a client should send."""
    expected = session.next_seq
    for seq in _sequence_numbers(session):
        if seq != expected:
            break
        expected += 1
    return expected


def missing(session: Session) -> list[int]:
    """Sequence numbers that never came, up to the number the close gave, the first thousand."""
    gaps: list[int] = []
    expected = session.next_seq
    for seq in _sequence_numbers(session):
        gaps.extend(range(expected, min(seq, expected + _MISSING_LISTED)))
        expected = seq + 1
    gaps.extend(range(expected, min(session.expected_chunks or 0, expected + _MISSING_LISTED)))
    return gaps[:_MISSING_LISTED]


def read(session: Session) -> Iterator[bytes]:
    """All chunks in the order of the audio, the folded ones by their runs."""
    single = objects.keys(_bucket(), _chunks(session), after=_after(session))
    return chain(
        chain.from_iterable(
            map(_unpack, objects.read_in_order(_bucket(), _runs(session), ahead=_RUNS_AHEAD))
        ),
        objects.read_in_order(_bucket(), single),
    )


def fold(session: Session, *, now: int) -> Iterator[tuple[str, str]]:
    """Copies chunks that nothing can come between any more into runs, behind those there are.

    Gives what each new run covers: chunks after the first name, up to the second. Folding the same
    chunks twice makes the same objects.
    """
    after = session.folded_to or ""
    for names in _foldable(session, now):
        prefix = _chunks(session)
        data = objects.read_in_order(_bucket(), (prefix + name for name in names))
        key = f"{_run_prefix(session)}{after}_{names[-1]}"
        objects.put_once(_bucket(), key, b"".join(map(_pack, data)))
        yield after, names[-1]
        after = names[-1]


def _foldable(session: Session, now: int) -> Iterator[list[str]]:
    """Names of FOLD_EVERY chunks, or as many as a run holds, again and again; a rest waits."""
    names: list[str] = []
    size = 0
    for name, chunk_bytes in _settled(session, now):
        if len(names) == FOLD_EVERY or size + chunk_bytes > _RUN_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += chunk_bytes
    if len(names) == FOLD_EVERY:
        yield names


def _settled(session: Session, now: int) -> Iterator[tuple[str, int]]:
    """Names and sizes of what isn't folded yet, as far as its order is final: numbered chunks up to
    the first gap, others by their age.
    """
    prefix = _chunks(session)
    expected = int(session.folded_to) + 1 if session.numbered and session.folded_to else 0
    latest = arrival_order(now - _SETTLED_MS, "")
    for key, size in objects.sizes(_bucket(), prefix, after=_after(session)):
        name = key.removeprefix(prefix)
        if name != _name(expected) if session.numbered else name > latest:
            return
        expected += 1
        yield name, size


def _runs(session: Session) -> Iterable[str]:
    """Keys of the runs that lead up to `folded_to`, in order.

    A run that lost a race began where a noted one ended, too: whichever of two is found, fits.
    """
    prefix = _run_prefix(session)
    begins: dict[str, str] = {}
    for key in objects.keys(_bucket(), prefix) if session.folded_to else ():
        after, _, last = key.removeprefix(prefix).partition("_")
        begins[last] = after
    found = []
    last = session.folded_to or ""
    while last:
        found.append(f"{prefix}{begins[last]}_{last}")
        last = begins[last]
    return reversed(found)


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
    return f"chunks/{session_id}/{'seq' if numbered else 'time'}/"


def _chunks(session: Session) -> str:
    return _prefix(session.session_id, numbered=bool(session.numbered))


def _run_prefix(session: Session) -> str:
    return f"chunks/{session.session_id}/runs/"


def _after(session: Session) -> str:
    return _chunks(session) + session.folded_to if session.folded_to else ""
