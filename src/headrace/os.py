"""Asynchronous `os`: what touches files is a coroutine, the rest is as in `os`."""

import sys as _sys

from headrace import ospath as _ospath
from headrace.fs._os_names import *  # noqa: F403 - a door: the names are chosen there
from headrace.fs.os import *  # noqa: F403 - likewise

path = _ospath
# As `os` does for `os.path`: `import headrace.os.path` finds the module.
_sys.modules["headrace.os.path"] = path
