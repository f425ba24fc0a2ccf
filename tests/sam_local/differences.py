"""What is known to be otherwise with `sam local` (aws-sam-cli 1.170), and why: nothing else may be.

It makes events in `samcli/local/apigw/event_constructor.py`, and answers them with Flask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sam_local.documented import expected, fields, misshapen
from tests.sam_local.events import Got, function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tests.sam_local.cases import Case


ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """Fields of the events of some cases. `matters` if a function of ours might notice."""

    why: str
    fields: tuple[str, ...]
    of: Callable[[Case], bool]
    matters: bool = False


DIFFERENCES = (
    Difference(
        "Headers' names come as Flask writes them, X-Api-Key, where AWS writes x-api-key",
        ("headers",),
        lambda _: True,
    ),
    Difference(
        "It adds neither a trace nor the client's address",
        ("headers.x-amzn-trace-id", "headers.x-forwarded-for"),
        lambda _: True,
    ),
    Difference(
        "The user agent in the context is a constant",
        ("requestContext.http.userAgent",),
        lambda _: True,
    ),
    Difference("What AWS leaves out is null", ("stageVariables",), lambda _: True),
    Difference(
        "What AWS leaves out is an empty string, and of no length that is said",
        ("body", "headers.content-length"),
        lambda case: not case.body,
    ),
    Difference("What AWS leaves out is an empty list", ("cookies",), lambda case: not case.cookies),
    Difference(
        "What AWS leaves out is an empty object",
        ("pathParameters",),
        lambda case: not case.parameters and case.route != "$default",
    ),
    Difference(
        "Its own way to catch all paths shows as a variable",
        ("pathParameters.any_path",),
        lambda case: case.route == "$default",
    ),
    Difference(
        "Cookies stay among the headers too", ("headers.cookie",), lambda case: bool(case.cookies)
    ),
    Difference(
        "Bodies are text, unless the API lists binary types, as REST APIs do",
        ("body", "isBase64Encoded"),
        lambda case: not case.is_text,
        matters=True,
    ),
)
WITHOUT_EVENT: Mapping[str, str] = {
    "form of audio": "502: a body that isn't UTF-8 can't be made text of",
    "HEAD of a GET": "502: Flask lets HEAD take a GET's route, which then has no function",
}
"""Requests that reach no function, and so have no answer of one either."""


def of_local(case: Case, got: Got) -> list[str]:
    """What is wrong with the event in `local`, where nothing may be."""
    if got.event is None or got.function != function_of(case):
        return [f"{case.name}: in local, {got}"]
    wrong = misshapen(got.event) | _unequal(fields(got.event), expected(case))
    return [f"{case.name}: local's event is not AWS's in {sorted(wrong)}: {got}"] if wrong else []


def of_sam(case: Case, got: Got, ours: Got) -> list[str]:
    """How the event of `sam local` differs from ours, and from AWS's shape, and is not known to."""
    if got.event is None or ours.event is None or case.name in WITHOUT_EVENT:
        known = got == Got(502) and case.name in WITHOUT_EVENT
        return [] if known else [f"{case.name}: in sam local, {got}"]
    found = misshapen(got.event) | _unequal(fields(got.event), fields(ours.event))
    unknown = found ^ {name for item in DIFFERENCES if item.of(case) for name in item.fields}
    if unknown or got.function != ours.function:
        return [f"{case.name}: sam local's event differs in {sorted(unknown)}: {got}"]
    return []


def in_words(case: Case) -> str:
    if case.name in WITHOUT_EVENT:
        return "none: see below"
    if any(item.matters and item.of(case) for item in DIFFERENCES):
        return "differs: see below"
    return "same in what functions read"


def _unequal(left: Mapping[str, Any], right: Mapping[str, Any]) -> set[str]:
    names = left.keys() | right.keys()
    return {name for name in names if left.get(name, ABSENT) != right.get(name, ABSENT)}
