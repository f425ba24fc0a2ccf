"""Processes of their own that do one thing after the other as they are told."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, cast

from tests.bench.bench import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self


class Helper:
    """A context manager: the process ends with it. Orders go to its module, and results come from
    there, as lines of JSON.
    """

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the bench, which then ends this
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def do(self, what: str, **order: Any) -> dict[str, Any]:
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(json.dumps({"do": what, **order}) + "\n")
        stdin.flush()
        answer = cast("IO[str]", self._process.stdout).readline()
        if not answer:
            raise RuntimeError(f"The helper ended, with {self._process.wait()}")
        result: dict[str, Any] = json.loads(answer)
        return result


class Worker(Helper):
    """A jobs worker. Its objects are in the folder, if one is named."""

    def __init__(self, environment: Mapping[str, str], objects: Path | None) -> None:
        folder = [str(objects)] if objects else []
        super().__init__("tests.bench.worker", *folder, environment=environment)
