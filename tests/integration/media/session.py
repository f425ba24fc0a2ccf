"""A session put together by real FFmpeg, and what was reported of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi.media import assemble

if TYPE_CHECKING:
    from collections.abc import Iterable


class Session:
    """`samples` of the whole session, s16le; and the report, which has to agree with them."""

    def __init__(
        self,
        chunks: Iterable[bytes],
        *,
        declared: str = "wav",
        rate: int = 44100,
        channels: int = 1,
        limits: assemble.Limits | None = None,
    ) -> None:
        self.report = assemble.Report()
        self.samples = b"".join(
            assemble.assemble(
                chunks,
                declared=declared,
                sample_rate=rate,
                channels=channels,
                report=self.report,
                limits=limits,
            )
        )
        assert self.report.samples * 2 * channels == len(self.samples)
