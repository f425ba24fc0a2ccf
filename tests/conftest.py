"""What all tests need of the process that runs them."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Started in the background by a shell without job control, a process ignores Ctrl-C, and so
    does whatever it starts: tests that press it would wait in vain.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
