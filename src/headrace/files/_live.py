"""Files that hold unwritten data: written at the interpreter's exit if need be."""

from __future__ import annotations

import atexit
import os
import sys
import warnings
import weakref
from typing import Protocol

from headrace._errors import unclosed_warning


class _Closable(Protocol):
    @property
    def closed(self) -> bool: ...

    def close_blocking(self) -> None: ...


#: Not a WeakSet: that takes ten times as long, for each file that is written.
_holding: set[weakref.ref[_Closable]] = set()
_owner = os.getpid()


def holds_data(file: _Closable) -> None:
    """Remember *file* until it is closed or collected: it holds unwritten data."""
    _holding.add(weakref.ref(file, _holding.discard))


def _close_all() -> None:
    # A forked child has copies of the parent's buffers; writing them is up to the
    # parent. The child's own files were remembered since the fork.
    for held in _holding.copy():
        file = held()
        if file is not None and not file.closed:
            _close(file)


def _close(file: _Closable) -> None:
    try:
        warnings.warn(unclosed_warning(file), ResourceWarning, stacklevel=1)
    except ResourceWarning as error:
        # Where warnings are errors the others have to be written all the same.
        sys.excepthook(type(error), error, error.__traceback__)
    file.close_blocking()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_holding.clear)
atexit.register(_close_all)
