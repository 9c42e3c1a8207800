"""What `headrace.os` takes from `os` as it is, because it touches no file.

Constants and classes come over whole, so each platform has its own. Functions are
named one by one: one that a later Python adds cannot get in as a blocking one.
"""

import os as _os
import sys
import typing as _typing

# -- On every platform -------------------------------------------------------------

F_OK = _os.F_OK
O_APPEND = _os.O_APPEND
O_CREAT = _os.O_CREAT
O_EXCL = _os.O_EXCL
O_RDONLY = _os.O_RDONLY
O_RDWR = _os.O_RDWR
O_TRUNC = _os.O_TRUNC
O_WRONLY = _os.O_WRONLY
R_OK = _os.R_OK
SEEK_CUR = _os.SEEK_CUR
SEEK_END = _os.SEEK_END
SEEK_SET = _os.SEEK_SET
W_OK = _os.W_OK
X_OK = _os.X_OK

DirEntry = _os.DirEntry
PathLike = _os.PathLike
altsep = _os.altsep
cpu_count = _os.cpu_count
curdir = _os.curdir
defpath = _os.defpath
device_encoding = _os.device_encoding
devnull = _os.devnull
environ = _os.environ
error = _os.error
extsep = _os.extsep
fsdecode = _os.fsdecode
fsencode = _os.fsencode
fspath = _os.fspath
get_exec_path = _os.get_exec_path
get_inheritable = _os.get_inheritable
getenv = _os.getenv
getpid = _os.getpid
getppid = _os.getppid
linesep = _os.linesep
name = _os.name
pardir = _os.pardir
pathsep = _os.pathsep
putenv = _os.putenv
sep = _os.sep
set_inheritable = _os.set_inheritable
stat_result = _os.stat_result
statvfs_result = _os.statvfs_result
strerror = _os.strerror
supports_bytes_environ = _os.supports_bytes_environ
supports_dir_fd = _os.supports_dir_fd
supports_effective_ids = _os.supports_effective_ids
supports_fd = _os.supports_fd
supports_follow_symlinks = _os.supports_follow_symlinks
terminal_size = _os.terminal_size
umask = _os.umask
unsetenv = _os.unsetenv
urandom = _os.urandom

if sys.version_info >= (3, 13):
    process_cpu_count = _os.process_cpu_count

if sys.platform != "win32":
    getegid = _os.getegid
    getenvb = _os.getenvb
    geteuid = _os.geteuid
    getgid = _os.getgid
    getuid = _os.getuid
    major = _os.major
    makedev = _os.makedev
    minor = _os.minor
    uname = _os.uname

# -- The constants of a platform ---------------------------------------------------
# Type checkers get those for files, as typeshed has them. At run time they are all
# here, and the interpreter says which there are: it depends on the C library, too.

if _typing.TYPE_CHECKING:
    if sys.platform != "win32":
        F_LOCK = _os.F_LOCK
        F_TEST = _os.F_TEST
        F_TLOCK = _os.F_TLOCK
        F_ULOCK = _os.F_ULOCK
        O_ACCMODE = _os.O_ACCMODE
        O_ASYNC = _os.O_ASYNC
        O_CLOEXEC = _os.O_CLOEXEC
        O_DIRECTORY = _os.O_DIRECTORY
        O_DSYNC = _os.O_DSYNC
        O_FSYNC = _os.O_FSYNC
        O_NDELAY = _os.O_NDELAY
        O_NOCTTY = _os.O_NOCTTY
        O_NOFOLLOW = _os.O_NOFOLLOW
        O_NONBLOCK = _os.O_NONBLOCK
        O_SYNC = _os.O_SYNC
        SEEK_DATA = _os.SEEK_DATA
        SEEK_HOLE = _os.SEEK_HOLE
        ST_NOSUID = _os.ST_NOSUID
        ST_RDONLY = _os.ST_RDONLY
        environb = _os.environb
        pathconf_names = _os.pathconf_names
    if sys.platform == "linux":
        O_DIRECT = _os.O_DIRECT
        O_LARGEFILE = _os.O_LARGEFILE
        O_NOATIME = _os.O_NOATIME
        O_PATH = _os.O_PATH
        O_RSYNC = _os.O_RSYNC
        O_TMPFILE = _os.O_TMPFILE
        POSIX_FADV_DONTNEED = _os.POSIX_FADV_DONTNEED
        POSIX_FADV_NOREUSE = _os.POSIX_FADV_NOREUSE
        POSIX_FADV_NORMAL = _os.POSIX_FADV_NORMAL
        POSIX_FADV_RANDOM = _os.POSIX_FADV_RANDOM
        POSIX_FADV_SEQUENTIAL = _os.POSIX_FADV_SEQUENTIAL
        POSIX_FADV_WILLNEED = _os.POSIX_FADV_WILLNEED
        RWF_APPEND = _os.RWF_APPEND
        RWF_DSYNC = _os.RWF_DSYNC
        RWF_HIPRI = _os.RWF_HIPRI
        RWF_NOWAIT = _os.RWF_NOWAIT
        RWF_SYNC = _os.RWF_SYNC
        SPLICE_F_MORE = _os.SPLICE_F_MORE
        SPLICE_F_MOVE = _os.SPLICE_F_MOVE
        SPLICE_F_NONBLOCK = _os.SPLICE_F_NONBLOCK
        ST_APPEND = _os.ST_APPEND
        ST_MANDLOCK = _os.ST_MANDLOCK
        ST_NOATIME = _os.ST_NOATIME
        ST_NODEV = _os.ST_NODEV
        ST_NODIRATIME = _os.ST_NODIRATIME
        ST_NOEXEC = _os.ST_NOEXEC
        ST_RELATIME = _os.ST_RELATIME
        ST_SYNCHRONOUS = _os.ST_SYNCHRONOUS
        ST_WRITE = _os.ST_WRITE
        XATTR_CREATE = _os.XATTR_CREATE
        XATTR_REPLACE = _os.XATTR_REPLACE
        XATTR_SIZE_MAX = _os.XATTR_SIZE_MAX
    if sys.platform == "darwin":
        O_EVTONLY = _os.O_EVTONLY
        O_EXLOCK = _os.O_EXLOCK
        O_NOFOLLOW_ANY = _os.O_NOFOLLOW_ANY
        O_SHLOCK = _os.O_SHLOCK
        O_SYMLINK = _os.O_SYMLINK
    if sys.platform == "win32":
        O_BINARY = _os.O_BINARY
        O_NOINHERIT = _os.O_NOINHERIT
        O_RANDOM = _os.O_RANDOM
        O_SEQUENTIAL = _os.O_SEQUENTIAL
        O_SHORT_LIVED = _os.O_SHORT_LIVED
        O_TEMPORARY = _os.O_TEMPORARY
        O_TEXT = _os.O_TEXT
else:

    def _is_plain(key, value):
        """Tell whether *value* is a constant or a class, and not something else."""
        hidden = key.startswith("_") or isinstance(value, type(_os))
        return not hidden and (isinstance(value, type) or not callable(value))

    _own = {"abc", "st", "MutableMapping", "Mapping", "GenericAlias"}  # its imports
    globals().update(
        {
            key: value
            for key, value in vars(_os).items()
            if _is_plain(key, value) and key not in _own
        }
    )
