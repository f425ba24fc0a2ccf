"""The uploader through the running stack: a command that is killed goes on, and what arrives is
the file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from audio_client.web import Web
from tests.audio import write_wav
from tests.patience import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack

MB = 1024 * 1024

# The command line, on a line that doesn't let the third part through.
HELD = """
import sys, threading
from audio_client import cli, web

send = web.Web.send

def held(self, method, url, headers, body=None):
    if "partNumber=3&" in url:
        threading.Event().wait()
    return send(self, method, url, headers, body)

web.Web.send = held
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def arguments(stack: Stack, file: Path, *options: str) -> list[str]:
    return ["upload", str(file), "--json", *options, "--url", stack.url, "--api-key", stack.api_key]


def uploaded(stack: Stack, file: Path, *options: str) -> Any:
    command = [sys.executable, "-m", "audio_client", *arguments(stack, file, *options)]
    done = subprocess.run(command, capture_output=True, check=True)
    return json.loads(done.stdout)


def stored(stack: Stack, told: Any) -> bytes:
    """The object that processing would read."""
    s3 = stack.clients.s3
    listed = s3.list_objects_v2(Bucket=stack.bucket, Prefix="recordings/")["Contents"]
    name = f"/{told['user_id']}/{told['file_id']}.{told['file_extension']}"
    [key] = [entry["Key"] for entry in listed if entry["Key"].endswith(name)]
    return s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()


def begun(state: Path) -> str | None:
    """The id of the upload that a command remembers."""
    for kept in state.rglob("*.json"):
        return str(json.loads(kept.read_text())["upload_id"])
    return None


def test_a_command_that_is_killed_in_the_middle_goes_on(stack: Stack, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(20 * MB)
    file = tmp_path / "talk.wav"
    file.write_bytes(content)
    held = subprocess.Popen([sys.executable, "-c", HELD, *arguments(stack, file)])

    def ended() -> str | bool:
        return held.poll() is not None and "the command has ended"

    upload_id = until(lambda: begun(tmp_path), failed=ended)
    path = f"/recordings/uploads/{upload_id}"

    def received() -> list[int]:
        return [p["part_number"] for p in stack.request("GET", path).body["received_parts"]]

    until(lambda: received() == [1, 2], failed=ended)
    held.kill()
    held.wait()

    told = uploaded(stack, file)

    assert told["upload_id"] == upload_id
    assert told["bytes_sent"] == 4 * MB
    assert hashlib.sha256(stored(stack, told)).digest() == hashlib.sha256(content).digest()
    assert stack.request("POST", f"{path}/complete").status == 200
    assert stack.request("DELETE", path).status == 409


def test_an_upload_is_processed(stack: Stack, tmp_path: Path) -> None:
    talk = write_wav(tmp_path / "talk.wav", rate=16000, channels=1, seconds=1.0)
    told = uploaded(stack, talk, "--process", "--file-id", "noon")
    assert told["task"]["status"] == "SUCCESS"
    assert told["task"]["file_id"] == "noon"
    assert told["task"]["result"]["duration_seconds"] == pytest.approx(1.0)


def test_a_file_id_that_is_taken_is_refused(stack: Stack, tmp_path: Path) -> None:
    talk = write_wav(tmp_path / "talk.wav", rate=16000, channels=1, seconds=0.1)
    uploaded(stack, talk, "--file-id", "taken")
    again = subprocess.run(
        [sys.executable, "-m", "audio_client", *arguments(stack, talk, "--file-id", "taken")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "There is a file of this name already" in json.loads(again.stdout)["error"]


def test_an_upload_that_is_aborted_leaves_nothing(stack: Stack) -> None:
    wanted = {"file_name": "talk.wav", "file_size": 4, "file_id": "aborted"}
    begun = stack.request("POST", "/recordings/uploads", wanted)
    assert begun.status == 201
    path = f"/recordings/uploads/{begun.body['upload_id']}"
    checksum = base64.b64encode(hashlib.sha256(b"RIFF").digest()).decode()
    part = {"part_number": 1, "checksum_sha256": checksum}
    [signed] = stack.request("POST", f"{path}/parts", {"parts": [part]}).body["parts"]
    store = Web()
    assert store.send("PUT", signed["url"], signed["headers"], b"RIFF").ok
    store.close()
    [received] = stack.request("GET", path).body["received_parts"]
    assert (received["part_number"], received["size"]) == (1, 4)

    assert [stack.request("DELETE", path).status for _ in range(2)] == [200, 200]

    assert stack.request("GET", path).body["received_parts"] == []
    assert stack.request("POST", f"{path}/complete").status == 409
    assert stack.request("GET", path, key=False).status == 401
