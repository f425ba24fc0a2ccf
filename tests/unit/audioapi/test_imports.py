"""What a module imports, its function loads at every cold start."""

from __future__ import annotations

import os
import subprocess
import sys


def imported_by(module: str) -> set[str]:
    """What is loaded in a new process that imports the module."""
    script = f"import sys, {module}; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    told = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    return set(told.split())


def test_the_parts_of_an_upload_need_no_database() -> None:
    loaded = imported_by("audioapi.library.uploads")
    assert "audioapi.library.uploads" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "psycopg2"})
