"""What all functions of a stack import, imported once: their snapshots are forks of that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local.runtime.snapshot import INITIALIZATION_TYPE, PROGRAM, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.runtime.logs import Logs
    from local.template.model import Function

NAME = "Preloaded"
"""By which it has a log."""


class Preloaded:
    """Modules of packages that this Python has: each function that is served from it must import
    them anyway, or it would find what it doesn't have on Lambda. `variables` are what functions'
    environments have in common.
    """

    def __init__(
        self,
        modules: Sequence[str],
        *,
        python: str,
        variables: Mapping[str, str],
        logs: Logs,
        on_spawn: Callable[[int], None],
    ) -> None:
        self._modules = modules
        self._python = python
        self._variables = variables
        self._logs = logs
        self._on_spawn = on_spawn
        self._snapshots: list[Snapshot] = []  # the last is in use; others have ended by themselves

    def snapshot(self, function: Function) -> Snapshot | None:
        """What the function's snapshot can be forked from, if none of this is its own business."""
        if not self._modules or self._brings_its_own(function):
            return None
        if not self._snapshots or not self._snapshots[-1].usable:
            self._snapshots.append(self._new())
        return self._snapshots[-1]

    async def close(self) -> None:
        for snapshot in self._snapshots:
            await snapshot.close()

    def _new(self) -> Snapshot:
        return Snapshot(
            NAME,
            Path.cwd(),
            [self._python, str(PROGRAM), "--preload", *self._modules],
            {**self._variables, INITIALIZATION_TYPE: "snap-start"},
            logs=self._logs,
            on_spawn=self._on_spawn,
        )

    def _brings_its_own(self, function: Function) -> bool:
        """Whether its code or a layer, built, has one of the packages."""
        tops = {module.partition(".")[0] for module in self._modules}
        folders = [function.code, *function.layers, *(one / "python" for one in function.layers)]
        return any((folder / top).exists() for folder in folders for top in tops)
