"""Thirty requests, and what AWS's documentation says of the event that each becomes."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.forms import CONTENT_TYPE, multipart

if TYPE_CHECKING:
    from collections.abc import Mapping

Headers = tuple[tuple[str, str], ...]

KEY = ("X-Api-Key", "dev-key")
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", CONTENT_TYPE)
USER_AGENT = ("User-Agent", "thirty-requests")
SECONDS = 120
"""For one answer: a container is made for it first."""


@dataclass(frozen=True)
class Case:
    """A request, `POST /path?query`, and by AWS's rules: its route's key, the decoded path (by
    default the target's own) and its variables, the joined query, whether its body is text.
    """

    name: str
    request: str
    route: str
    headers: Headers = (KEY,)
    body: bytes = b""
    path: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    joined: Mapping[str, str] = field(default_factory=dict)
    is_text: bool = True

    @property
    def method(self) -> str:
        return self.request.partition(" ")[0]

    @property
    def target(self) -> str:
        return self.request.partition(" ")[2]

    @property
    def raw_path(self) -> str:
        return self.path or self.target.partition("?")[0]

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def event_body(self) -> str:
        return self.body.decode() if self.is_text else base64.b64encode(self.body).decode()

    @property
    def event_headers(self) -> dict[str, str]:
        """Those that the client sends, but for `host`."""
        sent = {name.lower(): value for name, value in (USER_AGENT, *self.headers)}
        sent.pop("cookie", None)
        return sent | dict(self.joined) | {"content-length": str(len(self.body))}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def send(case: Case, url: str) -> Answer:
    """Sends a request as it is written, which no tidier client does."""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)) as connection:
        connection.putrequest(case.method, case.target, skip_accept_encoding=True)
        for name, value in (USER_AGENT, *case.headers):
            connection.putheader(name, value)
        if case.body:
            connection.putheader("Content-Length", str(len(case.body)))
        connection.endheaders(case.body)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


SESSION = "/api/audio/sessions"
LIBRARY = "/audio-management"
ID = "0b9c2d4e-5f60-4a7b-8c9d-0e1f2a3b4c5d"
SILENCE = b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(range(256))
TIMELINE = [
    {"utterance_id": str(n), "speaker": "A", "t_start": n, "t_end": n + 1, "text": "word " * 1000}
    for n in range(100)
]

CASES = (
    Case("public", "GET /health", "GET /health", headers=()),
    Case("document", "GET /openapi.json", "GET /openapi.json", headers=()),
    Case("page", "GET /docs", "GET /docs", headers=()),
    Case("with a key", f"GET {SESSION}", f"GET {SESSION}"),
    Case(
        "duplicates in the query",
        f"GET {SESSION}?limit=2&limit=3",
        f"GET {SESSION}",
        query={"limit": "2,3"},
    ),
    Case(
        "path variable",
        f"GET {SESSION}/nobody",
        f"GET {SESSION}/{{session_id}}",
        parameters={"session_id": "nobody"},
    ),
    Case(
        "encoded letters in the path",
        f"GET {SESSION}/%C3%BCber",
        f"GET {SESSION}/{{session_id}}",
        path=f"{SESSION}/über",
        parameters={"session_id": "über"},
    ),
    Case(
        "POST without a body",
        f"POST {SESSION}/nobody/close",
        f"POST {SESSION}/{{session_id}}/close",
        parameters={"session_id": "nobody"},
    ),
    Case("missing key", "GET /memories?limit=5", "GET /memories", headers=(), query={"limit": "5"}),
    Case(
        "empty value in the query",
        "GET /memories?limit=5&cursor=",
        "GET /memories",
        query={"limit": "5", "cursor": ""},
    ),
    Case(
        "JSON",
        "POST /memories/audio",
        "POST /memories/audio",
        headers=(KEY, JSON),
        body=_json({"memory_id": "nobody's"}),
    ),
    Case(
        "malformed JSON",
        "POST /memories/audio",
        "POST /memories/audio",
        headers=(KEY, JSON),
        body=b'{"memory_id": ',
    ),
    Case(
        "encoded space in the path",
        "DELETE /memories/no%20such+one",
        "DELETE /memories/{memory_id}",
        path="/memories/no such+one",
        parameters={"memory_id": "no such+one"},
    ),
    Case(
        "encoded path and query",
        "POST /process_audio_v2/a%40example.com?file_id=a%2Fb&file_extension=mp3",
        "POST /process_audio_v2/{user_id}",
        path="/process_audio_v2/a@example.com",
        parameters={"user_id": "a@example.com"},
        query={"file_id": "a/b", "file_extension": "mp3"},
    ),
    Case(
        "token in the query",
        "GET /get_audio_task/nothing?token=a.b.c",
        "GET /get_audio_task/{task_id}",
        headers=(),
        parameters={"task_id": "nothing"},
        query={"token": "a.b.c"},
    ),
    Case(
        "JSON that creates",
        "POST /recordings/uploads",
        "POST /recordings/uploads",
        headers=(KEY, ("Content-Type", "application/json; charset=utf-8")),
        body=_json({"file_name": "grüße.mp3", "file_size": 1000}),
    ),
    Case(
        "JSON beyond ASCII",
        "POST /webhooks",
        "POST /webhooks",
        headers=(KEY, JSON),
        body=_json({"url": "http://127.0.0.1:9/hook", "events": ["дело"]}),
    ),
    Case(
        "encoded query, plus and comma",
        f"GET {LIBRARY}/audios?search=%C3%A9t%C3%A9&tags=a,b&tags=c+d",
        f"GET {LIBRARY}/audios",
        query={"search": "été", "tags": "a,b,c d"},
    ),
    Case(
        "HEAD",
        f"HEAD {LIBRARY}/audio/{ID}",
        f"HEAD {LIBRARY}/audio/{{id}}",
        parameters={"id": ID},
    ),
    Case(
        "PUT",
        f"PUT {LIBRARY}/audio/{ID}",
        f"PUT {LIBRARY}/audio/{{id}}",
        headers=(KEY, JSON),
        body=_json({"title": "Welcome"}),
        parameters={"id": ID},
    ),
    Case(
        "headers of a range",
        f"GET {LIBRARY}/audio/{ID}/stream",
        f"GET {LIBRARY}/audio/{{id}}/stream",
        headers=(KEY, ("Range", "bytes=0-99"), ("If-Range", '"etag"')),
        parameters={"id": ID},
    ),
    Case(
        "form of text",
        f"POST {LIBRARY}/upload",
        f"POST {LIBRARY}/upload",
        headers=(KEY, FORM),
        body=multipart(("file", "notes.wav", b"no audio"), ("title", None, b"Notes")),
        is_text=False,
    ),
    Case(
        "form of audio",
        f"POST {LIBRARY}/upload",
        f"POST {LIBRARY}/upload",
        headers=(KEY, FORM),
        body=multipart(("file", "noise.wav", SILENCE)),
        is_text=False,
    ),
    Case(
        "bytes without a type",
        "POST /analyze/live/live_0123abcd/chunk",
        "POST /analyze/live/{session_id}/chunk",
        body=b"chunk",
        parameters={"session_id": "live_0123abcd"},
        is_text=False,
    ),
    Case(
        "form of fields",
        "POST /analyze/live/live_0123abcd/control",
        "POST /analyze/live/{session_id}/control",
        headers=(KEY, ("Content-Type", "application/x-www-form-urlencoded")),
        body=b"action=finalize",
        parameters={"session_id": "live_0123abcd"},
        is_text=False,
    ),
    Case(
        "half a megabyte of JSON",
        "POST /analyze/segmentation",
        "POST /analyze/segmentation",
        headers=(KEY, JSON),
        body=_json({"timeline": TIMELINE}),
    ),
    Case(
        "cookies and duplicate headers",
        "GET /metrics",
        "GET /metrics",
        headers=(KEY, ("X-Tag", "1"), ("X-Tag", "2"), ("Cookie", "a=1; b=2")),
        cookies=("a=1", "b=2"),
        joined={"x-tag": "1,2"},
    ),
    Case("unknown path", "GET /nowhere/at/all", "$default"),
    Case("unknown method", "PATCH /memories", "$default", headers=(KEY, JSON), body=b"{}"),
    Case("HEAD of a GET", "HEAD /health", "$default"),
)
