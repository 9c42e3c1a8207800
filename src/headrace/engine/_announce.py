"""What a program may want to know of the choice of an engine, said once."""

from __future__ import annotations

import logging

_log = logging.getLogger("headrace")
_said: set[str] = set()


def say_once(message: str) -> None:
    """Log *message* for debugging, unless it has been said in this process."""
    if message not in _said:
        _said.add(message)
        _log.debug(message)
