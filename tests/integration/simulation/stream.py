"""Clients that stream, and the gateway between them and the functions, which promises neither order
nor delivery.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.simulation.network import Trouble, error, respond, sent
from tests.integration.simulation.scheduler import Inbox

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from tests.integration.simulation.functions import Functions
    from tests.integration.simulation.network import Plan
    from tests.integration.simulation.scheduler import Scheduler

ANSWER_SECONDS, FILE_SECONDS = 20.0, 600.0
TROUBLE = "Internal server error"
GREETINGS = ("Audio session created", "Audio session resumed")
RESULTS = ("Audio file ready", "No audio received", "Audio processing failed")
_EVENTS = {
    name: json.loads(Path("events", f"{name}.json").read_text())
    for name in ("stream_connect", "stream_message", "stream_disconnect")
}


class GoneError(Exception):
    """The connection is closed."""


@dataclass(eq=False)
class Connection:
    """What came from the server is in `inbox`."""

    name: str
    inbox: Inbox[dict[str, Any]]
    opened: bool = False
    closed: bool = False
    messages: int = 0
    heard: bool = False


class Gateway:
    """API Gateway's WebSocket side."""

    def __init__(self, scheduler: Scheduler, plan: Plan, functions: Functions) -> None:
        self._scheduler = scheduler
        self._plan = plan
        self._functions = functions
        self._connections: dict[str, Connection] = {}

    def connect(self, name: str, query: dict[str, str], api_key: str | None) -> Connection | None:
        """None if it was refused, or failed."""
        connection = Connection(name, Inbox(self._scheduler))
        self._connections[name] = connection
        answered: Inbox[Any] = Inbox(self._scheduler)
        headers = {"x-api-key": api_key} if api_key else {}
        asked = {"queryStringParameters": query, "headers": headers}
        event = self._event("stream_connect", connection, **asked)
        self._functions.invoke("stream_connect", f"{name} $connect", event, then=answered.put)
        answer = answered.get(60)
        connection.opened = answer is not None and answer["statusCode"] == 200
        connection.closed = not connection.opened
        return connection if connection.opened else None

    def send(self, connection: Connection, frame: dict[str, Any]) -> None:
        if connection.closed:
            raise GoneError
        connection.messages += 1
        name = f"{connection.name}, message {connection.messages}"
        trouble = self._plan.happens(name, (Trouble.LOST, Trouble.LATE), now=self._scheduler.now)
        if trouble is Trouble.LOST:
            return
        event = self._event("stream_message", connection, body=json.dumps(frame))
        event["requestContext"]["messageId"] = name
        late = self._plan.amount(name, 0, 10 if trouble else 0.02)
        self._functions.invoke(
            "stream_message",
            name,
            event,
            then=lambda answer: self._answer(connection, answer),
            after=late,
        )

    def disconnect(self, connection: Connection) -> None:
        if connection.closed:
            return
        connection.closed = True
        name = f"{connection.name} $disconnect"
        if not self._plan.happens(name, [Trouble.LOST], now=self._scheduler.now):
            event = self._event("stream_disconnect", connection)
            self._functions.invoke("stream_disconnect", name, event)

    def answer(self, operation: str, request: AWSPreparedRequest) -> AWSResponse:
        """To calls of its management API."""
        name = request.url.rpartition("/")[2].replace("%20", " ")
        connection = self._connections.get(name)
        if connection is None or connection.closed or not connection.opened:
            return error(request, "apigatewaymanagementapi", 410, "GoneException")
        if operation == "PostToConnection":
            connection.inbox.put(json.loads(sent(request)))
        elif operation == "DeleteConnection":
            connection.closed = True
        return respond(request, 200)

    def _answer(self, connection: Connection, answer: Any) -> None:
        if answer is None or answer["statusCode"] != 200:
            connection.inbox.put({"message": TROUBLE})
        elif "body" in answer and not connection.closed:
            connection.inbox.put(json.loads(answer["body"]))

    def _event(self, kind: str, connection: Connection, **more: Any) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(json.dumps(_EVENTS[kind])) | more
        event["requestContext"] |= {
            "connectionId": connection.name,
            "requestId": f"{connection.name} {connection.messages}",
            "requestTimeEpoch": round(1000 * self._scheduler.now),
        }
        return event


@dataclass
class Streamed:
    """What a client knows of its session; of acknowledged chunks without a number, how many."""

    session_id: str = ""
    chunks: list[bytes] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    refused: list[dict[str, Any]] = field(default_factory=list)
    unnumbered: int = 0
    closed: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)
    ungreeted: list[str] = field(default_factory=list)


@dataclass
class Client:
    """Sends chunks over one connection after the other, then closes its session, and waits to be
    told of the file. It sends one that is `numbered` again until it is acknowledged; one that isn't
    if it is asked to, for else it would be another one. Unless it `waits` for its first greeting,
    it sends at once.
    """

    name: str
    gateway: Gateway
    plan: Plan
    scheduler: Scheduler
    chunks: list[bytes]
    at_once: int
    counts: bool
    numbered: bool
    waits: bool
    api_key: str | None
    known: Streamed = field(default_factory=Streamed)
    connection: Connection | None = None
    connected: int = 0

    def run(self) -> None:
        self.known.chunks = self.chunks
        if not self._connect():
            return
        self._stream()
        self._close()
        self._wait_for_file()

    def _connect(self) -> bool:
        """Whether it has a connection that was greeted."""
        for _ in range(10):
            query = {"format": "wav", "sample_rate": "8000"}
            if self.known.session_id:
                query = {"session_id": self.known.session_id}
            self.connected += 1
            name = f"{self.name}.{self.connected}"
            self.connection = self.gateway.connect(name, query, self.api_key)
            if self.connection and (self._hurries() or self._greeted()):
                return True
            self.scheduler.sleep(5)
        return False

    def _hurries(self) -> bool:
        return not self.waits and self.connected == 1

    def _greeted(self) -> bool:
        while (frame := self._hear()) is not None:
            if frame.get("message") in GREETINGS:
                return True
        return False

    def _hear(self, within: float = ANSWER_SECONDS) -> dict[str, Any] | None:
        frame = self.connection.inbox.get(within) if self.connection else None
        if frame is not None:
            self._note(frame)
            self._note_order(frame)
        return frame

    def _note_order(self, frame: dict[str, Any]) -> None:
        assert self.connection
        if not self.connection.heard and frame["message"] not in (*GREETINGS, TROUBLE):
            self.known.ungreeted.append(frame["message"])
        if frame["message"] in GREETINGS:
            self.connection.heard = True
            self.known.ungreeted.clear()  # it was late

    def _note(self, frame: dict[str, Any]) -> None:
        self.known.session_id = frame.get("session_id", self.known.session_id)
        match frame.get("message"):
            case "Audio session resumed":  # all before are durable: they aren't sent any more
                self.known.acknowledged.update(range(frame["next_seq"]))
            case "Chunk processed successfully":
                if self.numbered:
                    self.known.acknowledged.add(frame["seq"])
                else:
                    self.known.unnumbered += 1
            case "Failed to process chunk" if not frame.get("retry"):
                self.known.refused.append(frame)
            case "Session closed successfully":
                self.known.closed = True
            case message if message in RESULTS:
                self.known.told.append(frame)

    def _stream(self) -> None:
        if self.numbered:
            self._stream_numbered()
        else:
            self._stream_one_by_one()

    def _stream_one_by_one(self) -> None:
        for data in self.chunks:
            for _ in range(5):
                try:
                    self._say({"type": "audio", "data": base64.b64encode(data).decode()})
                except GoneError:
                    return
                answer = self._hear()
                if answer is None or not answer.get("retry"):
                    break

    def _stream_numbered(self) -> None:
        for _ in range(20):
            left = [n for n in range(len(self.chunks)) if n not in self.known.acknowledged]
            if not left:
                return
            try:
                self._send(left[: self.at_once])
            except GoneError:
                if not self._connect():
                    return
            if self.connection and self._loses(self.connection):
                self.gateway.disconnect(self.connection)
                if not self._connect():
                    return

    def _loses(self, connection: Connection) -> bool:
        cause = f"{connection.name} after {connection.messages} messages"
        return bool(self.plan.happens(cause, [Trouble.LOST], now=self.scheduler.now))

    def _send(self, numbers: list[int]) -> None:
        for seq in numbers:
            data = base64.b64encode(self.chunks[seq]).decode()
            self._say({"type": "audio", "data": data, "seq": seq})
        while not self.known.acknowledged.issuperset(numbers):
            frame = self._hear()
            if frame is None or "seq" not in frame or frame.get("retry"):
                return

    def _say(self, frame: dict[str, Any]) -> None:
        if self.connection is None:
            raise GoneError
        self.gateway.send(self.connection, frame)

    def _close(self) -> None:
        """By a control message, again until it is answered."""
        frame: dict[str, Any] = {"type": "control", "action": "close_session"}
        if self.counts:
            frame["chunk_count"] = len(self.chunks)
        for _ in range(10):
            try:
                self._say(frame)
            except GoneError:
                return
            while not self.known.closed and self._hear() is not None:
                pass
            if self.known.closed or self.known.told:
                return

    def _wait_for_file(self) -> None:
        while not self.known.told and self._hear(FILE_SECONDS) is not None:
            pass
