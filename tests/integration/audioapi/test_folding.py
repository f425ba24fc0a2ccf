"""A long session's chunks are folded as it goes: the same file is made of far fewer reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audioapi import objects
from audioapi.clock import now_ms
from audioapi.streaming import assembly, chunks, store
from tests.audio import pcm
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say, stored
from tests.integration.audioapi.test_durability import bucket, run_jobs, samples

if TYPE_CHECKING:
    from local.template.model import Stack

AUDIO = pcm(rate=16000, channels=1, seconds=1.0)
PIECES = [AUDIO[at : at + 1600] for at in range(0, len(AUDIO), 1600)]


@pytest.fixture
def session_id(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(chunks, "FOLD_EVERY", 4)
    return str(connect(sample_rate="16000")["session_id"])


def work() -> list[str]:
    """Does the jobs that wait, and tells their types."""
    jobs = received("JobsQueue")
    for job in jobs:
        assert job["type"] == "fold_chunks"
        assembly.fold_chunks(job["session_id"])
    return [job["type"] for job in jobs]


def end(session_id: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Closes the session; the keys that were read for its file."""
    read: list[str] = []
    fetch = objects.read

    def note(name: str, key: str) -> bytes:
        read.append(key)
        return fetch(name, key)

    monkeypatch.setattr(objects, "read", note)
    say({**CLOSE, "chunk_count": kept(session_id).total_chunks})
    run_jobs()
    return read


def test_runs_are_read_instead_of_their_chunks(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq, piece in enumerate(PIECES):
        say(audio(piece, seq))
        work()
    read = end(session_id, monkeypatch)
    assert len(PIECES) == 20
    assert len(read) == 5
    assert all(f"chunks/{session_id}/runs/" in key for key in read)
    assert samples(stack, session_id) == AUDIO
    assert kept(session_id).total_chunks == len(PIECES)
    assert len(stored(bucket(stack), f"chunks/{session_id}/seq/")) == len(PIECES)


def test_a_gap_is_not_folded_over(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = 5
    for seq, piece in enumerate(PIECES):
        if seq != late:
            say(audio(piece, seq))
            work()
    assert kept(session_id).folded_to == "0000000003"
    say(audio(PIECES[late], late))
    assert work() == ["fold_chunks"]
    end(session_id, monkeypatch)
    assert samples(stack, session_id) == AUDIO
    assert kept(session_id).missing_chunks == []


def test_of_two_folds_at_once_one_counts(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one began before the first was through, and runs cover other chunks by then."""
    for seq, piece in enumerate(PIECES):
        say(audio(piece, seq))
    received("JobsQueue")
    before = kept(session_id)
    assembly.fold_chunks(session_id)
    with monkeypatch.context() as patch:
        patch.setattr(chunks, "FOLD_EVERY", 3)
        after, last, count = next(chunks.fold(before))
        assert not store.note_folded(before, after=after, last=last, count=count)
    assert len(end(session_id, monkeypatch)) == 5
    assert samples(stack, session_id) == AUDIO


def test_chunks_without_a_number_are_folded_when_nothing_can_come_between_any_more(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = now_ms() - 70_000
    *before, last = PIECES
    for index, piece in enumerate(before):
        say(audio(piece), at=start + index)
    received("JobsQueue")
    assembly.fold_chunks(session_id)
    assert kept(session_id).folded_to is None
    say(audio(last), at=start + 60_000 + 10)
    received("JobsQueue")
    assembly.fold_chunks(session_id)
    assert (kept(session_id).folded_to or "").startswith(f"{start + 7:015d}")
    assert say(audio(last), at=start)["error"] == "The chunk came too late for its place"
    read = end(session_id, monkeypatch)
    assert len(read) == 2 + len(PIECES) - 8
    assert samples(stack, session_id) == AUDIO


def test_without_a_run_its_chunks_are_read(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq, piece in enumerate(PIECES):
        say(audio(piece, seq))
        work()
    run, *_ = stored(bucket(stack), f"chunks/{session_id}/runs/")
    objects.delete_many(bucket(stack), [run])
    say(CLOSE)
    assembly.assemble_session(session_id)
    assert kept(session_id).short_looks == 1, "it may be listed late"
    monkeypatch.setattr(assembly, "_MOST_SHORT_LOOKS", 1)
    assert len(end(session_id, monkeypatch)) == len(PIECES)
    assert samples(stack, session_id) == AUDIO


def test_a_fold_that_dies_half_way_is_done_again(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq, piece in enumerate(PIECES):
        say(audio(piece, seq))
    received("JobsQueue")
    with monkeypatch.context() as patch:
        patch.setattr(store, "note_folded", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            assembly.fold_chunks(session_id)
    assert kept(session_id).folded_to is None
    assembly.fold_chunks(session_id)
    assert len(end(session_id, monkeypatch)) == 5
    assert samples(stack, session_id) == AUDIO


def test_a_run_holds_no_more_than_fits_into_memory(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "_RUN_BYTES", 4000)
    for seq, piece in enumerate(PIECES):
        say(audio(piece, seq))
        work()
    sizes = [size for _, size in objects.sizes(bucket(stack), f"chunks/{session_id}/runs/")]
    assert max(sizes) <= 4000 + 2 * 4
    end(session_id, monkeypatch)
    assert samples(stack, session_id) == AUDIO
