"""What the functions read from their environment, one class a concern, each read once.

A missing or malformed variable stops the function at start, by name. pydantic-settings would read
the same for 90 ms more of every cold start, so these ten lines of reading stand here.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SampleRate = Literal[8000, 16000, 22050, 44100, 48000, 96000]
Channels = Literal[1, 2]
AudioFormat = Literal["wav", "mp3", "flac", "aac"]
Transcriber = Literal["pocketsphinx", "transcribe", "none"]
Summariser = Literal["extractive", "bedrock"]
Positive = Annotated[int, Field(gt=0)]


class SettingsError(Exception):
    """The environment lacks a variable or holds one that is malformed."""


class Settings(BaseModel):
    """Fields are read from the environment variables of the same name in capitals."""

    # A function builds the few that it reads: all of them would take 15 ms of every cold start.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    def read(cls) -> Self:
        """Raises SettingsError, which names every missing or malformed variable, and no value."""
        given = {name: os.environ.get(name.upper(), "") for name in cls.model_fields}
        try:
            return cls.model_validate({name: text for name, text in given.items() if text})
        except ValidationError as error:
            reasons = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise SettingsError(f"Environment variables: {reasons}") from error


class IdentitySettings(Settings):
    """Who may call. Without a JWT secret or JWKS URL, API keys are the only credential."""

    api_keys_table: str
    jwt_secret_arn: str | None = None
    jwks_url: str | None = None
    jwt_audience: str | None = None
    jwt_issuer: str | None = None


class StreamingSettings(Settings):
    """Where streaming keeps its things, and seed 001's limits and defaults."""

    audio_bucket: str
    streams_table: str
    jobs_queue_url: str
    notifications_queue_url: str
    allow_anonymous_streaming: bool = False
    audio_storage_path: str = "audio_sessions"
    default_sample_rate: int = 44100
    default_channels: int = 1
    default_format: AudioFormat = "wav"
    ffmpeg_loglevel: str = "error"
    max_session_duration_hours: Positive = 24
    max_chunk_size_mb: Positive = 10
    max_message_size_bytes: Positive = 10 * 1024 * 1024
    max_concurrent_sessions: Positive = 100
    max_connections_per_session: Positive = 5
    connection_timeout_seconds: Positive = 300
    close_settle_seconds: Annotated[int, Field(ge=0, le=900)] = 5
    straggler_wait_seconds: Annotated[int, Field(ge=0, le=900)] = 10


class GatewaySettings(Settings):
    """How the notifier reaches whoever is connected: the @connections endpoint."""

    websocket_endpoint: str


class DatabaseSettings(Settings):
    """The Secrets Manager secret that says where PostgreSQL is and who we are there."""

    database_secret_arn: str


class MemoriesSettings(Settings):
    """Where memories' audio is, and how long one is."""

    audio_bucket: str
    window_seconds: Positive = 30


class ProcessingSettings(Settings):
    """Where recordings and the work's results are, and its limits."""

    audio_bucket: str
    tasks_table: str
    jobs_queue_url: str
    max_file_size_mb: Positive = 500
    task_retention_days: Positive = 30
    transcriber: Transcriber = "pocketsphinx"
    transcript_language: str = "en-US"
    transcription_job_prefix: str = "audio-"
    ffmpeg_loglevel: str = "error"


class UploadSettings(Settings):
    """Where direct uploads are kept track of, and how large they may be."""

    audio_bucket: str
    uploads_table: str
    max_file_size_mb: Positive = 500


class LibrarySettings(Settings):
    """Where the library's files are, how large an upload may be, and whether its loudness is made
    the same: `library_loudness_lufs` is the target in LUFS.
    """

    audio_bucket: str
    jobs_queue_url: str
    max_file_size_mb: Positive = 500
    library_loudness_lufs: Annotated[float, Field(ge=-70, le=-5)] | None = None
    ffmpeg_loglevel: str = "error"


class AnalysisSettings(Settings):
    """Where conversations are kept, how large a file may be, and who sums them up. Of a longer
    sound than `analyze_sync_seconds`, the gateway can't wait for the analysis.
    """

    audio_bucket: str
    analysis_table: str
    max_file_size_mb: Positive = 500
    analyze_sync_seconds: Positive = 45
    transcriber: Transcriber = "pocketsphinx"
    transcript_language: str = "en-US"
    summariser: Summariser = "extractive"
    bedrock_model_id: str = "anthropic.claude-3-haiku-20240307-v1:0"
    ffmpeg_loglevel: str = "error"


class LiveSettings(Settings):
    """The queue of live conversations, and how long a worker waits for their next chunk."""

    live_queue_url: str
    live_idle_seconds: Positive = 20


class AnalysisStreamSettings(Settings):
    """Where recordings are analysed with events: a function URL, which ends with a slash."""

    analysis_stream_url: str


class LiveEventsSettings(Settings):
    """Where live events are streamed: a function URL, which ends with a slash."""

    live_events_url: str


class LiveFailedSettings(Settings):
    """The dead-letter queue of live conversations."""

    live_failed_queue_url: str


class WebhookSettings(Settings):
    """Where webhooks and their deliveries are, and whether they may go to private addresses."""

    webhooks_table: str
    webhooks_queue_url: str
    allow_private_webhooks: bool = False


class IdempotencySettings(Settings):
    """Where answers to requests with an Idempotency-Key are kept."""

    idempotency_table: str


class WorkerSettings(Settings):
    """What the worker's machine has, how soon a worker that died is missed, and for how long a job
    is tried while a service that it needs is away.
    """

    worker_storage_mb: Positive = 512
    worker_missed_seconds: Positive = 60
    passing_failure_hours: Positive = 6


class JobsFailedSettings(Settings):
    """The dead-letter queue of the jobs."""

    jobs_failed_queue_url: str


class HealthSettings(Settings):
    """What a check of the API's health asks."""

    audio_bucket: str
    jobs_queue_url: str


class RoutesSettings(Settings):
    """Every route of the HTTP API, `METHOD /path` separated by commas, for honest 405s."""

    routes: str


@cache
def identity() -> IdentitySettings:
    return IdentitySettings.read()


@cache
def streaming() -> StreamingSettings:
    return StreamingSettings.read()


@cache
def gateway() -> GatewaySettings:
    return GatewaySettings.read()


@cache
def database() -> DatabaseSettings:
    return DatabaseSettings.read()


@cache
def memories() -> MemoriesSettings:
    return MemoriesSettings.read()


@cache
def processing() -> ProcessingSettings:
    return ProcessingSettings.read()


@cache
def uploads() -> UploadSettings:
    return UploadSettings.read()


@cache
def library() -> LibrarySettings:
    return LibrarySettings.read()


@cache
def analysis() -> AnalysisSettings:
    return AnalysisSettings.read()


@cache
def live() -> LiveSettings:
    return LiveSettings.read()


@cache
def analysis_stream() -> AnalysisStreamSettings:
    return AnalysisStreamSettings.read()


@cache
def live_events() -> LiveEventsSettings:
    return LiveEventsSettings.read()


@cache
def live_failed() -> LiveFailedSettings:
    return LiveFailedSettings.read()


@cache
def webhooks() -> WebhookSettings:
    return WebhookSettings.read()


@cache
def idempotency() -> IdempotencySettings:
    return IdempotencySettings.read()


@cache
def worker() -> WorkerSettings:
    return WorkerSettings.read()


@cache
def jobs_failed() -> JobsFailedSettings:
    return JobsFailedSettings.read()


@cache
def health() -> HealthSettings:
    return HealthSettings.read()


@cache
def routes() -> RoutesSettings:
    return RoutesSettings.read()
