"""Waiting for something to come true, with a deadline."""

import time
from collections.abc import Callable


def wait_until(what: Callable[[], object], seconds: float) -> None:
    """Looks twenty times a second; fails when it has not come true by then."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
