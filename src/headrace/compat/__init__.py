"""Other libraries' interfaces over headrace's objects.

`install_aiofiles()` makes `import aiofiles` mean headrace, in the whole process.
"""

from __future__ import annotations

import importlib
import sys

__all__ = ["install_aiofiles"]

_AIOFILES_MODULES = (
    "aiofiles",
    "aiofiles.base",
    "aiofiles.os",
    "aiofiles.ospath",
    "aiofiles.tempfile",
    "aiofiles.tempfile.temptypes",
    "aiofiles.threadpool",
    "aiofiles.threadpool.binary",
    "aiofiles.threadpool.text",
    "aiofiles.threadpool.utils",
)


def install_aiofiles() -> None:
    """Let ``import aiofiles`` give `headrace.compat.aiofiles`, from now on.

    Puts each module of aiofiles' tree into `sys.modules`, whether or not aiofiles is
    installed or has been imported before. Call it first thing in the program: what
    was imported from aiofiles already stays as it is. Calling it again does nothing.
    """
    for name in _AIOFILES_MODULES:
        sys.modules[name] = importlib.import_module(f"{__name__}.{name}")
