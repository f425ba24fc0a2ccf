"""Which route of an HTTP API a request takes.

The most specific wins: an exact path, then path variables, then a greedy `{proxy+}`, then
`$default`; of two equal paths the one with the method before the one with ANY.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Match:
    """The route a request takes: its key, its function and the values of its path variables."""

    key: str
    function: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Route:
    key: str
    function: str
    method: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, key: str, function: str) -> _Route:
        method, _, path = key.partition(" ")
        return cls(key, function, method, tuple(path.split("/")))

    def specificity(self) -> tuple[tuple[int, ...], bool]:
        return tuple(map(_generality, self.segments)), self.method == "ANY"

    def match(self, method: str, segments: Sequence[str]) -> Match | None:
        if self.method not in (method, "ANY"):
            return None
        parameters = _bind(self.segments, segments)
        return None if parameters is None else Match(self.key, self.function, parameters)


class Router:
    """The routes of one HTTP API, by their keys."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        self._default = routes.get("$default")
        parsed = [_Route.parse(key, function) for key, function in routes.items() if " " in key]
        self._routes = sorted(parsed, key=_Route.specificity)

    def match(self, method: str, path: str) -> Match | None:
        """Return the route of `method` and the decoded `path`, or None if there is none."""
        segments = path.split("/")
        for route in self._routes:
            if found := route.match(method, segments):
                return found
        return Match("$default", self._default) if self._default else None


def _generality(segment: str) -> int:
    if not segment.startswith("{"):
        return 0
    return 2 if segment.endswith("+}") else 1


def _bind(template: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """Return the values of the template's variables, or None if it doesn't fit the segments."""
    bound: dict[str, str] = {}
    for index, part in enumerate(template):
        match _generality(part):
            case 2:
                rest = "/".join(segments[index:])
                return {**bound, part[1:-2]: rest} if rest else None
            case 1 if index < len(segments) and segments[index]:
                bound[part[1:-1]] = segments[index]
            case _ if part not in segments[index : index + 1]:
                return None
    return bound if len(template) == len(segments) else None
