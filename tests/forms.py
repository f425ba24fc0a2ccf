"""Forms for tests, as browsers send them."""

from __future__ import annotations

BOUNDARY = "a-line-between"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
Part = tuple[str, str | None, bytes]
"""A field's name, its file's name if it is one, and what is in it."""


def multipart(*parts: Part, file_type: str = "application/octet-stream") -> bytes:
    """The form's bytes; `file_type` is what is said of every file in it."""
    made = b""
    for name, file_name, data in parts:
        disposition = f'form-data; name="{name}"'
        if file_name is not None:
            disposition += f'; filename="{file_name}"\r\nContent-Type: {file_type}'
        head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
        made += head.encode() + data + b"\r\n"
    return made + f"--{BOUNDARY}--\r\n".encode()
