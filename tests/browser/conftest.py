"""A running stack, as the end-to-end tests have it."""

from __future__ import annotations

from tests.e2e.conftest import stack

__all__ = ["stack"]
