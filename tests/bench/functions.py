"""The functions' own modules, in this process."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER = Path(__file__).parents[2] / "functions"
"""Not by the bench's ROOT: processes that are measured would import all that measures them."""


def load(name: str) -> ModuleType:
    """The app module of a folder in `functions/`: they all have the same name."""
    path = _FOLDER / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"{name}_app", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
