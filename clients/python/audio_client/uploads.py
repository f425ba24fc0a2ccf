"""Uploads a recording of any size in parts, several at once, and goes on where it stopped."""

from __future__ import annotations

import base64
import hashlib
import logging
import mimetypes
import os
import re
import stat
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from audio_client.api import Api, Credentials, PassingError
from audio_client.errors import FileChangedError, ProcessingFailedError, UploadRefusedError
from audio_client.processing import processed
from audio_client.settings import Retry
from audio_client.upload_state import Begun, Journal, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from audio_client.api import Json
    from audio_client.web import Response

_ROUTE = "/recordings/uploads"
_PIECE = 64 * 1024
_NOT_FOUND = 404

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Uploaded:
    """A recording that is there. `bytes_sent` are this call's, without those of earlier ones;
    `task` is what `GET /get_audio_task/{task_id}` told last, if it was to be processed.
    """

    upload_id: str
    user_id: str
    file_id: str
    file_extension: str
    file_name: str
    file_size: int
    bytes_sent: int
    task: Mapping[str, Any] | None = None


def upload(  # noqa: PLR0913 - each has a default that suits most
    file: str | os.PathLike[str],
    *,
    url: str = "http://localhost:8000",
    api_key: str | None = None,
    token: str | None = None,
    file_id: str | None = None,
    process: bool = False,
    in_flight: int = 4,
    retry: Retry | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_status: Callable[[Json], None] | None = None,
) -> Uploaded:
    """Returns when the recording is there and, with `process`, has been processed.

    Parts of 8 MiB are read, hashed and sent, `in_flight` at a time. Called again after whatever
    ended it, for the same unchanged file and server, it sends only what is missing. `on_progress`
    gets the bytes that have arrived or are on their way, `on_status` each state of the task; both
    may be called in other threads, one call at a time.

    Raises OSError or ValueError for a file that can't be uploaded, else an AudioClientError.
    """
    path = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would take a link's name away
    _check_kind(path)
    with path.open("rb") as opened, Api(url, Credentials(api_key, token), retry or Retry()) as api:
        source = _Source(path.name, opened, Version.of(os.fstat(opened.fileno())))
        journal = Journal(api.url, path)
        told = _begun(api, source, journal, file_id)
        transfer = _Transfer(api, source, told, on_progress or (lambda _: None))
        done = transfer.completed(in_flight)
        try:
            task = processed(api, done, on_status or (lambda _: None)) if process else None
        except ProcessingFailedError:
            journal.forget()
            raise
        journal.forget()
        return _uploaded(done, transfer.bytes_sent, task)


@dataclass(frozen=True)
class _Source:
    """The file as it was when its upload began."""

    name: str
    file: BinaryIO
    version: Version

    def part(self, start: int, size: int) -> bytes:
        data = os.pread(self.file.fileno(), size, start)
        if len(data) != size:
            raise self.changed
        return data

    def check(self) -> None:
        if Version.of(os.fstat(self.file.fileno())) != self.version:
            raise self.changed

    @property
    def changed(self) -> FileChangedError:
        return FileChangedError(f"{self.name} changed while it was being uploaded")


class _Transfer:
    """The sending of the parts that are missing."""

    def __init__(
        self, api: Api, source: _Source, told: Json, on_progress: Callable[[int], None]
    ) -> None:
        self._api = api
        self._source = source
        self._route = f"{_ROUTE}/{told['upload_id']}"
        self._status: str = told["status"]
        self._part_size: int = told["part_size"]
        self._part_count: int = told["part_count"]
        self._received = {part["part_number"]: part for part in told.get("received_parts", ())}
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._done = 0
        self.bytes_sent = 0

    def completed(self, in_flight: int) -> Json:
        """What the server tells once it has put the parts together; the same if it has before."""
        if self._status == "uploading":
            self._count(sum(part["size"] for part in self._received.values()))
            self._send_parts(in_flight)
            self._source.check()
        else:
            self._count(self._source.version.size)
        return self._api.ask("POST", f"{self._route}/complete")

    def _send_parts(self, in_flight: int) -> None:
        with ThreadPoolExecutor(in_flight) as pool:
            try:
                numbers = range(1, self._part_count + 1)
                for sent in as_completed([pool.submit(self._send, number) for number in numbers]):
                    sent.result()
            except BaseException:
                self._api.stop()
                pool.shutdown(cancel_futures=True)
                raise

    def _send(self, number: int) -> None:
        """Sends a part, unless the server has the very same."""
        start = (number - 1) * self._part_size
        data = self._source.part(start, min(self._part_size, self._source.version.size - start))
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        if received := self._received.get(number):
            if (received["size"], received["checksum_sha256"] or checksum) == (len(data), checksum):
                return
            self._count(-received["size"])
        self._api.persist(lambda: self._put(number, data, checksum))

    def _put(self, number: int, data: bytes, checksum: str) -> None:
        """With an address signed just for this try, so that none expires while it waits."""
        wanted = {"parts": [{"part_number": number, "checksum_sha256": checksum}]}
        [signed] = self._api.ask_once("POST", f"{self._route}/parts", wanted)["parts"]
        with self._counting() as count:
            address, headers = signed["url"], signed["headers"]
            _check(self._api.send("PUT", address, headers, _pieces(data, count)))
        with self._lock:
            self.bytes_sent += len(data)

    @contextmanager
    def _counting(self) -> Iterator[Callable[[int], None]]:
        """Counts what a try sends, and takes it back if the try fails."""
        counted = 0

        def count(size: int) -> None:
            nonlocal counted
            counted += size
            self._count(size)

        try:
            yield count
        except BaseException:
            self._count(-counted)
            raise

    def _count(self, size: int) -> None:
        with self._lock:
            self._done += size
            self._on_progress(self._done)


def _begun(api: Api, source: _Source, journal: Journal, file_id: str | None) -> Json:
    """The upload that was begun before, if there is one of this very file, or a new one."""
    if told := _resumed(api, source, journal, file_id):
        return told
    wanted = {
        "file_name": source.name,
        "file_size": source.version.size,
        "content_type": mimetypes.guess_type(source.name)[0],
        "file_id": file_id,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    told = api.ask("POST", _ROUTE, given, Idempotency_Key=str(uuid.uuid4()))
    journal.write(Begun(told["upload_id"], source.version))
    return told


def _resumed(api: Api, source: _Source, journal: Journal, file_id: str | None) -> Json | None:
    begun = journal.read()
    if begun is None:
        return None
    if begun.version != source.version:
        log.warning("%s has changed since its upload began: starting anew", source.name)
        _abandon(api, begun)
        return None
    try:
        told = api.ask("GET", f"{_ROUTE}/{begun.upload_id}")
    except UploadRefusedError as error:
        if error.status != _NOT_FOUND:
            raise
        log.warning("The upload that was begun before has expired: starting anew")
        return None
    if told["status"] == "aborted" or file_id not in (None, told["file_id"]):
        log.warning("The upload that was begun before was another: starting anew")
        return None
    return told


def _abandon(api: Api, begun: Begun) -> None:
    try:
        api.ask("DELETE", f"{_ROUTE}/{begun.upload_id}")
    except UploadRefusedError as refusal:  # it has expired, or is completed
        log.debug("abandoned: %s", refusal)


def _check_kind(path: Path) -> None:
    """Before it is opened, as a pipe that nobody writes to never is."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path}: not a regular file, which could be read again")
    if status.st_size == 0:
        raise ValueError(f"{path}: the file is empty")


def _pieces(data: bytes, count: Callable[[int], None]) -> Iterator[memoryview]:
    for at in range(0, len(data), _PIECE):
        yield (piece := memoryview(data)[at : at + _PIECE])
        count(len(piece))


def _check(response: Response) -> None:
    """S3 says why in XML. But for an upload that has ended, a second try may help: the address has
    expired, the part was damaged on its way, there are too many requests.
    """
    if response.status == _NOT_FOUND:
        raise UploadRefusedError(response.status, "The upload is there no more")
    if not response.ok:
        code = re.search(rb"<Code>(\w+)</Code>", response.body)
        reason = code[1].decode() if code else f"status {response.status}"
        refusal = UploadRefusedError(response.status, f"A part was refused: {reason}")
        raise PassingError(refusal)


def _uploaded(told: Json, bytes_sent: int, task: Json | None) -> Uploaded:
    names = ("upload_id", "user_id", "file_id", "file_extension", "file_name", "file_size")
    return Uploaded(**{name: told[name] for name in names}, bytes_sent=bytes_sent, task=task)
