"""aiofiles' `os`: the functions of `os` that touch files, asynchronous."""

import sys as _sys

from headrace.compat.aiofiles import ospath
from headrace.compat.aiofiles._scandir import scandir
from headrace.compat.aiofiles.base import takes_executor, wrap
from headrace.fs import os as _os

__all__ = [
    "access",
    "getcwd",
    "listdir",
    "makedirs",
    "mkdir",
    "path",
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

path = ospath

# Those that give str for str and bytes for bytes stay as they are, for type checkers.
access = takes_executor(_os.access)
getcwd = takes_executor(_os.getcwd)
listdir = _os.listdir
makedirs = takes_executor(_os.makedirs)
mkdir = takes_executor(_os.mkdir)
readlink = _os.readlink
remove = takes_executor(_os.remove)
removedirs = takes_executor(_os.removedirs)
rename = takes_executor(_os.rename)
renames = takes_executor(_os.renames)
replace = takes_executor(_os.replace)
rmdir = takes_executor(_os.rmdir)
stat = takes_executor(_os.stat)
symlink = takes_executor(_os.symlink)
unlink = takes_executor(_os.unlink)

if hasattr(_os, "link"):
    __all__ += ["link"]

    link = takes_executor(_os.link)
if _sys.platform != "win32":
    __all__ += ["sendfile", "statvfs"]

    sendfile = takes_executor(_os.sendfile)
    statvfs = takes_executor(_os.statvfs)
