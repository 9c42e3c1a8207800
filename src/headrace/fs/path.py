"""The functions of `os.path` that touch files, asynchronous; the others as they are.

The table is alphabetical, one line a function.
"""

from __future__ import annotations

import os.path
import sys
from os.path import (
    altsep,
    basename,
    commonpath,
    commonprefix,
    curdir,
    defpath,
    devnull,
    dirname,
    expandvars,
    extsep,
    isabs,
    join,
    normcase,
    normpath,
    pardir,
    pathsep,
    samestat,
    sep,
    split,
    splitdrive,
    splitext,
    supports_unicode_filenames,
)

from headrace.fs._offload import offload

__all__ = [
    "abspath",
    "altsep",
    "basename",
    "commonpath",
    "commonprefix",
    "curdir",
    "defpath",
    "devnull",
    "dirname",
    "exists",
    "expandvars",
    "extsep",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isabs",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "join",
    "normcase",
    "normpath",
    "pardir",
    "pathsep",
    "samefile",
    "sameopenfile",
    "samestat",
    "sep",
    "split",
    "splitdrive",
    "splitext",
    "supports_unicode_filenames",
]

abspath = offload(os.path.abspath)
exists = offload(os.path.exists)
getatime = offload(os.path.getatime)
getctime = offload(os.path.getctime)
getmtime = offload(os.path.getmtime)
getsize = offload(os.path.getsize)
isdir = offload(os.path.isdir)
isfile = offload(os.path.isfile)
islink = offload(os.path.islink)
ismount = offload(os.path.ismount)
samefile = offload(os.path.samefile)
sameopenfile = offload(os.path.sameopenfile)

# -- Since a later Python ----------------------------------------------------------

if sys.version_info >= (3, 12):
    from os.path import splitroot

    __all__ += ["splitroot"]
