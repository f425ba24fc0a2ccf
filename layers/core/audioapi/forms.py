"""multipart/form-data (RFC 7578) as HTML forms and HTTP clients send it, its files on disk."""

from __future__ import annotations

import base64
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from audioapi.problems import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import IO

_MOST_PARTS = 50
_LONGEST_FIELD = 64 * 1024
_IN_MEMORY = 1024 * 1024
_BLOCK = 4 * 64 * 1024  # of base64, whose groups of four must stay whole


@dataclass(frozen=True)
class FormFile:
    """A file as it came: `name` is the sender's and proves nothing, `size` is in bytes, `data` is
    at its start, and gone when the form is left.
    """

    field: str
    name: str
    size: int
    data: IO[bytes]


@dataclass(frozen=True)
class Form:
    """What a form holds, in its order; a field may be there more than once."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: list[FormFile] = field(default_factory=list)

    def file(self, name: str) -> FormFile:
        """The file of that field. Raises InvalidRequestError if there is none, or two."""
        found = [file for file in self.files if file.field == name]
        if len(found) != 1:
            raise InvalidRequestError(f"{name}: exactly one file is needed", field=name)
        return found[0]

    def text(self, name: str) -> str | None:
        """The value of a field that may come as a file too: what is in `files=` of Python's
        requests does, also if it is a number. Raises InvalidRequestError if there are two.
        """
        files = [file for file in self.files if file.field == name]
        values = [_text(file.data.read(_LONGEST_FIELD)) for file in files]
        return Form({name: [*self.fields.get(name, []), *values]}).one(name)

    def one(self, name: str) -> str | None:
        """The field's value. Raises InvalidRequestError if there are two."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise InvalidRequestError(f"{name}: only one value is taken", field=name)
        return values[0] if values else None


def read(content_type: str | None, body: str, *, is_base64: bool) -> AbstractContextManager[Form]:
    """The form in a request's body, as API Gateway hands it to a function."""
    return parsed(content_type, _blocks(body, is_base64=is_base64))


@contextmanager
def parsed(content_type: str | None, blocks: Iterable[bytes]) -> Iterator[Form]:
    """The form in a request's body, which comes block by block. Files over 1 MB are on disk, and
    gone with the `with`. Raises InvalidRequestError if it is none, or not whole.
    """
    with ExitStack() as files:
        reader = _Reader(files)
        try:
            parser = reader.parser(_boundary(content_type))
            for block in blocks:
                parser.write(block)
        except ValueError as error:  # FormParserError, and of what is neither base64 nor text
            raise InvalidRequestError(f"The form is malformed: {error}", field="body") from error
        if not reader.whole:
            raise InvalidRequestError("The form breaks off before its last boundary", field="body")
        yield reader.form


class _Reader:
    """Hears what a parser finds, part by part: header fields, then data, in pieces."""

    def __init__(self, files: ExitStack) -> None:
        self.form = Form()
        self.whole = False
        self._files = files
        self._parts = 0
        self._header = self._value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._data: IO[bytes]

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._begin_data,
                "on_part_data": self._part_data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise FormParserError(f"it has more than {_MOST_PARTS} parts")
        self._disposition = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, self._disposition = parse_options_header(self._value.decode("latin-1"))
        self._header = self._value = b""

    def _begin_data(self) -> None:
        if b"name" not in self._disposition:
            raise FormParserError("a part has no name")
        spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 — the stack closes it
        self._data = self._files.enter_context(spooled)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.write(data[start:end])
        if not self._is_file and self._data.tell() > _LONGEST_FIELD:
            raise FormParserError(f"{self._name}: more than {_LONGEST_FIELD} bytes")

    def _end(self) -> None:
        size = self._data.tell()
        self._data.seek(0)
        if self._is_file:
            file_name = _text(self._disposition[b"filename"])
            self.form.files.append(FormFile(self._name, file_name, size, self._data))
        else:
            self.form.fields.setdefault(self._name, []).append(_text(self._data.read()))

    def _finish(self) -> None:
        self.whole = True

    @property
    def _is_file(self) -> bool:
        return b"filename" in self._disposition

    @property
    def _name(self) -> str:
        return _text(self._disposition[b"name"])


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequestError(
            "Content-Type must be multipart/form-data with a boundary", field="Content-Type"
        )
    return boundary


def _blocks(body: str, *, is_base64: bool) -> Iterator[bytes]:
    for start in range(0, len(body), _BLOCK):
        piece = body[start : start + _BLOCK]
        yield base64.b64decode(piece, validate=True) if is_base64 else piece.encode()


def _text(given: bytes) -> str:
    return given.decode("utf-8", errors="replace")
