"""Recordings that are to be analysed: as a form brings them, or uploaded directly before."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

from pydantic import BaseModel, StringConstraints, ValidationError

from audioapi import forms, objects, outside, settings
from audioapi.problems import FileTooLargeError, InvalidRequestError
from audioapi.uploads import recordings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.forms import FormFile
    from audioapi.identity import Principal

_BLOCK_BYTES = 1024 * 1024
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}")


class Source(Protocol):
    """A recording of `size` bytes; `field` is what of the request named it."""

    @property
    def size(self) -> int: ...
    @property
    def field(self) -> str: ...

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, from the start at every call."""

    def keep(self, folder: str) -> str:
        """Sees to it that it is in the bucket, in that folder unless it's elsewhere: its key."""


@dataclass(frozen=True)
class Sent:
    """A form's file, there as long as the form is."""

    file: FormFile
    field: str = "file"

    @property
    def size(self) -> int:
        return self.file.size

    def blocks(self) -> Iterator[bytes]:
        self.file.data.seek(0)
        return iter(lambda: self.file.data.read(_BLOCK_BYTES), b"")

    def keep(self, folder: str) -> str:
        key = f"{folder}/upload{_suffix(self.file.name)}"
        objects.put_file(settings.analysis().audio_bucket, key, self.file.data)
        return key


@dataclass(frozen=True)
class Uploaded:
    """A recording that a direct upload put into the bucket."""

    key: str
    size: int
    field: str = "upload_id"

    def blocks(self) -> Iterator[bytes]:
        return objects.stream(settings.analysis().audio_bucket, self.key)

    def keep(self, folder: str) -> str:  # noqa: ARG002 — it's a Source, and kept already
        return self.key


class _Wanted(BaseModel):
    """`goal` is what the conversation was to come to, in the sender's words."""

    goal: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] | None = None


class _WantedUpload(_Wanted):
    upload_id: str


W = TypeVar("W", bound=_Wanted)


@contextmanager
def opened(
    caller: Principal, content_type: str | None, body: Iterable[bytes]
) -> Iterator[tuple[Source, str | None]]:
    """The recording that a request is about, and its goal. The body comes block by block: a form
    with `file` and `goal`, or JSON with `upload_id` and `goal`.

    Raises ForbiddenError, InvalidRequestError, FileTooLargeError, and what `recordings.completed`
    raises.
    """
    caller.require("write")
    if (content_type or "").partition(";")[0].strip().lower() == "application/json":
        wanted = _checked(_WantedUpload, _parsed(b"".join(body)))
        file = recordings.completed(caller, wanted.upload_id)
        yield _fitting(Uploaded(file.key, file.size)), wanted.goal or None
        return
    with forms.parsed(content_type, body) as form:
        source = _fitting(Sent(form.file("file")))
        yield source, _checked(_Wanted, {"goal": form.one("goal")}).goal or None


def _parsed(body: bytes) -> Any:
    try:
        return outside.parsed(body)
    except ValueError as error:
        raise InvalidRequestError("body: it is no JSON", field="body") from error


def _checked(model: type[W], given: Any) -> W:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise InvalidRequestError(f"{field}: {first['msg']}", field=field) from error


def _fitting(source: Source) -> Source:
    limit_mb = settings.analysis().max_file_size_mb
    FileTooLargeError.check(source.size, limit_mb, field=source.field)
    if source.size == 0:
        raise InvalidRequestError(f"{source.field}: it is empty", field=source.field)
    return source


def _suffix(name: str) -> str:
    """The name's, where it has one that may be part of a key."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ""
