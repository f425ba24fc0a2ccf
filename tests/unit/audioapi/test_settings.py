"""A function that lacks a setting says so at start, by name."""

from __future__ import annotations

import pytest

from audioapi.settings import IdentitySettings, SettingsError, StreamingSettings

NEEDED = {
    "AUDIO_BUCKET": "audio",
    "STREAMS_TABLE": "streams",
    "JOBS_QUEUE_URL": "https://sqs/jobs",
    "NOTIFICATIONS_QUEUE_URL": "https://sqs/notices",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_what_is_not_set_has_seed_defaults(environment: pytest.MonkeyPatch) -> None:
    config = StreamingSettings.read()
    assert (config.default_sample_rate, config.default_channels) == (44100, 1)
    assert (config.max_session_duration_hours, config.max_chunk_size_mb) == (24, 10)
    assert config.connection_timeout_seconds == 300


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=name):
        StreamingSettings.read()


def test_a_malformed_variable_is_named_without_its_value(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MAX_CHUNK_SIZE_MB", "s3cret")
    with pytest.raises(SettingsError, match="MAX_CHUNK_SIZE_MB") as error:
        StreamingSettings.read()
    assert "s3cret" not in str(error.value)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS_TABLE", "keys")
    monkeypatch.setenv("JWKS_URL", "")
    assert IdentitySettings.read().jwks_url is None
