"""A function runner for the gateways' tests: plain Python callables in the place of functions."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from local.template.model import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class FakeInvoker:
    """Answers what `functions` return, an Invocation or a payload, and remembers the events."""

    def __init__(self, **functions: Callable[[Mapping[str, Any]], Any]) -> None:
        self.functions = functions
        self.events: dict[str, list[Mapping[str, Any]]] = {name: [] for name in functions}

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Invocation:
        self.events[function].append(event)
        result = self.functions[function](event)
        payload = await result if inspect.isawaitable(result) else result
        return payload if isinstance(payload, Invocation) else Invocation(payload)


def returning(payload: object) -> Callable[[Mapping[str, Any]], object]:
    return lambda _event: payload


async def never(_event: Mapping[str, Any]) -> None:
    await asyncio.Event().wait()
