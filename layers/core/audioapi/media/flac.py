"""What a FLAC file says of itself (RFC 9639)."""

from __future__ import annotations

_STREAMINFO = 8
"""Where the first block's content begins: behind `fLaC` and the block's header."""


def promised_seconds(head: bytes) -> float | None:
    """How much sound the STREAMINFO block says that there is; None if it doesn't (§8.2)."""
    fields = int.from_bytes(head[_STREAMINFO + 10 : _STREAMINFO + 18], "big")
    sample_rate, samples = fields >> 44, fields & (1 << 36) - 1
    return samples / sample_rate if sample_rate and samples else None
