"""Snapshots of initialised functions, from which environments start with everything loaded.

Without them a function imports at its start what every call needs, and some calls pay for the rest.
With them all is loaded once, before the snapshot is taken.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapshot_restore_py import register_before_snapshot  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable


def before(*loads: Callable[[], object]) -> None:
    """Has them called before a snapshot of this function is taken, in this order; never without."""
    for load in reversed(loads):  # Lambda calls the last one first
        register_before_snapshot(load)
