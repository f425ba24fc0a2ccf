"""What is preloaded for all functions is what each of them imports at its start."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.stack.stack import PRELOADED

if TYPE_CHECKING:
    from collections.abc import Iterator

CORE = Path("layers/core")
APPS = sorted(Path("functions").glob("*/app.py"))


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.parent.name)
def test_a_function_finds_nothing_that_it_does_not_import(app: Path) -> None:
    found = set(imports(app))
    assert {module.partition(".")[0] for module in PRELOADED} <= found


def imports(path: Path) -> Iterator[str]:
    """The packages that are imported with this module, ours and those that ours import."""
    known: set[str] = set()
    paths = [path]
    while paths:
        for module in imported(paths.pop()):
            if module not in known:
                known.add(module)
                yield module.partition(".")[0]
                paths += files(module)


def imported(path: Path) -> Iterator[str]:
    """Not in functions, nor for types."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(module: str) -> list[Path]:
    path = CORE.joinpath(*module.split("."))
    return [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.exists()]
