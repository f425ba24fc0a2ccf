"""Log lines of a conversation: each begins with `[conversation_id]`, and has that key."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Iterator

_current: ContextVar[str | None] = ContextVar("conversation_id", default=None)


@contextmanager
def about(conversation_id: str) -> Iterator[None]:
    """Whatever is logged in the block, by whichever module, is about that conversation.

    Not around a `yield`: what the generator's caller logs meanwhile is about something else.
    """
    _name_records()
    before = _current.set(conversation_id)
    try:
        yield
    finally:
        _current.reset(before)


def from_here_on(conversation_id: str) -> None:
    """Whatever is logged until the request ends is about that conversation."""
    _name_records()
    logger.thread_safe_append_keys(conversation_id=conversation_id)


class _Naming(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        noted = logger.thread_safe_get_current_keys().get("conversation_id")
        if conversation_id := _current.get() or noted:
            record.msg = f"[{conversation_id}] {record.msg}"
            record.conversation_id = conversation_id
        return True


@cache
def _name_records() -> None:
    logger.addFilter(_Naming())
