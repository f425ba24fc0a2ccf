"""What is kept of uploads besides their bytes: one DynamoDB item each."""

from __future__ import annotations

from typing import Any

from audioapi import settings, tables
from audioapi.uploads.models import File, Status, Upload

_KEPT_SECONDS = 24 * 3600
"""After its end an upload is still known, so that a request that comes again is answered again."""


def add(upload: Upload) -> None:
    item = {
        **upload.model_dump(exclude={"file"}),
        "file": upload.file.model_dump_json(),  # DynamoDB knows no float, and gives back Decimals
        "ttl": upload.expires_at + _KEPT_SECONDS,
    }
    tables.client().put_item(TableName=_table(), Item=tables.marshal(item))


def get(upload_id: str) -> Upload | None:
    found = tables.client().get_item(
        TableName=_table(), Key=tables.marshal({"upload_id": upload_id}), ConsistentRead=True
    )
    return _upload(tables.unmarshal(found["Item"])) if "Item" in found else None


def move(upload_id: str, to: Status) -> Upload | None:
    """The upload in its new state; None if that isn't reached from the one it is in."""
    allowed = {f":from{i}": status for i, status in enumerate(to.reached_from)}
    moved = tables.update_if(
        _table(),
        {"upload_id": upload_id},
        "SET #status = :to",
        f"#status IN ({', '.join(allowed)})",
        {":to": to, **allowed},
        names={"#status": "status"},
    )
    return None if moved is None else _upload(moved)


def _upload(item: dict[str, Any]) -> Upload:
    return Upload.model_validate({**item, "file": File.model_validate_json(item["file"])})


def _table() -> str:
    return settings.uploads().uploads_table
