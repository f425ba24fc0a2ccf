"""A tenant, which is a user of an organisation, as one text that no other tenant has.

Ids come from whoever signs the tokens and makes the keys, so each may hold what a separator could
be: `acme#eu` and `alice` aren't `acme` and `eu#alice`.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

MOST_BYTES = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check(name: str, value: str) -> None:
    """Raises ValueError for an id that not every store can keep. PostgreSQL takes no NUL, and keys
    of DynamoDB and S3 are as long as 2048 and 1024 bytes.
    """
    if _CONTROL.search(value) or not 1 <= len(value.encode()) <= MOST_BYTES:
        raise ValueError(f"{name} must be 1 to {MOST_BYTES} bytes of UTF-8, no control characters")


def key(organization_id: str | None, user_id: str | None) -> str:
    """For keys of tables, and names of locks: `["acme", "alice"]`."""
    return json.dumps([organization_id, user_id])


def folder(organization_id: str, user_id: str) -> str:
    """For keys of objects: `acme/alice`, each percent-encoded, which reaches into no other's."""
    return f"{quote(organization_id, safe='')}/{quote(user_id, safe='')}"
