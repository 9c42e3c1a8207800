"""Waiting for what the collector is to take away."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

BOUND_S = 10.0


def collect_until(condition: Callable[[], object]) -> bool:
    """Collect until *condition* holds; tell whether it does.

    Once is not enough where there are threads: `gc.collect()` does nothing while
    another thread is collecting, and a worker lets go of its last job a moment after
    the result has come.
    """
    give_up = time.monotonic() + BOUND_S
    while True:
        gc.collect()
        if condition() or time.monotonic() > give_up:
            return bool(condition())
        time.sleep(0.01)
