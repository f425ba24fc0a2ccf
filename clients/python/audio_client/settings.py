"""How patient a streamer is."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """Seconds between tries.

    A chunk is sent again when no answer came for `ack_timeout`, later where the line is slow. A
    lost connection is replaced after `first_delay`, doubled with each failure up to `max_delay`.
    An idle one is kept by a frame every `keepalive`: the server closes a session after 5 minutes
    without, API Gateway a connection after 10. The file is asked for every `poll` when the
    connection is gone, and so is a task. An upload's requests wait as connections do.
    """

    ack_timeout: float = 5.0
    first_delay: float = 0.5
    max_delay: float = 15.0
    keepalive: float = 240.0
    poll: float = 1.0

    def delay(self, failures: int) -> float:
        """With jitter: at API Gateway's two-hour limit many clients may return at once."""
        longest = min(self.max_delay, self.first_delay * 2.0 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


@dataclass(frozen=True, slots=True)
class Settings:
    """`window` is chunks that may be unacknowledged, `timeout` seconds without any progress."""

    window: int
    timeout: float
    retry: Retry
