"""Asynchronous `tempfile`."""

import sys as _sys
import tempfile as _tempfile
import types as _types
import typing as _typing

from headrace.fs.tempfile import *  # noqa: F403 - a door: the names are chosen there

if _typing.TYPE_CHECKING:
    tempdir: str | bytes | None
    """Where temporary files are made, once it is known: that of `tempfile`."""
else:

    class _Door(_types.ModuleType):
        @property
        def tempdir(self):
            """Where temporary files are made, once it is known: that of `tempfile`."""
            return _tempfile.tempdir

        @tempdir.setter
        def tempdir(self, value):
            _tempfile.tempdir = value

    _sys.modules[__name__].__class__ = _Door
