"""JSON from outside, which may hold anything."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parsed(text: str | bytes) -> Any:
    """Raises json.JSONDecodeError for what is no JSON (RFC 8259), which NaN isn't, and for what
    Python doesn't read: a number of over 4,300 digits, and arrays within arrays without end.
    https://docs.python.org/3/library/stdtypes.html#integer-string-conversion-length-limitation
    """
    try:
        return json.loads(text, parse_constant=_no_json)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError("It can't be read", "", 0) from error


def _no_json(constant: str) -> NoReturn:
    raise json.JSONDecodeError(f"{constant} is no JSON", "", 0)
