"""Waiting for what a real server or another process will do."""

import time
from collections.abc import Callable


def wait_until(happens: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as it has happened; fail if it has not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
