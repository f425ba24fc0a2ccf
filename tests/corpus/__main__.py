"""Writes the corpus to a folder: each case's parts, numbered, and a manifest of what they give."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.corpus import HOSTILE, RECORDINGS

if TYPE_CHECKING:
    from tests.corpus.case import Case


GROUPS = {"recordings": RECORDINGS, "hostile": HOSTILE}


def write(folder: Path) -> None:
    secret = str(folder / "secret.wav")
    for group, cases in GROUPS.items():
        for case in cases:
            home = folder / group / case.name
            home.mkdir(parents=True, exist_ok=True)
            for number, part in enumerate(case.sent(secret)):
                (home / f"{number:03d}").write_bytes(part)
    (folder / "manifest.json").write_text(json.dumps(describe(secret), indent=2) + "\n")


def describe(secret: str) -> dict[str, Any]:
    """The manifest, of a corpus whose playlists point at the path of a secret."""
    return {group: [_entry(case, secret) for case in cases] for group, cases in GROUPS.items()}


def _entry(case: Case, secret: str) -> dict[str, Any]:
    return {
        "name": case.name,
        "parts": [
            {"bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for part in case.sent(secret)
        ],
        "declared": case.declared,
        "sample_rate": case.sample_rate,
        "channels": case.channels,
        "seconds": case.seconds,
        "within": case.within,
        "refused": case.refused or None,
        "warnings": case.warnings,
        "lost_seconds": case.lost_seconds,
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m tests.corpus FOLDER")
    write(Path(sys.argv[1]).resolve())
