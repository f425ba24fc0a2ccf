"""multipart/form-data (RFC 7578) as HTML forms and HTTP clients send it, its files on disk."""

from __future__ import annotations

import base64
import binascii
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import FormParser, parse_options_header

from audioapi.problems import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from python_multipart.multipart import Field, File

_MOST_PARTS = 50
_LONGEST_FIELD = 64 * 1024
_BLOCK = 4 * 256 * 1024  # of base64, whose groups of four must stay whole


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

    def one(self, name: str) -> str | None:
        """The field's value. Raises InvalidRequestError if there are two."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise InvalidRequestError(f"{name}: only one value is taken", field=name)
        return values[0] if values else None


@contextmanager
def read(content_type: str | None, body: str, *, is_base64: bool) -> Iterator[Form]:
    """The form in a request's body, as API Gateway hands it to a function. Files over 1 MB are on
    disk, and removed with the block. Raises InvalidRequestError if it is none, or not whole.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequestError(
            "Content-Type must be multipart/form-data with a boundary", field="Content-Type"
        )
    with ExitStack() as files:
        yield _parsed(options[b"boundary"], body, files, is_base64=is_base64)


def _parsed(boundary: bytes, body: str, files: ExitStack, *, is_base64: bool) -> Form:
    form, whole = Form(), []

    def on_field(found: Field) -> None:
        form.fields.setdefault(_text(found.field_name), []).append(_text(found.value))

    def on_file(found: File) -> None:
        files.callback(found.close)
        found.file_object.seek(0)
        form.files.append(
            FormFile(_text(found.field_name), _text(found.file_name), found.size, found.file_object)
        )

    parser = FormParser(
        "multipart/form-data",
        on_field,
        on_file,
        on_end=lambda: whole.append(True),
        boundary=boundary,
        config={"MAX_FIELDS": _MOST_PARTS, "MAX_FIELD_SIZE": _LONGEST_FIELD},
    )
    try:
        for block in _blocks(body, is_base64=is_base64):
            parser.write(block)
        parser.finalize()
    except (FormParserError, binascii.Error) as error:
        raise InvalidRequestError(f"The form is malformed: {error}", field="body") from error
    if not whole:
        raise InvalidRequestError("The form breaks off before its last boundary", field="body")
    return form


def _blocks(body: str, *, is_base64: bool) -> Iterator[bytes]:
    for start in range(0, len(body), _BLOCK):
        piece = body[start : start + _BLOCK]
        yield base64.b64decode(piece, validate=True) if is_base64 else piece.encode()


def _text(given: bytes | None) -> str:
    return (given or b"").decode("utf-8", errors="replace")
