"""Which calls a ring makes as well: functions that jobs consist of, by name of kind."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any


class RingKind(enum.Enum):
    """What a ring does, and the arguments that its function has."""

    READ_FULL = "read until size or the end of the file"  # (fd, size, offset)
    READ_ONCE = "one read"  # (fd, size, offset)
    READ_INTO = "one read into aligned memory, O_DIRECT"  # (fd, buffer, offset)
    WRITE_ALL = "write all"  # (fd, data, offset); gives (count, error or None)
    SYNC = "fsync"  # (fd)
    SYNC_DATA = "fdatasync"  # (fd)


READS = (RingKind.READ_FULL, RingKind.READ_ONCE, RingKind.READ_INTO)
SYNCS = (RingKind.SYNC, RingKind.SYNC_DATA)

_kinds: dict[object, RingKind] = {os.fsync: RingKind.SYNC}
if hasattr(os, "fdatasync"):
    _kinds[os.fdatasync] = RingKind.SYNC_DATA


def by_ring(func: Callable[..., Any], kind: RingKind) -> None:
    """Have a ring make the call of *func*, where it suits one."""
    _kinds[func] = kind


def ring_kind(func: object) -> RingKind | None:
    """Return what a ring would do for *func*; None if it cannot."""
    # Other callables need not be hashable.
    if type(func) is FunctionType or type(func) is BuiltinFunctionType:
        return _kinds.get(func)
    return None
