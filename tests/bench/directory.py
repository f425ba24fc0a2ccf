"""S3 as a folder: as much of its client as `audioapi.objects` uses, at the speed of the disk."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAGE = 1000
_ETAG = "etag"


@dataclass(frozen=True)
class _Body:
    """So many bytes of an object, after those that are skipped; no more of it in memory than is
    asked for at a time.
    """

    parts: list[Path]
    skipped: int
    size: int

    def read(self) -> bytes:
        return b"".join(self.iter_chunks(self.size))

    def iter_chunks(self, chunk_size: int) -> Iterator[bytes]:
        skipped, left = self.skipped, self.size
        for part in self.parts:
            with part.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                skipped -= file.seek(min(skipped, length))
                while block := file.read(min(chunk_size, left)):
                    left -= len(block)
                    yield block


class DirectoryS3:
    """Each object is a file; one that came in parts is a folder of them, for to put parts together
    is S3's work. Conditions aren't checked: there is one writer.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_object(self, **request: Any) -> None:
        path = self._path(request)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(request["Body"])

    def head_object(self, **request: Any) -> dict[str, Any]:
        known = self._path(request).stat()
        modified = datetime.fromtimestamp(known.st_mtime, UTC)
        return {"ContentLength": known.st_size, "ETag": _ETAG, "LastModified": modified}

    def get_object(self, **request: Any) -> dict[str, Any]:
        path = self._path(request)
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        size = sum(part.stat().st_size for part in parts)
        first, _, last = request.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        wanted = (int(last) + 1 if last else size) - int(first)
        return {
            "Body": _Body(parts, int(first), wanted),
            "ContentLength": wanted,
            "ETag": _ETAG,
        }

    def get_paginator(self, operation: str) -> DirectoryS3:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Of prefixes that end in a slash, which are folders."""
        prefix, after = request["Prefix"], request["StartAfter"].removeprefix(request["Prefix"])
        folder = self._folder / request["Bucket"] / prefix
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        found = [name for name in names if name > after]
        for start in range(0, len(found), _PAGE):
            page = found[start : start + _PAGE]
            yield {
                "Contents": [
                    {"Key": prefix + name, "Size": (folder / name).stat().st_size} for name in page
                ]
            }

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        path = self._path(request)
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        return {"UploadId": "upload"}

    def upload_part(self, **request: Any) -> dict[str, str]:
        (self._path(request) / f"{request['PartNumber']:05d}").write_bytes(request["Body"])
        return {"ETag": _ETAG}

    def complete_multipart_upload(self, **request: Any) -> None:
        """All that there is to do has been done."""

    def abort_multipart_upload(self, **request: Any) -> None:
        shutil.rmtree(self._path(request))

    def generate_presigned_url(self, _operation: str, **request: Any) -> str:
        return self._path(request["Params"]).as_uri()

    def _path(self, request: dict[str, Any]) -> Path:
        bucket, key = str(request["Bucket"]), str(request["Key"])
        return self._folder / bucket / key
