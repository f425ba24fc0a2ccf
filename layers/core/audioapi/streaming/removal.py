"""A session's sound, once it is to be kept no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi import objects, settings
from audioapi.streaming import chunks, store

if TYPE_CHECKING:
    from audioapi.streaming.models import Session


def remove_audio(session_id: str) -> Session | None:
    """Removes a session's file and its chunks, and hands them out no more: the session as it is
    then, None if it is known no more. Harmless twice.
    """
    discarded = store.discard(session_id)
    bucket = settings.streaming().audio_bucket
    objects.delete_many(bucket, [file_key(session_id)])
    objects.delete_all(bucket, chunks.all_of(session_id))
    return discarded


def file_key(session_id: str) -> str:
    return f"{settings.streaming().audio_storage_path}/{session_id}.wav"
