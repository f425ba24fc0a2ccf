"""The uploads' family: files in parts, completed or aborted, and by two at once."""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from audioapi import objects, settings
from audioapi.identity import Principal, put_api_key
from audioapi.recordings import recording_key
from audioapi.uploads import models, service, store
from audioapi.uploads.models import Status
from tests.integration.simulation.api import Api, Asked
from tests.integration.simulation.network import Trouble, error
from tests.integration.simulation.scheduler import Inbox
from tests.integration.simulation.simulation import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from botocore.awsrequest import AWSPreparedRequest

    from audioapi.uploads.models import Upload
    from tests.integration.simulation.api import Answer
    from tests.integration.simulation.scheduler import Process
    from tests.integration.simulation.simulation import World

PART_SIZE = 5
"""Bytes. S3 wants 5 MiB; what is simulated is done quickly."""
_TRIES, _PAUSE_SECONDS = 12, 10.0
_LONGEST_SECONDS = 3600.0


@dataclass
class Sender:
    """Sends a file in parts, and then completes it or aborts. Two may send the same, as one who
    lost the connection and begins anew; `hasty` ones don't wait for each other.
    """

    name: str
    api: Api
    world: World
    file_id: str
    data: bytes
    aborts: bool
    hasty: bool
    upload_id: str = ""
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    seen: Answer | None = None

    @property
    def parts(self) -> list[bytes]:
        return [self.data[at : at + PART_SIZE] for at in range(0, len(self.data), PART_SIZE)]

    def run(self) -> None:
        if self._begin() and self._send():
            if self.hasty:
                self._also("complete", "another")
            if self.aborts:
                self._also("abort", "owner")
            else:
                self.end("complete", "owner")

    def _begin(self) -> bool:
        asked = Asked(
            {"file_name": "talk.wav", "file_size": len(self.data), "file_id": self.file_id},
            once=self.file_id + self.name.replace(" ", "-"),
        )
        answer = self.api.insist(f"{self.name} begins", "upload_create", asked=asked)
        if answer and answer.good:
            self.upload_id = answer.body["upload_id"]
        return bool(self.upload_id)

    def _send(self) -> bool:
        """Each part by itself, as a client's own request to S3; whether all have arrived."""
        for number in range(1, len(self.parts) + 1):
            if not any(self._send_part(number, attempt) for attempt in range(1, _TRIES + 1)):
                return False
        return True

    def _send_part(self, number: int, attempt: int) -> bool:
        data = self.parts[number - 1]
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        signed = self.api.insist(
            f"{self.name} part {number} is signed ({attempt})",
            "upload_parts",
            self.upload_id,
            asked=Asked({"parts": [{"part_number": number, "checksum_sha256": digest}]}),
        )
        if signed is None or not signed.good:
            return False
        address = urlsplit(signed.body["parts"][0]["url"])
        try:
            objects.client().upload_part(
                Bucket=_bucket(),
                Key=unquote(address.path.removeprefix("/")),
                UploadId=parse_qs(address.query)["uploadId"][0],
                PartNumber=number,
                Body=data,
            )
        except (ClientError, BotoCoreError):
            self.world.scheduler.sleep(_PAUSE_SECONDS)
            return False
        return True

    def _also(self, how: str, by: str) -> None:
        """At the same moment, by a process of its own."""
        self.world.scheduler.spawn(f"{self.name} by {by}", partial(self.end, how, by))

    def end(self, how: str, by: str) -> None:
        """Completes it or aborts, until that is answered for good."""
        for attempt in range(1, _TRIES + 1):
            name = f"{self.name}: {how} by {by} ({attempt})"
            answer = self.api.insist(name, f"upload_{how}", self.upload_id)
            if answer:
                self.answers.append((how, answer))
                return
            self.world.scheduler.sleep(_PAUSE_SECONDS)

    def try_again(self) -> None:
        """Whoever knows of no end asks for one; what came of it is seen by all."""
        if self.upload_id and not any(answer.good for _, answer in self.answers):
            self.end("abort" if self.aborts else "complete", "owner, late")
        if self.upload_id:
            self.seen = self.api.insist(f"{self.name} looks", "upload_get", self.upload_id)


class Assembly:
    """S3 takes its time to put parts together, whether or not somebody waits for it; whoever asks
    for the same meanwhile is told of a conflict, or that there is no such upload.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._going: dict[str, str] = {}
        self._begun = 0

    def around(
        self, operation: str, request: AWSPreparedRequest, perform: Callable[[], Any]
    ) -> Any:
        address = urlsplit(request.url)
        upload_id = parse_qs(address.query).get("uploadId", [""])[0]
        if operation == "CompleteMultipartUpload":
            if address.path in self._going:
                return error(request, "s3", 409, "ConditionalRequestConflict")
            return self._assemble(address.path, upload_id, perform)
        if upload_id and self._going.get(address.path) == upload_id:
            return error(request, "s3", 404, "NoSuchUpload")
        return perform()

    def _assemble(self, key: str, upload_id: str, perform: Callable[[], Any]) -> Any:
        self._begun += 1
        name = f"S3 puts parts together ({self._begun})"
        answered = Inbox[Any](self._world.scheduler)

        def assemble() -> None:
            del self._going[key]
            answered.put(perform())

        slow = self._world.plan.happens(name, [Trouble.SLOW], now=self._world.scheduler.now)
        after = self._world.plan.amount(name, 1, 60) if slow else 0.0
        self._going[key] = upload_id
        self._world.scheduler.spawn(name, assemble, after=after)
        return answered.get(_LONGEST_SECONDS)


class Uploads(Family):
    """Some files, of which some are sent twice at once, under the same name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._principal = Principal("erin", "uploads-1")
        world.network.around["s3"] = Assembly(world).around
        chance = random.Random(f"{world.plan.seed} uploads")
        self._senders = [
            sender
            for file in range(chance.randint(1, 2))
            for sender in self._some_senders(chance, file)
        ]

    def _some_senders(self, chance: random.Random, file: int) -> Iterator[Sender]:
        for number in range(chance.choice((1, 1, 2))):
            name = f"upload {file + 1}.{number + 1}"
            parts = chance.randint(1, 3)
            data = f"{file}{number}".encode() * PART_SIZE * parts
            yield Sender(
                name,
                Api(self._world, "uploads-key"),
                self._world,
                f"file-{file}",
                data[: PART_SIZE * parts - chance.randint(0, PART_SIZE - 1)],
                aborts=chance.random() < 0.3,
                hasty=chance.random() < 0.4,
            )

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(service, "Upload", partial(models.Upload, part_size=PART_SIZE))
        patch.setattr(service, "time", SimpleNamespace(time=lambda: self._world.scheduler.now))
        patch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)

    def begin(self) -> Iterator[Process]:
        put_api_key("uploads-key", self._principal)
        for sender in self._senders:
            yield self._world.scheduler.spawn(sender.name, sender.run)

    def try_again(self) -> None:
        for sender in self._senders:
            sender.try_again()

    def wrong(self) -> Iterator[str]:
        made: dict[str, list[Sender]] = {sender.file_id: [] for sender in self._senders}
        ended = []
        for sender in self._senders:
            upload = store.get(sender.upload_id) if sender.upload_id else None
            if upload is None:
                continue
            for reason in self._wrong_of(sender, upload):
                yield f"{sender.name}: {reason}"
            if upload.status in (Status.COMPLETED, Status.ABORTED):
                ended.append(upload)
            if upload.status is Status.COMPLETED:
                made[sender.file_id].append(sender)
        for file_id, senders in made.items():
            yield from self._wrong_of_file(file_id, senders)
        yield from _left_over(ended)

    def _wrong_of(self, sender: Sender, upload: Upload) -> Iterator[str]:
        told = {how: answer for how, answer in sender.answers if answer.good}
        if len(told) > 1:
            yield "it was both completed and aborted"
        for how, answer in told.items():
            expected = Status.COMPLETED if how == "complete" else Status.ABORTED
            if answer.body["status"] != expected:
                yield f"{how} was answered {answer.body['status']}"
            if upload.status is not expected:
                yield f"{how} was answered {answer.body['status']}, and it is {upload.status}"
        if upload.status is Status.COMPLETING:
            yield "it is still being completed"
        if sender.seen is None or sender.seen.body.get("status") != upload.status:
            yield f"it is {upload.status}, and a GET says {sender.seen and sender.seen.body}"

    def _wrong_of_file(self, file_id: str, senders: list[Sender]) -> Iterator[str]:
        """The object is just what the one has sent who was told that it is whole."""
        key = recording_key(
            self._principal.organization_id, self._principal.user_id, f"{file_id}.wav"
        )
        kept = objects.read(_bucket(), key) if objects.exists(_bucket(), key) else None
        if len(senders) > 1:
            yield f"{file_id} was completed by {[sender.name for sender in senders]}"
        if kept != (senders[0].data if senders else None):
            yield f"{file_id} has {kept!r}, and was completed by {[s.name for s in senders]}"


def _left_over(ended: list[Upload]) -> Iterator[str]:
    """Parts of uploads that have ended."""
    begun = objects.client().list_multipart_uploads(Bucket=_bucket()).get("Uploads", [])
    open_ids = {each["UploadId"] for each in begun}
    for upload in ended:
        if upload.s3_upload_id in open_ids:
            yield f"parts of {upload.file.key} are left, which is {upload.status}"


def _bucket() -> str:
    return settings.uploads().audio_bucket
