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

from headrace.fs._look import (
    exists_now,
    field_now,
    isdir_now,
    isfile_now,
    islink_now,
    lexists_now,
)
from headrace.fs._offload import cached_first, offload

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
    "expanduser",
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
    "lexists",
    "normcase",
    "normpath",
    "pardir",
    "pathsep",
    "realpath",
    "relpath",
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
exists = cached_first(exists_now, os.path.exists)
expanduser = offload(os.path.expanduser)
getatime = cached_first(field_now("st_atime"), os.path.getatime)
getctime = cached_first(field_now("st_ctime"), os.path.getctime)
getmtime = cached_first(field_now("st_mtime"), os.path.getmtime)
getsize = cached_first(field_now("st_size"), os.path.getsize)
isdir = cached_first(isdir_now, os.path.isdir)
isfile = cached_first(isfile_now, os.path.isfile)
islink = cached_first(islink_now, os.path.islink)
ismount = offload(os.path.ismount)
lexists = cached_first(lexists_now, os.path.lexists)
realpath = offload(os.path.realpath)
relpath = offload(os.path.relpath)
samefile = offload(os.path.samefile)
sameopenfile = offload(os.path.sameopenfile)

# -- Since a later Python ----------------------------------------------------------

if sys.version_info >= (3, 12):
    from os.path import splitroot

    __all__ += ["isjunction", "splitroot"]

    isjunction = offload(os.path.isjunction)

if sys.version_info >= (3, 13):
    __all__ += ["isdevdrive"]

    isdevdrive = offload(os.path.isdevdrive)

    if sys.platform == "win32":
        from os.path import isreserved

        __all__ += ["isreserved"]

if hasattr(os.path, "ALLOW_MISSING"):  # Also in later patches of older ones.
    from os.path import ALLOW_MISSING

    __all__ += ["ALLOW_MISSING"]
