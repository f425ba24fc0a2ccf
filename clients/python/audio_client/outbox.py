"""What was given to be sent and isn't answered yet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audio_client.frames import Frame


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message and its answer. `size` is bytes of audio; `due` and `sent` are the loop's time."""

    text: str
    size: int = 0
    due: float = 0.0
    sent: float = 0.0
    attempts: int = 0
    answer: Frame | None = None


class Outbox:
    """Messages by their number, oldest first. Each stays, and falls due again, until settled.

    Only the oldest `window` of them fall due: what was sent is always among those.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._messages: dict[int, Outgoing] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, number: int, message: Outgoing) -> Outgoing:
        self._messages[number] = message
        return message

    def settle(self, number: int, answer: Frame) -> Outgoing | None:
        """Returns the message that this answers, None if it was answered before."""
        message = self._messages.pop(number, None)
        if message is not None:
            message.answer = answer
        return message

    def get(self, number: int) -> Outgoing | None:
        return self._messages.get(number)

    def numbers_below(self, number: int) -> list[int]:
        return [each for each in self._messages if each < number]

    def reschedule(self, due: float) -> None:
        for message in self._messages.values():
            message.due = due

    def next_due(self) -> float:
        return min((each.due for each in self._in_window()), default=math.inf)

    def due(self, now: float) -> Outgoing | None:
        return next((each for each in self._in_window() if each.due <= now), None)

    def _in_window(self) -> Iterator[Outgoing]:
        return islice(self._messages.values(), self._window)
