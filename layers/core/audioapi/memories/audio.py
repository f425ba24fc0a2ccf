"""The audio of memories, window by window: `sessions/{session_id}/window_{nnn}/audio.wav`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi import objects, settings
from audioapi.memories.models import audio_key
from audioapi.memories.store import ALL

if TYPE_CHECKING:
    from collections.abc import Collection


def remove(session_id: str, windows: Collection[int]) -> None:
    """Removes the audio of windows, by their index; of ALL of them also what has no row, as the
    worker may have stored more than were planned. Harmless twice.
    """
    bucket = settings.memories().audio_bucket
    if ALL in windows:
        objects.delete_all(bucket, f"sessions/{session_id}/")
    else:
        objects.delete_many(bucket, (audio_key(session_id, window) for window in windows))
