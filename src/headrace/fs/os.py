"""The functions of `os` that touch files, asynchronous.

The table is alphabetical, one line a function. What changes the file system is
waited for once it has begun, so it stands there with `offload_change`.
"""

from __future__ import annotations

import os
import sys

from headrace.engine import Lane
from headrace.fs._look import stat_now
from headrace.fs._offload import cached_first, offload, offload_change, twin
from headrace.fs._scandir import scandir

__all__ = [
    "access",
    "getcwd",
    "listdir",
    "makedirs",
    "mkdir",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "scandir",
    "stat",
    "symlink",
    "unlink",
    "wrap",
]

wrap = offload

access = offload(os.access)
getcwd = offload(os.getcwd)
listdir = offload(os.listdir)
makedirs = offload_change(os.makedirs)
mkdir = offload_change(os.mkdir)
readlink = offload(os.readlink)
remove = offload_change(os.remove)
removedirs = offload_change(os.removedirs)
rename = offload_change(os.rename)
renames = offload_change(os.renames)
replace = offload_change(os.replace)
rmdir = offload_change(os.rmdir)
stat = cached_first(stat_now, os.stat)
symlink = offload_change(os.symlink)
unlink = offload_change(os.unlink)

# -- Not on every platform ---------------------------------------------------------

if hasattr(os, "link"):  # Android has none.
    __all__ += ["link"]

    link = offload_change(os.link)

if sys.platform != "win32":
    __all__ += ["sendfile", "statvfs"]

    # A pipe or a socket without O_NONBLOCK may keep it waiting for ever.
    sendfile = twin(os.sendfile, on_cancel="finish", lane=Lane.WAIT)
    statvfs = offload(os.statvfs)
