"""A client of the serverless audio backend: streaming and uploading with nothing lost."""

from audio_client.errors import (
    AudioClientError,
    ChunkRefusedError,
    ConnectionFailedError,
    FileChangedError,
    NotConnectedError,
    ProcessingFailedError,
    RefusedError,
    SessionRefusedError,
    StalledError,
    UploadRefusedError,
)
from audio_client.session import Progress
from audio_client.settings import Retry
from audio_client.streamer import AudioStreamer
from audio_client.uploads import Uploaded, upload

__all__ = [
    "AudioClientError",
    "AudioStreamer",
    "ChunkRefusedError",
    "ConnectionFailedError",
    "FileChangedError",
    "NotConnectedError",
    "ProcessingFailedError",
    "Progress",
    "RefusedError",
    "Retry",
    "SessionRefusedError",
    "StalledError",
    "UploadRefusedError",
    "Uploaded",
    "upload",
]
