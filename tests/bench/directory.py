"""S3 as a folder: as much of its client as `audioapi.objects` uses, at the speed of the disk."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAGE = 1000


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

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._path(request).read_bytes())}

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
        return {"ETag": "etag"}

    def complete_multipart_upload(self, **request: Any) -> None:
        """All that there is to do has been done."""

    def abort_multipart_upload(self, **request: Any) -> None:
        shutil.rmtree(self._path(request))

    def generate_presigned_url(self, _operation: str, **request: Any) -> str:
        return self._path(request["Params"]).as_uri()

    def _path(self, request: dict[str, Any]) -> Path:
        bucket, key = str(request["Bucket"]), str(request["Key"])
        return self._folder / bucket / key
