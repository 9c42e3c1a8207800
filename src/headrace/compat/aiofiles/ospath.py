"""aiofiles' `ospath`: the functions of `os.path` that look at files, asynchronous."""

from headrace.compat.aiofiles.base import takes_executor
from headrace.compat.aiofiles.base import wrap as wrap
from headrace.fs import path as _path

__all__ = [
    "abspath",
    "exists",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "samefile",
    "sameopenfile",
]

# For type checkers as it is: it gives str for str and bytes for bytes.
abspath = _path.abspath
exists = takes_executor(_path.exists)
getatime = takes_executor(_path.getatime)
getctime = takes_executor(_path.getctime)
getmtime = takes_executor(_path.getmtime)
getsize = takes_executor(_path.getsize)
isdir = takes_executor(_path.isdir)
isfile = takes_executor(_path.isfile)
islink = takes_executor(_path.islink)
ismount = takes_executor(_path.ismount)
samefile = takes_executor(_path.samefile)
sameopenfile = takes_executor(_path.sameopenfile)
