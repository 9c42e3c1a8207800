"""What a program can choose: the engine and its sizes. Leaf module.

Each setting comes from `configure()`, else from its environment variable, else it is
the default. Nothing is read before it is first asked for.
"""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from headrace._platform import worker_limit

#: The longest inline read that can be asked for; a larger copy keeps the loop waiting:
#: 64 KiB takes 3 µs, 1 MiB 50-100 µs.
INLINE_LIMIT = 256 * 1024  # bytes

#: What a file takes to be made on ext4, 15 to 30 µs, and to wake the thread that does
#: it, up to 60 µs. With half of it, a busy machine was mostly a little too late.
BUSY_POLL = 100e-6  # seconds

#: The longest that can be asked for.
_LONGEST_POLL = 0.001  # seconds

#: io_uring_setup(2) takes no more, IORING_MAX_ENTRIES.
_MOST_RING_ENTRIES = 32768


class Engine(enum.StrEnum):
    """What does the operations that may wait."""

    AUTO = "auto"
    """The best that works here."""
    URING = "uring"
    """io_uring for what waits on a disk, native worker threads for the rest."""
    WORKERS = "workers"
    """Native worker threads, which need no GIL."""
    THREADS = "threads"
    """Python threads; works everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force; made by `configure()`."""

    engine: Engine = Engine.AUTO
    """What is wanted. Where it does not work, the next of uring, workers, threads
    serves instead; `info()` says which, and why."""
    max_workers: int
    """The most worker threads for operations that end, native ones and as many of
    Python's; min(32, CPUs + 4)."""
    max_waiting: int = 64
    """The most threads for operations that may wait for ever (a terminal, a device,
    a lock)."""
    idle_timeout: float = 10.0
    """Seconds that a thread stays without work."""
    ring_entries: int = 64
    """The most entries of a loop's io_uring; halved where memory may not be locked."""
    busy_poll: float = BUSY_POLL
    """Seconds, 0.001 at most, for which the loop's thread looks for the end of a short
    call of a native worker before it goes on to other things; 0 turns that off. Only
    where no other task is ready, and as long as calls of that kind are so short."""
    inline_limit: int = INLINE_LIMIT
    """The longest read on the event loop's own thread, in bytes, 262144 at most; 0
    has everything done by the engine."""


# -- What is accepted ---------------------------------------------------------


def _engine(value: Any) -> Engine:
    try:
        return Engine(value)
    except ValueError:
        names = ", ".join(repr(engine.value) for engine in Engine)
        raise ValueError(f"must be one of {names}, not {value!r}") from None


def _between(least: int, most: int | None) -> Callable[[Any], int]:
    bounds = f"{least} or more" if most is None else f"{least} to {most}"

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"must be an int, not {type(value).__name__!r}")
        if value < least or (most is not None and value > most):
            raise ValueError(f"must be {bounds}, not {value}")
        return value

    return check


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"must be a number of seconds, not {type(value).__name__!r}")
    return float(value)


def _timeout(value: Any) -> float:
    seconds = _seconds(value)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"must be more than 0 seconds, not {value}")
    return seconds


def _short_time(value: Any) -> float:
    seconds = _seconds(value)
    if not 0 <= seconds <= _LONGEST_POLL:
        raise ValueError(f"must be 0 to {_LONGEST_POLL} seconds, not {value}")
    return seconds


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "engine": _engine,
    "max_workers": _between(1, None),
    "max_waiting": _between(1, None),
    "idle_timeout": _timeout,
    "ring_entries": _between(1, _MOST_RING_ENTRIES),
    "busy_poll": _short_time,
    "inline_limit": _between(0, INLINE_LIMIT),
}

#: How the text of an environment variable becomes a value.
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "engine": str,
    "idle_timeout": float,
    "busy_poll": float,
}

#: The environment variable of each setting.
VARIABLES = {name: f"HEADRACE_{name.upper()}" for name in _CHECKS}


def _checked(name: str, value: Any, said_by: str) -> Any:
    try:
        return _CHECKS[name](value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{said_by} {error}") from None


def _from_environment(name: str) -> Any:
    """Return the value that the environment gives, or None."""
    variable = VARIABLES[name]
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    try:
        value = _FROM_TEXT.get(name, int)(text)
    except ValueError:
        raise ValueError(f"{variable} must be a number, not {text!r}") from None
    return _checked(name, value, variable)


# -- The settings in force ----------------------------------------------------

_current: Settings | None = None
#: What `configure()` was told.
_told: set[str] = set()
_listeners: list[Callable[[Settings], object]] = []


def settings() -> Settings:
    """Return the settings in force.

    Raises:
        ValueError: An environment variable holds what it must not.
    """
    global _current
    if _current is None:
        given = {name: _from_environment(name) for name in _CHECKS}
        chosen: dict[str, Any] = {"max_workers": worker_limit()}
        chosen |= {name: value for name, value in given.items() if value is not None}
        _current = Settings(**chosen)
    return _current


def source(name: str) -> str:
    """Say where the setting *name* comes from."""
    if name in _told:
        return "asked for by headrace.configure()"
    if os.environ.get(VARIABLES[name], "").strip():
        return f"asked for by {VARIABLES[name]}"
    return "the default"


def configure(
    *,
    engine: Engine | str | None = None,
    max_workers: int | None = None,
    max_waiting: int | None = None,
    idle_timeout: float | None = None,
    ring_entries: int | None = None,
    busy_poll: float | None = None,
    inline_limit: int | None = None,
) -> Settings:
    """Choose the engine and its sizes, for the whole process.

    What is not given stays as it is. Meant to be called before the first operation;
    later, it holds for operations that begin afterwards (`ring_entries` for loops
    that begin afterwards, `inline_limit` for files opened afterwards).

    Args:
        engine: "auto", "uring", "workers" or "threads".
        max_workers: The most worker threads for operations that end.
        max_waiting: The most threads for operations that may wait for ever.
        idle_timeout: Seconds that a thread stays without work.
        ring_entries: The most entries of a loop's io_uring.
        busy_poll: Seconds for which the loop's thread looks for the end of a short
            call of a native worker; 0 turns that off.
        inline_limit: The longest read on the event loop's own thread, in bytes; 0
            has everything done by the engine.

    Returns:
        The settings now in force; without arguments, nothing changes.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A value is out of its bounds; nothing has been changed.
    """
    global _current
    given = {name: value for name, value in locals().items() if value is not None}
    checked = {
        name: _checked(name, value, f"configure(): {name}")
        for name, value in given.items()
    }
    if checked:
        _current = replace(settings(), **checked)
        _told.update(checked)
        for listener in _listeners:
            listener(_current)
    return settings()


def on_change(listener: Callable[[Settings], object]) -> None:
    """Have *listener* called with the settings after each change."""
    _listeners.append(listener)


def as_dict(chosen: Settings) -> dict[str, Any]:
    """Return the settings by name, as plain values."""
    values = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
    return values | {"engine": chosen.engine.value}
