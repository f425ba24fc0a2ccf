"""Functions as Lambda imports them, and what they ask of the database."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

if TYPE_CHECKING:
    from collections.abc import Iterator


def loaded(function: str) -> Any:
    """A fresh module, as in a new environment; its types are looked up in `sys.modules`."""
    name = f"{function}_app"
    spec = importlib.util.spec_from_file_location(name, Path("functions", function, "app.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


app = cache(loaded)
"""As it is after the first call in an environment."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of the database in the block, without the values."""
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)
