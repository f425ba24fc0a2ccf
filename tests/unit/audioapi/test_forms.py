"""Forms as browsers, curl and libraries send them, and what only claims to be one."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from audioapi import forms
from audioapi.problems import InvalidRequestError

if TYPE_CHECKING:
    from audioapi.forms import Form

TYPE = "multipart/form-data; boundary=line"
FILE = 'form-data; name="file"; filename="a.wav"'


def part(disposition: str, data: bytes = b"", *headers: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *headers]
    return b"--line\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--line--\r\n"


def read(body: bytes, content_type: str | None = TYPE) -> tuple[Form, list[bytes]]:
    """The form, and what its files hold."""
    with forms.read(content_type, base64.b64encode(body).decode(), is_base64=True) as found:
        return found, [file.data.read() for file in found.files]


def refused(body: bytes, content_type: str | None = TYPE) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as raised:
        read(body, content_type)
    return raised.value


def test_fields_and_files_come_as_they_were_sent() -> None:
    sent = form(
        part('form-data; name="title"', "Grüße".encode()),
        part('form-data; name="tags"', b"a"),
        part(FILE, b"\r\n--lin\0\xff", "Content-Type: text/plain"),
        part('form-data; name="tags"', b"b"),
    )
    found, [data] = read(sent)
    assert found.fields == {"title": ["Grüße"], "tags": ["a", "b"]}
    assert (found.one("title"), found.one("description")) == ("Grüße", None)
    assert (found.file("file").name, found.file("file").size) == ("a.wav", len(data))
    assert data == b"\r\n--lin\0\xff"


def test_a_large_file_is_whole_and_closed_with_the_block() -> None:
    data = bytes(range(256)) * 20_000
    body = base64.b64encode(form(part(FILE, data))).decode()
    with forms.read(TYPE, body, is_base64=True) as found:
        file = found.file("file")
        assert file.data.read() == data
    assert file.data.closed


def test_a_body_may_come_as_text() -> None:
    body = form(part('form-data; name="title"', b"hello")).decode()
    with forms.read(TYPE, body, is_base64=False) as found:
        assert found.one("title") == "hello"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_come_in_blocks_cut_anywhere(size: int) -> None:
    body = form(part('form-data; name="title"', b"hello"), part(FILE, b"\r\n--lin\0\xff" * 50))
    blocks = (body[start : start + size] for start in range(0, len(body), size))
    with forms.parsed(TYPE, blocks) as found:
        assert found.one("title") == "hello"
        assert found.file("file").data.read() == b"\r\n--lin\0\xff" * 50


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "multipart/form-data",
        "multipart/mixed; boundary=line",
        "ä; ö=ü",
    ],
)
def test_another_content_type_or_no_boundary_is_refused(content_type: str | None) -> None:
    error = refused(form(part(FILE)), content_type)
    assert error.members == {"field": "Content-Type"}
    assert "multipart/form-data with a boundary" in error.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        form(part(FILE))[:-6],
        form(part(FILE))[:30],
        form(part("form-data")),
        form(b"--line\r\nno header\r\n\r\nx\r\n"),
        form(b"--line\r\n" + b"A: b\r\n" * 1000 + b"\r\nx\r\n"),
        form(b"--line\r\nA: " + b"b" * 100_000 + b"\r\n\r\nx\r\n"),
        form(*[part(FILE)] * 51),
        form(part('form-data; name="title"', b"x" * 70_000)),
        form(part(FILE, b"x" * 2_000_000))[:-10],
    ],
    ids=[
        "empty",
        "another",
        "breaks-off",
        "breaks-off-early",
        "no-name",
        "bad-header",
        "many-headers",
        "long-header",
        "many-parts",
        "long-field",
        "large-file-breaks-off",
    ],
)
def test_what_is_malformed_is_refused(body: bytes) -> None:
    error = refused(body)
    assert error.members == {"field": "body"}
    assert error.detail.startswith("The form ")


@pytest.mark.parametrize("boundary", ["x" * 1000, '""'])
def test_a_strange_boundary_is_refused(boundary: str) -> None:
    refused(form(part(FILE)), f"multipart/form-data; boundary={boundary}")


@pytest.mark.parametrize(
    ("body", "is_base64"), [("no*base64", True), ("AAA", True), ("\ud800", False)]
)
def test_a_body_that_is_neither_base64_nor_text_is_refused(body: str, *, is_base64: bool) -> None:
    with pytest.raises(InvalidRequestError), forms.read(TYPE, body, is_base64=is_base64):
        pass


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_comes_once(count: int) -> None:
    found, _ = read(form(part('form-data; name="other"; filename="x"'), *[part(FILE)] * count))
    with pytest.raises(InvalidRequestError, match="exactly one file is needed"):
        found.file("file")


def test_a_field_has_one_value() -> None:
    found, _ = read(form(*[part('form-data; name="title"', b"x")] * 2))
    with pytest.raises(InvalidRequestError, match="only one value is taken"):
        found.one("title")


@pytest.mark.parametrize("disposition", ['name="seq"', 'name="seq"; filename="seq"'])
def test_a_text_may_come_as_a_file(disposition: str) -> None:
    body = base64.b64encode(form(part(f"form-data; {disposition}", b"3"))).decode()
    with forms.read(TYPE, body, is_base64=True) as found:
        assert found.text("seq") == "3"
        assert found.text("other") is None


def test_a_text_comes_once() -> None:
    twice = form(part('form-data; name="seq"', b"3"), part('form-data; name="seq"; filename="x"'))
    body = base64.b64encode(twice).decode()
    with (
        forms.read(TYPE, body, is_base64=True) as found,
        pytest.raises(InvalidRequestError, match="only one value is taken"),
    ):
        found.text("seq")
