"""Asynchronous `pathlib`: `Path` with coroutines, the pure classes as they are."""

import sys as _sys
from pathlib import PurePath as PurePath
from pathlib import PurePosixPath as PurePosixPath
from pathlib import PureWindowsPath as PureWindowsPath

from headrace.fs._pathlib import Path as Path

if _sys.platform == "win32":
    WindowsPath = Path
else:
    PosixPath = Path
