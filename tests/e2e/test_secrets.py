"""What opens a door is in no log line, even where functions tell all they can."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import websockets

from tests.audio import wav_bytes
from tests.e2e.wire import CLOSE, WITHOUT_LIMITS, chunk, connected
from tests.patience import until
from tests.receiver import Receiver, receiving, status

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

WRONG_KEY = "key-that-was-mistyped-5c1d"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"
IN_THE_ADDRESS = "token-of-the-receiver-77ab"


async def streams(stack: Stack) -> str:
    """The presigned address of a session's file; each credential was in the query, too."""
    async with connected(stack, format="wav", api_key=stack.api_key) as wire:
        await wire.ask(chunk(wav_bytes(rate=16000, channels=1, seconds=0.5)))
        await wire.send(CLOSE)
    for credential in (f"api_key={WRONG_KEY}", f"token={TOKEN}"):
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{stack.ws_url}/api/ws/audio?{credential}", **WITHOUT_LIMITS)
    return str(stack.finished(wire.session_id)["download_url"])


def knocks(stack: Stack) -> None:
    """With every credential, at every door that takes one."""
    assert stack.get(f"/memories?api_key={stack.api_key}", key=False).status == 200
    for path in ("/memories", "/webhooks", "/audio-management/audios"):
        assert stack.get(path).status == 200
        assert stack.get(path, key=False, headers={"x-api-key": WRONG_KEY}).status == 401
        assert (
            stack.get(path, key=False, headers={"authorization": f"Bearer {TOKEN}"}).status == 401
        )
        assert stack.get(f"{path}?token={TOKEN}", key=False).status == 401


def registers(stack: Stack, receiver: Receiver) -> str:
    """The secret of a webhook, whose address holds another one, of its owner's."""
    url = f"{receiver.url}?token={IN_THE_ADDRESS}"
    made = stack.request("POST", "/webhooks", {"url": url, "events": ["session.completed"]})
    assert made.status == 201
    return str(made.body["secret"])


def uploads(stack: Stack) -> str:
    """The presigned address of an upload's only part."""
    wanted = {"file_name": "talk.wav", "file_size": 4, "file_id": "secret"}
    upload = stack.request("POST", "/recordings/uploads", wanted).body["upload_id"]
    parts = [{"part_number": 1, "checksum_sha256": "La6x82CVtEsxhBCz9Oi12Yncx7sCPRQmxJLasKMFPnQ="}]
    path = f"/recordings/uploads/{upload}/parts"
    [part] = stack.request("POST", path, {"parts": parts}).body["parts"]
    return str(part["url"])


def logs(stack: Stack) -> dict[str, str]:
    found = (stack.state / "logs").glob("*Function.log")
    return {path.stem: path.read_text() for path in found}


def signature(address: str) -> str:
    [value] = parse_qs(urlsplit(address).query)["X-Amz-Signature"]
    return value


async def test_nothing_that_opens_a_door_is_in_a_log(tuned: Stack) -> None:
    knocks(tuned)
    with receiving(status(500)) as receiver:
        secret = registers(tuned, receiver)
        addresses = [await streams(tuned), uploads(tuned)]
        until(lambda: "not delivered" in logs(tuned).get("WebhookDeliverFunction", ""))

    written = logs(tuned)
    assert len(written) > 8
    doors = [WRONG_KEY, TOKEN, IN_THE_ADDRESS, secret, tuned.database_url]
    for function, text in written.items():
        for door in (*doors, *map(signature, addresses)):
            assert door not in text, function
        forms = rf"\b{tuned.api_key}\b|X-Amz-Signature|whsec_|postgresql://"
        assert not re.search(forms, text), function
