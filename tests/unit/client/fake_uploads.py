"""An upload API, and the store that its parts go to, that behave as badly as real ones may.

The store is as strict as S3 about what a presigned address takes; what goes wrong besides is set
on the server by each test.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
Fault = tuple[str, "int | None", Json]
SIGNED = {"host", "content-length", "x-amz-checksum-sha256"}
OURS = {"accept-encoding"}  # http.client's, neither signed nor of any meaning to S3


@dataclass
class Upload:
    """What the server keeps of an upload."""

    id: str
    about: Json
    part_size: int
    status: str = "uploading"
    parts: dict[int, bytes] = field(default_factory=dict)
    has_checksums: bool = True

    def told(self) -> Json:
        size = self.about["file_size"]
        name = self.about["file_name"]
        return {
            "upload_id": self.id,
            "user_id": "dev/user",
            "file_id": self.about.get("file_id", f"file-{self.id}"),
            "file_extension": name.rpartition(".")[2].lower(),
            "file_name": name,
            "file_size": size,
            "part_size": self.part_size,
            "part_count": -(-size // self.part_size),
            "expires_at": "2026-11-22T09:00:00Z",
            "status": self.status,
        }

    def received(self) -> list[Json]:
        return [
            {
                "part_number": number,
                "size": len(data),
                "checksum_sha256": digest(data) if self.has_checksums else None,
            }
            for number, data in sorted(self.parts.items())
        ]

    @property
    def content(self) -> bytes:
        return b"".join(self.parts[number] for number in sorted(self.parts))


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass
class FakeUploads:
    # What goes wrong.
    faults: list[Fault] = field(default_factory=list)
    """The next requests whose `METHOD /path` matches the expression are answered with the status
    and the headers, without being carried out; or dropped, if there is no status."""
    loses_answers_to: list[str] = field(default_factory=list)
    """The next requests that match are carried out, and then dropped."""
    cuts_parts: int = 0  # so many parts are dropped in the middle
    part_size: int = 1000
    task: list[Json] = field(default_factory=list)  # what is told of it, one after the other
    admits: int = 10**9  # so many parts; the others wait until the end

    # What was seen.
    uploads: dict[str, Upload] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    most_in_flight: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.end = threading.Event()
        self.in_flight = 0
        self.open_connections = 0
        self.processing: dict[str, str] = {}
        self.created: dict[str, str] = {}

    @property
    def upload(self) -> Upload:
        (upload,) = self.uploads.values()
        return upload

    def seen(self, pattern: str) -> list[Request]:
        return [r for r in list(self.requests) if re.fullmatch(pattern, f"{r.method} {r.path}")]

    @property
    def sent(self) -> list[int]:
        """Numbers of the parts that were sent, in the order of coming."""
        return [int(parse_qs(urlsplit(r.path).query)["partNumber"][0]) for r in self.seen("PUT .*")]

    @contextlib.contextmanager
    def running(self) -> Iterator[FakeUploads]:
        fake = self

        class Handler(_Handler):
            server_state = fake

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        with serving(server):
            try:
                yield self
            finally:
                self.end.set()

    # ---- the API

    def carry_out(self, request: Request) -> tuple[int, Json]:
        line = f"{request.method} {urlsplit(request.path).path}"
        for pattern, answer in self._routes().items():
            if match := re.fullmatch(pattern, line):
                return answer(request, *match.groups())
        return 404, {"detail": "Not found"}

    def _routes(self) -> dict[str, Callable[..., tuple[int, Json]]]:
        one = "/recordings/uploads/([^/]+)"
        return {
            "POST /recordings/uploads": self._create,
            f"GET {one}": self._get,
            f"DELETE {one}": self._abort,
            f"POST {one}/parts": self._sign,
            f"POST {one}/complete": self._complete,
            "PUT /store/(.+)": self._put,
            "POST /process_audio_v2/[^/]+": self._process,
            "GET /get_audio_task/([^/]+)": self._task,
        }

    def _create(self, request: Request) -> tuple[int, Json]:
        key = request.headers["idempotency-key"]
        with self.lock:
            upload_id = self.created.setdefault(key, f"upload{len(self.created) + 1}")
            about = json.loads(request.body)
            self.uploads.setdefault(upload_id, Upload(upload_id, about, self.part_size))
        return 201, self.uploads[upload_id].told()

    def _get(self, _: Request, upload_id: str) -> tuple[int, Json]:
        if upload_id not in self.uploads:
            return 404, {"detail": "Upload not found"}
        upload = self.uploads[upload_id]
        return 200, {**upload.told(), "received_parts": upload.received()}

    def _abort(self, _: Request, upload_id: str) -> tuple[int, Json]:
        upload = self.uploads[upload_id]
        if upload.status == "completed":
            return 409, {"detail": "The upload is completed"}
        upload.status = "aborted"
        return 200, upload.told()

    def _sign(self, request: Request, upload_id: str) -> tuple[int, Json]:
        upload = self.uploads[upload_id]
        signed = []
        for part in json.loads(request.body)["parts"]:
            number = part["part_number"]
            last = upload.about["file_size"] - (number - 1) * upload.part_size
            headers = {
                "content-length": str(min(upload.part_size, last)),
                "x-amz-checksum-sha256": part["checksum_sha256"],
            }
            proof = base64.urlsafe_b64encode(json.dumps(headers).encode()).decode()
            url = f"{self.url}/store/{upload_id}?partNumber={number}&signature={proof}"
            signed.append({"part_number": number, "url": url, "headers": headers})
        return 200, {"parts": signed}

    def _complete(self, _: Request, upload_id: str) -> tuple[int, Json]:
        upload = self.uploads[upload_id]
        upload.status = "completed"
        return 200, upload.told()

    def _put(self, request: Request, upload_id: str) -> tuple[int, Json]:
        query = parse_qs(urlsplit(request.path).query)
        signed = json.loads(base64.urlsafe_b64decode(query["signature"][0]))
        got = {name: request.headers[name] for name in signed}
        if set(request.headers) - OURS != SIGNED:
            return 400, {"detail": f"unsigned headers: {set(request.headers) - SIGNED}"}
        if got != signed or digest(request.body) != got["x-amz-checksum-sha256"]:
            return 400, {"detail": "damaged"}
        if self.uploads[upload_id].status == "aborted":
            return 404, {}
        self.uploads[upload_id].parts[int(query["partNumber"][0])] = request.body
        return 200, {}

    def _process(self, request: Request) -> tuple[int, Json]:
        key = request.headers["idempotency-key"]
        self.processing.setdefault(key, f"task{len(self.processing) + 1}")
        return 200, {"message": "started", "task_id": self.processing[key]}

    def _task(self, _: Request, task_id: str) -> tuple[int, Json]:
        told = self.task.pop(0) if len(self.task) > 1 else self.task[0]
        return 200, {"task_id": task_id, "file_id": self.upload.told()["file_id"], **told}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # one packet an answer: two wait for each other's acknowledgement
    server_state: FakeUploads

    def setup(self) -> None:
        super().setup()
        with self.server_state.lock:
            self.server_state.connections += 1
            self.server_state.open_connections += 1

    def finish(self) -> None:
        super().finish()
        with self.server_state.lock:
            self.server_state.open_connections -= 1

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None: ...

    def do_PUT(self) -> None:
        fake = self.server_state
        with fake.lock:
            fake.in_flight += 1
            fake.most_in_flight = max(fake.most_in_flight, fake.in_flight)
            cut, fake.cuts_parts = fake.cuts_parts > 0, max(0, fake.cuts_parts - 1)
            admitted, fake.admits = fake.admits > 0, fake.admits - 1
        try:
            if cut:
                self.rfile.read(int(self.headers["content-length"]) // 2)
                self._drop()
            elif admitted:
                self._answer()
            else:
                fake.end.wait()
                self._drop()
        finally:
            with fake.lock:
                fake.in_flight -= 1

    def _answer(self) -> None:
        fake = self.server_state
        length = int(self.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        with fake.lock:
            fault = self._fault()
            fake.requests.append(request)
        if fault is not None:
            status, extra = fault
            if status is None:
                self._drop()
            else:
                self._send(status, {"detail": f"fault {status}"}, extra)
            return
        status, body = fake.carry_out(request)
        with fake.lock:
            lost = self._matching(fake.loses_answers_to)
        if lost is None:
            self._send(status, body, {})
        else:
            fake.loses_answers_to.remove(lost)
            self._drop()

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

    def _fault(self) -> tuple[int | None, Json] | None:
        fake = self.server_state
        pattern = self._matching([pattern for pattern, _, _ in fake.faults])
        if pattern is None:
            return None
        fault = next(fault for fault in fake.faults if fault[0] == pattern)
        fake.faults.remove(fault)
        return fault[1:]

    def _matching(self, patterns: list[str]) -> str | None:
        line = f"{self.command} {self.path}"
        return next((pattern for pattern in patterns if re.match(pattern, line)), None)

    def _send(self, status: int, body: Json, headers: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": len(data)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def _drop(self) -> None:
        self.close_connection = True


def digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
