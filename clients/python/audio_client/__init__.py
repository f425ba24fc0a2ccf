"""A client of the serverless audio backend: streaming with nothing lost."""

from audio_client.errors import (
    AudioClientError,
    ChunkRefusedError,
    ConnectionFailedError,
    NotConnectedError,
    ProcessingFailedError,
    SessionRefusedError,
    StalledError,
)
from audio_client.session import Progress
from audio_client.settings import Retry
from audio_client.streamer import AudioStreamer

__all__ = [
    "AudioClientError",
    "AudioStreamer",
    "ChunkRefusedError",
    "ConnectionFailedError",
    "NotConnectedError",
    "ProcessingFailedError",
    "Progress",
    "Retry",
    "SessionRefusedError",
    "StalledError",
]
