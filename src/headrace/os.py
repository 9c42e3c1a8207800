"""Asynchronous `os`: what touches files is a coroutine, the rest is as in `os`."""

import sys as _sys
import typing as _typing
from os import _exit as _exit  # Public, whatever its name says.

from headrace import ospath as _ospath
from headrace.fs._os_names import *  # noqa: F403 - a door: the names are chosen there
from headrace.fs._os_names import LEFT_OUT as _LEFT_OUT
from headrace.fs.os import *  # noqa: F403 - likewise

path = _ospath
# As `os` does for `os.path`: `import headrace.os.path` finds the module.
_sys.modules["headrace.os.path"] = path

if not _typing.TYPE_CHECKING:
    del LEFT_OUT, annotations, sys  # noqa: F821 - they came with the names

    def __getattr__(name):
        why = _LEFT_OUT.get(name)
        because = f": it {why}" if why is not None else ""
        raise AttributeError(f"module 'headrace.os' has no attribute {name!r}{because}")
