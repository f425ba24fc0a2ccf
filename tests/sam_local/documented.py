"""AWS's side of the comparison: the shape of an event, payload format 2.0, and one's values.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.sam_local.cases import Case

SHAPE = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parent / "payload-2.0.json").read_text())
)
ANY = "(any)"
"""Stands for an id, a time or an address, which nobody can foretell."""
UNFORETOLD = (
    "headers.host",
    "headers.x-amzn-trace-id",
    "headers.x-forwarded-for",
    "headers.x-forwarded-port",
    "headers.x-forwarded-proto",
    "requestContext.accountId",
    "requestContext.apiId",
    "requestContext.domainName",
    "requestContext.domainPrefix",
    "requestContext.http.sourceIp",
    "requestContext.requestId",
    "requestContext.time",
    "requestContext.timeEpoch",
)


def misshapen(event: Mapping[str, Any]) -> set[str]:
    """The fields that are not of the documented shape, and those of a header that is not in lower
    case.
    """
    return {
        ".".join(map(str, error.absolute_path)) or error.message
        for error in SHAPE.iter_errors(event)
    }


def fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """What is in an event, by its path, headers in lower case: to be compared with others'."""
    lower = {name.lower(): value for name, value in event["headers"].items()}
    flat = dict(_flat({**event, "headers": lower}))
    return flat | {name: ANY for name in UNFORETOLD if name in flat}


def expected(case: Case) -> dict[str, Any]:
    """What AWS makes of a request, as `fields` gives it."""
    event = {
        "version": "2.0",
        "routeKey": case.route,
        "rawPath": case.raw_path,
        "rawQueryString": case.raw_query,
        "headers": case.event_headers,
        "requestContext": {
            "http": {
                "method": case.method,
                "path": case.raw_path,
                "protocol": "HTTP/1.1",
                "userAgent": case.event_headers["user-agent"],
            },
            "routeKey": case.route,
            "stage": "$default",
        },
        "isBase64Encoded": not case.is_text,
    }
    given = {
        "cookies": list(case.cookies),
        "queryStringParameters": case.query,
        "pathParameters": case.parameters,
        "body": case.event_body,
    }
    event |= {name: value for name, value in given.items() if value}
    return fields(event) | dict.fromkeys(UNFORETOLD, ANY)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item
