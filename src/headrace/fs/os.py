"""The functions of `os` that touch files, asynchronous.

The table is alphabetical, one line a function. What changes the file system is
waited for once it has begun, so it stands there with `offload_change`. What stands
in `_os_names.py` is plain, and `LEFT_OUT` there says what is missing and why.

Imports are private here, but for `sys`, which type checkers know by that name: all
other names are those of `headrace.os`.
"""

from __future__ import annotations

import os as _os
import sys
import typing as _typing
from collections.abc import Callable as _Callable
from typing import Any as _Any

from headrace.engine import Lane as _Lane
from headrace.files._open import open as _open_file
from headrace.fs._descriptors import at_once as _at_once
from headrace.fs._descriptors import open as open
from headrace.fs._descriptors import reads as _reads
from headrace.fs._descriptors import writes as _writes
from headrace.fs._entry import DirEntry as DirEntry
from headrace.fs._look import lstat_now as _lstat_now
from headrace.fs._look import stat as stat
from headrace.fs._offload import cached_first as _cached_first
from headrace.fs._offload import offload as _offload
from headrace.fs._offload import offload_change as _offload_change
from headrace.fs._offload import twin as _twin
from headrace.fs._scandir import scandir as scandir
from headrace.fs._walk import walk as walk

wrap = _offload

access = _offload(_os.access)
chdir = _offload_change(_os.chdir)
chmod = _offload_change(_os.chmod)
close = _offload_change(_os.close)
closerange = _offload_change(_os.closerange)
dup = _at_once(_os.dup)
dup2 = _offload_change(_os.dup2)
fstat = _offload(_os.fstat)
fsync = _offload_change(_os.fsync)
ftruncate = _offload_change(_os.ftruncate)
getcwd = _offload(_os.getcwd)
getcwdb = _offload(_os.getcwdb)
getlogin = _offload(_os.getlogin)
isatty = _at_once(_os.isatty)
listdir = _offload(_os.listdir)
lseek = _offload_change(_os.lseek)
lstat = _cached_first(_lstat_now, _os.lstat)
makedirs = _offload_change(_os.makedirs)
mkdir = _offload_change(_os.mkdir)
read = _reads(_os.read)
readlink = _offload(_os.readlink)
remove = _offload_change(_os.remove)
removedirs = _offload_change(_os.removedirs)
rename = _offload_change(_os.rename)
renames = _offload_change(_os.renames)
replace = _offload_change(_os.replace)
rmdir = _offload_change(_os.rmdir)
symlink = _offload_change(_os.symlink)
truncate = _offload_change(_os.truncate)
unlink = _offload_change(_os.unlink)
utime = _offload_change(_os.utime)
waitpid = _twin(_os.waitpid, lane=_Lane.WAIT)
write = _writes(_os.write)

# -- Not on every platform ---------------------------------------------------------

if hasattr(_os, "link"):  # Android has none.
    link = _offload_change(_os.link)

if sys.platform != "win32":
    from headrace.fs._descriptors import lockf as lockf
    from headrace.fs._fwalk import fwalk as fwalk

    def _close_both(pair: tuple[int, int]) -> None:
        for fd in pair:
            _os.close(fd)

    if hasattr(_os, "chown"):
        chown = _offload_change(_os.chown)
    if hasattr(_os, "chroot"):
        chroot = _offload_change(_os.chroot)
    if hasattr(_os, "fchdir"):
        fchdir = _offload_change(_os.fchdir)
    if hasattr(_os, "fchmod"):
        fchmod = _offload_change(_os.fchmod)
    if hasattr(_os, "fchown"):
        fchown = _offload_change(_os.fchown)
    if hasattr(_os, "fpathconf"):
        fpathconf = _offload(_os.fpathconf)
    if hasattr(_os, "fstatvfs"):
        fstatvfs = _offload(_os.fstatvfs)
    if hasattr(_os, "getgrouplist"):
        getgrouplist = _offload(_os.getgrouplist)
    if hasattr(_os, "getloadavg"):
        getloadavg = _offload(_os.getloadavg)
    if hasattr(_os, "initgroups"):
        initgroups = _offload_change(_os.initgroups)
    if hasattr(_os, "lchown"):
        lchown = _offload_change(_os.lchown)
    if hasattr(_os, "login_tty"):
        login_tty = _offload_change(_os.login_tty)
    if hasattr(_os, "mkfifo"):
        mkfifo = _offload_change(_os.mkfifo)
    if hasattr(_os, "mknod"):
        mknod = _offload_change(_os.mknod)
    if hasattr(_os, "openpty"):
        openpty = _twin(_os.openpty, discard=_close_both)
    if hasattr(_os, "pathconf"):
        pathconf = _offload(_os.pathconf)
    if hasattr(_os, "pread"):
        pread = _offload(_os.pread)
    if hasattr(_os, "preadv"):
        preadv = _offload_change(_os.preadv)
    if hasattr(_os, "pwrite"):
        pwrite = _offload_change(_os.pwrite)
    if hasattr(_os, "pwritev"):
        pwritev = _offload_change(_os.pwritev)
    if hasattr(_os, "readv"):
        readv = _reads(_os.readv)
    if hasattr(_os, "sendfile"):
        sendfile = _writes(_os.sendfile)
    if hasattr(_os, "statvfs"):
        statvfs = _offload(_os.statvfs)
    if hasattr(_os, "sync"):
        sync = _offload_change(_os.sync)
    if hasattr(_os, "ttyname"):
        ttyname = _offload(_os.ttyname)
    if hasattr(_os, "wait"):
        wait = _twin(_os.wait, lane=_Lane.WAIT)
    if hasattr(_os, "wait3"):
        wait3 = _twin(_os.wait3, lane=_Lane.WAIT)
    if hasattr(_os, "wait4"):
        wait4 = _twin(_os.wait4, lane=_Lane.WAIT)
    if hasattr(_os, "waitid"):
        waitid = _twin(_os.waitid, lane=_Lane.WAIT)
    if hasattr(_os, "writev"):
        writev = _writes(_os.writev)

if sys.platform == "linux":
    if hasattr(_os, "copy_file_range"):
        copy_file_range = _offload_change(_os.copy_file_range)
    if hasattr(_os, "eventfd_read"):
        eventfd_read = _reads(_os.eventfd_read)
    if hasattr(_os, "eventfd_write"):
        eventfd_write = _writes(_os.eventfd_write)
    if hasattr(_os, "getxattr"):
        getxattr = _offload(_os.getxattr)
    if hasattr(_os, "listxattr"):
        listxattr = _offload(_os.listxattr)
    if hasattr(_os, "memfd_create"):
        memfd_create = _at_once(_os.memfd_create)
    if hasattr(_os, "removexattr"):
        removexattr = _offload_change(_os.removexattr)
    if hasattr(_os, "setxattr"):
        setxattr = _offload_change(_os.setxattr)
    if hasattr(_os, "splice"):
        splice = _reads(_os.splice)

if sys.platform != "win32" and sys.platform != "darwin":
    if hasattr(_os, "fdatasync"):
        fdatasync = _offload_change(_os.fdatasync)
    if hasattr(_os, "posix_fadvise"):
        posix_fadvise = _offload_change(_os.posix_fadvise)
    if hasattr(_os, "posix_fallocate"):
        posix_fallocate = _offload_change(_os.posix_fallocate)

if sys.platform != "win32" and sys.platform != "linux":
    if hasattr(_os, "chflags"):
        chflags = _offload_change(_os.chflags)
    if hasattr(_os, "lchflags"):
        lchflags = _offload_change(_os.lchflags)
    if hasattr(_os, "lchmod"):
        lchmod = _offload_change(_os.lchmod)

if sys.platform == "win32":
    if hasattr(_os, "listdrives"):
        listdrives = _offload(_os.listdrives)
    if hasattr(_os, "listmounts"):
        listmounts = _offload(_os.listmounts)
    if hasattr(_os, "listvolumes"):
        listvolumes = _offload(_os.listvolumes)
    if hasattr(_os, "startfile"):
        startfile = _offload_change(_os.startfile)

# -- Since a later Python ----------------------------------------------------------

if sys.platform != "win32" and sys.version_info >= (3, 13):
    if hasattr(_os, "grantpt"):
        grantpt = _offload_change(_os.grantpt)
    if hasattr(_os, "posix_openpt"):
        posix_openpt = _twin(_os.posix_openpt, discard=_os.close)
    if hasattr(_os, "ptsname"):
        ptsname = _offload(_os.ptsname)
    if hasattr(_os, "unlockpt"):
        unlockpt = _offload_change(_os.unlockpt)

if sys.version_info >= (3, 14):
    readinto = _reads(_os.readinto)

# -- What cannot be a twin ---------------------------------------------------------

if _typing.TYPE_CHECKING:
    fdopen = _open_file
else:

    def fdopen(fd, mode="r", buffering=-1, encoding=None, *args, **kwargs):
        """Return the file object of headrace for an open descriptor, as `open()` does.

        Args:
            fd: The descriptor; the file owns it, unless *closefd* is false.
            mode: As for `headrace.open`, like all other arguments.
            buffering: See *mode*.
            encoding: See *mode*.
            args: See *mode*.
            kwargs: See *mode*.

        Returns:
            An awaitable context manager for the file.
        """
        if not isinstance(fd, int):
            raise TypeError(f"invalid fd type ({type(fd)}, expected integer)")
        return _open_file(fd, mode, buffering, encoding, *args, **kwargs)


def _with_twins(functions: set[_Callable[..., _Any]]) -> set[_Callable[..., _Any]]:
    """Return *functions* of `os` and their twins: `os.stat in os.supports_dir_fd`."""
    own = [globals().get(function.__name__) for function in functions]
    return functions | {function for function in own if function is not None}


supports_dir_fd = _with_twins(_os.supports_dir_fd)
supports_effective_ids = _with_twins(_os.supports_effective_ids)
supports_fd = _with_twins(_os.supports_fd)
supports_follow_symlinks = _with_twins(_os.supports_follow_symlinks)
