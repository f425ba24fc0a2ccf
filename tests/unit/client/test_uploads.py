"""A file arrives whole, once, whatever happens on its way, and goes on where it stopped."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

import audio_client
from audio_client import (
    ConnectionFailedError,
    FileChangedError,
    ProcessingFailedError,
    Retry,
    Uploaded,
    UploadRefusedError,
)
from tests.patience import until
from tests.unit.client.fake_uploads import FakeUploads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.unit.client.fake_uploads import Fault

QUICK = Retry(first_delay=0.001, max_delay=0.01, poll=0.001)
CONTENT = random.Random(1).randbytes(7_654)  # eight parts
PARTS = [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def server() -> Iterator[FakeUploads]:
    with FakeUploads().running() as running:
        yield running


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    file = tmp_path / "Talk.WAV"
    file.write_bytes(CONTENT)
    return file


def upload(server: FakeUploads, file: Path, **options: Any) -> Uploaded:
    return audio_client.upload(file, url=server.url, retry=QUICK, **options)


def stopped(server: FakeUploads, file: Path, *, after: int, **options: Any) -> None:
    """An upload that ends for good when so many parts have arrived."""
    last: list[Fault] = [("POST .*/complete", 409, {})]
    missing: list[Fault] = [(f"PUT .*partNumber={n}&", 404, {}) for n in PARTS[after:]]
    server.faults = missing or last
    with pytest.raises(UploadRefusedError):
        upload(server, file, in_flight=1, **options)
    until(lambda: server.open_connections == 0)  # what was on its way has arrived, too
    assert list(server.upload.parts) == PARTS[:after]
    server.faults.clear()
    server.requests.clear()


def test_a_file_arrives_whole(server: FakeUploads, talk: Path) -> None:
    done = upload(server, talk)

    assert server.upload.content == CONTENT
    assert server.upload.status == "completed"
    assert done == Uploaded(
        upload_id=server.upload.id,
        user_id="dev/user",
        file_id=f"file-{server.upload.id}",
        file_extension="wav",
        file_name="Talk.WAV",
        file_size=len(CONTENT),
        bytes_sent=len(CONTENT),
    )
    assert server.upload.about["content_type"] in ("audio/x-wav", "audio/wav", "audio/vnd.wave")


def test_an_id_may_be_given(server: FakeUploads, talk: Path) -> None:
    assert upload(server, talk, file_id="noon").file_id == "noon"


def test_the_key_goes_to_the_api_and_not_to_the_store(server: FakeUploads, talk: Path) -> None:
    upload(server, talk, api_key="secret")
    keys = {request.headers.get("x-api-key") for request in server.seen("(?!PUT).*")}
    assert keys == {"secret"}
    assert all("x-api-key" not in request.headers for request in server.seen("PUT .*"))


def test_a_token_goes_to_the_api_and_not_to_the_store(server: FakeUploads, talk: Path) -> None:
    upload(server, talk, token="secret")
    [create] = server.seen("POST /recordings/uploads")
    assert create.headers["authorization"] == "Bearer secret"
    assert all("authorization" not in request.headers for request in server.seen("PUT .*"))


def test_a_few_parts_are_in_flight_over_connections_that_are_kept(
    server: FakeUploads, talk: Path
) -> None:
    upload(server, talk, in_flight=3)
    assert server.most_in_flight <= 3
    assert server.connections <= 3


def test_progress_grows_to_the_whole(server: FakeUploads, talk: Path) -> None:
    seen: list[int] = []
    upload(server, talk, on_progress=seen.append)
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


@pytest.mark.parametrize("route", ["parts", "complete"])
@pytest.mark.parametrize("status", [None, 408, 429, 500, 503])
def test_what_passes_is_tried_again(
    server: FakeUploads, talk: Path, route: str, status: int | None
) -> None:
    server.faults = [(f"POST .*/{route}", status, {})] * 2
    upload(server, talk)
    assert server.upload.content == CONTENT
    assert server.upload.status == "completed"


@pytest.mark.parametrize("status", [None, 400, 403, 500, 503])
def test_a_part_that_is_refused_is_sent_again_to_a_new_address(
    server: FakeUploads, talk: Path, status: int | None
) -> None:
    """S3 answers 403 once an address has expired, and 400 to what was damaged on its way."""
    server.faults = [("PUT .*", status, {})] * 3
    seen: list[int] = []
    upload(server, talk, on_progress=seen.append)
    assert server.upload.content == CONTENT
    assert len(server.sent) == len(PARTS) + 3
    assert len(server.seen("POST .*/parts")) == len(PARTS) + 3
    assert seen[-1] == len(CONTENT)


def test_a_connection_that_is_cut_in_the_middle_costs_one_part(
    server: FakeUploads, talk: Path
) -> None:
    server.cuts_parts = 2
    done = upload(server, talk)
    assert server.upload.content == CONTENT
    assert done.bytes_sent == len(CONTENT)


def test_answers_that_are_lost_begin_nothing_twice(server: FakeUploads, talk: Path) -> None:
    server.faults = [("POST /recordings/uploads$", 503, {"retry-after": 0})]
    server.loses_answers_to = ["PUT", "POST .*/complete"]
    upload(server, talk)
    assert server.upload.content == CONTENT
    keys = {r.headers["idempotency-key"] for r in server.seen("POST /recordings/uploads")}
    assert len(keys) == 1


def test_a_conflict_that_passes_is_waited_for(server: FakeUploads, talk: Path) -> None:
    """As with an Idempotency-Key whose first request is being carried out."""
    server.faults = [("POST /recordings/uploads$", 409, {"retry-after": 0})]
    assert upload(server, talk).file_size == len(CONTENT)


def test_a_refusal_is_final(server: FakeUploads, talk: Path) -> None:
    server.faults = [("POST /recordings/uploads$", 409, {})]
    with pytest.raises(UploadRefusedError, match="fault 409") as refused:
        upload(server, talk)
    assert refused.value.status == 409


def test_patience_ends(server: FakeUploads, talk: Path) -> None:
    server.faults = [("PUT .*", 503, {})] * 1000
    with pytest.raises(UploadRefusedError, match="A part was refused: status 503"):
        upload(server, talk, in_flight=1)
    assert server.sent.count(1) == 10


def test_a_server_that_was_never_reached_is_not_waited_for(talk: Path) -> None:
    with FakeUploads().running() as gone:
        pass
    with pytest.raises(ConnectionFailedError, match=f"Cannot reach {gone.url}"):
        upload(gone, talk)


def test_what_is_no_api_is_said(server: FakeUploads, talk: Path) -> None:
    with pytest.raises(UploadRefusedError, match="Not found"):
        audio_client.upload(talk, url=f"{server.url}/elsewhere")
    server.faults = [("POST", 204, {})]
    with pytest.raises(ConnectionFailedError, match="doesn't answer as this API does"):
        upload(server, talk)


def test_an_interrupted_upload_goes_on_with_what_is_missing(
    server: FakeUploads, talk: Path
) -> None:
    stopped(server, talk, after=5)
    assert server.upload.status == "uploading"
    seen: list[int] = []

    done = upload(server, talk, on_progress=seen.append)

    assert sorted(server.sent) == [6, 7, 8]
    assert server.upload.content == CONTENT
    assert done.bytes_sent == len(CONTENT) - 5000
    assert seen[0] == 5000


def test_it_goes_on_where_the_store_tells_no_checksums(server: FakeUploads, talk: Path) -> None:
    stopped(server, talk, after=5)
    server.upload.has_checksums = False
    upload(server, talk)
    assert sorted(server.sent) == [6, 7, 8]


def test_a_part_that_is_not_the_files_is_sent_again(server: FakeUploads, talk: Path) -> None:
    stopped(server, talk, after=5)
    server.upload.parts[2] = bytes(1000)
    seen: list[int] = []

    upload(server, talk, on_progress=seen.append, in_flight=1)

    assert server.sent == [2, 6, 7, 8]
    assert server.upload.content == CONTENT
    assert (seen[0], min(seen), seen[-1]) == (5000, 4000, len(CONTENT))


def test_a_completed_upload_is_forgotten(server: FakeUploads, talk: Path) -> None:
    upload(server, talk)
    upload(server, talk)
    assert len(server.uploads) == 2


def test_what_was_completed_before_it_was_killed_is_not_sent_again(
    server: FakeUploads, talk: Path
) -> None:
    stopped(server, talk, after=8)
    server.upload.status = "completed"
    seen: list[int] = []

    done = upload(server, talk, on_progress=seen.append)

    assert server.sent == []
    assert (done.file_id, done.bytes_sent) == (f"file-{server.upload.id}", 0)
    assert seen == [len(CONTENT)]


def test_a_file_that_has_changed_starts_anew(
    server: FakeUploads, talk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(server, talk, after=5)
    talk.write_bytes(CONTENT[::-1])

    upload(server, talk)

    old, new = server.uploads.values()
    assert (old.status, new.content) == ("aborted", CONTENT[::-1])
    assert "Talk.WAV has changed since its upload began: starting anew" in caplog.text


def test_a_file_that_changes_while_it_is_sent_is_not_completed(
    server: FakeUploads, talk: Path
) -> None:
    def touch(done: int) -> None:
        if done > 3000:
            os.utime(talk, ns=(0, 0))

    with pytest.raises(FileChangedError, match=r"Talk\.WAV changed while it was being uploaded"):
        upload(server, talk, on_progress=touch)
    assert server.upload.status == "uploading"


def test_a_file_that_shrinks_is_not_completed(server: FakeUploads, talk: Path) -> None:
    with pytest.raises(FileChangedError):
        upload(server, talk, on_progress=lambda _: os.truncate(talk, 100))
    assert server.upload.status == "uploading"


@pytest.mark.parametrize("change", ["expired", "aborted", "another id"])
def test_an_upload_that_cannot_go_on_starts_anew(
    server: FakeUploads, talk: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(server, talk, after=5)
    if change == "expired":
        del server.uploads["upload1"]
    elif change == "aborted":
        server.upload.status = "aborted"
    done = upload(server, talk, file_id="noon" if change == "another id" else None)
    assert server.uploads[done.upload_id].content == CONTENT
    assert done.bytes_sent == len(CONTENT)
    assert "starting anew" in caplog.text


def test_an_upload_that_ends_on_the_way_is_said(server: FakeUploads, talk: Path) -> None:
    def abort(_: int) -> None:
        server.upload.status = "aborted"

    with pytest.raises(UploadRefusedError, match="The upload is there no more"):
        upload(server, talk, on_progress=abort)


def test_another_server_gets_an_upload_of_its_own(server: FakeUploads, talk: Path) -> None:
    stopped(server, talk, after=5)
    with FakeUploads().running() as other:
        upload(other, talk)
        assert other.upload.content == CONTENT
    assert upload(server, talk).bytes_sent == len(CONTENT) - 5000


def test_without_a_place_to_remember_it_uploads_all_the_same(
    server: FakeUploads, talk: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(talk))
    upload(server, talk)
    assert server.upload.content == CONTENT
    assert "If this is interrupted, it can't go on later" in caplog.text


def test_what_is_remembered_holds_no_key(server: FakeUploads, talk: Path, tmp_path: Path) -> None:
    stopped(server, talk, after=5, api_key="secret")
    [kept] = (tmp_path / "state").rglob("*.json")
    assert "secret" not in kept.read_text()
    assert kept.parent.stat().st_mode & 0o077 == 0
    kept.write_text("{")
    assert upload(server, talk).bytes_sent == len(CONTENT)


def test_a_recording_is_processed(server: FakeUploads, talk: Path) -> None:
    result = {"text": "hello"}
    server.task = [
        {"status": "PENDING"},
        {"status": "STARTED"},
        {"status": "SUCCESS", "result": result},
    ]
    seen: list[str] = []

    done = upload(server, talk, process=True, on_status=lambda task: seen.append(task["status"]))

    assert seen == ["PENDING", "STARTED", "SUCCESS"]
    assert done.task is not None
    assert (done.task["task_id"], done.task["result"]) == ("task1", result)
    [request] = server.seen("POST /process_audio_v2.*")
    assert request.path == (
        f"/process_audio_v2/dev%2Fuser?file_id={done.file_id}&file_extension=wav"
    )


def test_waiting_for_a_task_goes_on_too(server: FakeUploads, talk: Path) -> None:
    server.task = [{"status": "STARTED"}]

    def press(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(server, talk, process=True, on_status=press)
    server.requests.clear()
    server.task = [{"status": "SUCCESS", "result": {}}]

    done = upload(server, talk, process=True)

    assert done.task is not None
    assert done.task["task_id"] == "task1"
    assert server.sent == []


def test_processing_that_fails_says_why(server: FakeUploads, talk: Path) -> None:
    server.task = [{"status": "FAILURE", "error": "This is no audio"}]
    with pytest.raises(ProcessingFailedError, match="This is no audio"):
        upload(server, talk, process=True)


def test_what_cannot_be_uploaded_is_said(server: FakeUploads, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="the file is empty"):
        upload(server, empty)
    for irregular in (pipe, tmp_path):
        with pytest.raises(ValueError, match="not a regular file"):
            upload(server, irregular)
    with pytest.raises(FileNotFoundError):
        upload(server, tmp_path / "missing.wav")
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8000", "starts with http"),
        ("ftp://host", "starts with http"),
        ("wss://id.execute-api.us-east-1.amazonaws.com/live", "WebSocket API's own"),
    ],
)
def test_what_is_no_address_is_said(talk: Path, url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        audio_client.upload(talk, url=url)


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/"])
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_an_address_of_the_stack_is_understood(
    server: FakeUploads, talk: Path, scheme: str, suffix: str
) -> None:
    if scheme == "ws" and "api" not in suffix:
        return
    url = server.url.replace("http", scheme, 1) + suffix
    assert audio_client.upload(talk, url=url).file_size == len(CONTENT)
