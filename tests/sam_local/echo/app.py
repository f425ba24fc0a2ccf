"""Stands in for every function: answers with the event that it got, and with whom it was for."""

from __future__ import annotations

import json
from typing import Any


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    told = json.dumps({"function": context.function_name, "event": event})
    if event["requestContext"]["http"]["method"] == "HEAD":  # whose answer has no body
        return {"statusCode": 200, "headers": {"x-told": told}}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": told}
