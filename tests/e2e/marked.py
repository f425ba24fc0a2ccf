"""Chunks whose samples tell whose they are and where they belong."""

from __future__ import annotations

import struct

CHUNK_SAMPLES = 400
_MARK = struct.Struct("<HH")


def chunk_of(session: int, seq: int) -> bytes:
    """Chunk `seq` of a session of a test's: samples of 16 bits."""
    return _MARK.pack(session, seq) * (CHUNK_SAMPLES // 2)


def chunks_in(samples: bytes, *, session: int) -> list[int]:
    """Which of the session's chunks the samples are, in their order. AssertionError if they are
    anything else.
    """
    size = 2 * CHUNK_SAMPLES
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    seqs = [_MARK.unpack_from(block)[1] for block in blocks]
    assert blocks == [chunk_of(session, seq) for seq in seqs]
    return seqs
