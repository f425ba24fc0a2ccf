from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audio_client.endpoint import Endpoint
from audio_client.streamer import AudioStreamer

if TYPE_CHECKING:
    from tests.unit.client.fake_server import FakeServer

NATIVE = "wss://a1.execute-api.eu-west-1.amazonaws.com/prod"


def endpoint(base_url: str, http_url: str | None = None) -> Endpoint:
    return Endpoint.of(base_url, http_url, api_key=None, token=None)


@pytest.mark.parametrize(
    ("base_url", "session_id", "expected"),
    [
        ("ws://host/api", None, "ws://host/api/ws/audio?user_id=u"),
        ("ws://host/api/", "s", "ws://host/api/ws/audio/s?user_id=u"),
        ("wss://host/audio/api", "s", "wss://host/audio/api/ws/audio/s?user_id=u"),
        (NATIVE, None, f"{NATIVE}?user_id=u"),
        (NATIVE, "s", f"{NATIVE}?session_id=s&user_id=u"),
    ],
)
def test_sessions_have_the_form_of_address_that_the_stack_takes(
    base_url: str, session_id: str | None, expected: str
) -> None:
    assert endpoint(base_url).session_url(session_id, user_id="u") == expected


def test_what_is_not_given_is_not_sent() -> None:
    assert endpoint("ws://host/api").session_url(None, user_id=None) == "ws://host/api/ws/audio"


def test_the_http_api_is_beside_the_published_address() -> None:
    assert endpoint("wss://host/api").http_url == "https://host/api"
    assert endpoint("ws://host/api").http_url == "http://host/api"
    assert endpoint(NATIVE).http_url is None
    assert endpoint(NATIVE, "https://host/api/").http_url == "https://host/api"


@pytest.mark.parametrize("url", ["localhost:8000/api", "http://host/api", "ws:///api", ""])
def test_an_address_of_another_kind_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="ws or wss"):
        endpoint(url)


def test_a_file_is_no_http_api() -> None:
    with pytest.raises(ValueError, match="http or https"):
        endpoint(NATIVE, "file:///etc")


def test_the_key_is_in_no_representation() -> None:
    keyed = Endpoint.of("ws://host/api", None, api_key="secret", token="secret")
    assert "secret" not in repr(keyed)


async def test_the_key_and_the_token_travel_in_headers(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url, api_key="dev-key", token="a.b.c")
    await streamer.create_session()
    await streamer.close_session()

    headers = server.handshakes[0].headers
    assert headers["x-api-key"] == "dev-key"
    assert headers["Authorization"] == "Bearer a.b.c"
    assert "dev-key" not in server.handshakes[0].path


async def test_a_native_address_resumes_by_query(server: FakeServer) -> None:
    session = server.open_session(b"one")
    async with AudioStreamer(server.url.replace("/api", "/dev")) as streamer:
        await streamer.connect_to_session(session.id)
        await streamer.send(b"two")

    assert server.handshakes[0].path == f"/dev?session_id={session.id}"
    assert session.audio == b"onetwo"
