"""What `headrace.os` takes from `os` as it is, because it waits for no file.

Constants and classes come over whole, so each platform has its own. Functions are
named one by one: one that a later Python adds cannot get in as a blocking one. Those
here ask or tell the kernel about this process, or make a descriptor of no file.
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

PathLike = _os.PathLike
abort = _os.abort
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
get_terminal_size = _os.get_terminal_size
getenv = _os.getenv
getpid = _os.getpid
getppid = _os.getppid
kill = _os.kill
linesep = _os.linesep
name = _os.name
pardir = _os.pardir
pathsep = _os.pathsep
pipe = _os.pipe
putenv = _os.putenv
sep = _os.sep
set_inheritable = _os.set_inheritable
stat_result = _os.stat_result
statvfs_result = _os.statvfs_result
strerror = _os.strerror
supports_bytes_environ = _os.supports_bytes_environ
terminal_size = _os.terminal_size
times = _os.times
times_result = _os.times_result
umask = _os.umask
unsetenv = _os.unsetenv
urandom = _os.urandom
waitstatus_to_exitcode = _os.waitstatus_to_exitcode

if sys.version_info >= (3, 13):
    process_cpu_count = _os.process_cpu_count

if sys.platform != "win32" or sys.version_info >= (3, 12):
    get_blocking = _os.get_blocking
    set_blocking = _os.set_blocking

if sys.platform != "win32":
    getegid = _os.getegid
    getenvb = _os.getenvb
    geteuid = _os.geteuid
    getgid = _os.getgid
    getuid = _os.getuid
    major = _os.major
    makedev = _os.makedev
    minor = _os.minor
    register_at_fork = _os.register_at_fork
    uname = _os.uname
    # A C library may lack some of those that follow.
    if hasattr(_os, "WCOREDUMP"):
        WCOREDUMP = _os.WCOREDUMP
    if hasattr(_os, "WEXITSTATUS"):
        WEXITSTATUS = _os.WEXITSTATUS
    if hasattr(_os, "WIFCONTINUED"):
        WIFCONTINUED = _os.WIFCONTINUED
    if hasattr(_os, "WIFEXITED"):
        WIFEXITED = _os.WIFEXITED
    if hasattr(_os, "WIFSIGNALED"):
        WIFSIGNALED = _os.WIFSIGNALED
    if hasattr(_os, "WIFSTOPPED"):
        WIFSTOPPED = _os.WIFSTOPPED
    if hasattr(_os, "WSTOPSIG"):
        WSTOPSIG = _os.WSTOPSIG
    if hasattr(_os, "WTERMSIG"):
        WTERMSIG = _os.WTERMSIG
    if hasattr(_os, "confstr"):
        confstr = _os.confstr
    if hasattr(_os, "ctermid"):
        ctermid = _os.ctermid
    if hasattr(_os, "getgroups"):
        getgroups = _os.getgroups
    if hasattr(_os, "getpgid"):
        getpgid = _os.getpgid
    if hasattr(_os, "getpgrp"):
        getpgrp = _os.getpgrp
    if hasattr(_os, "getpriority"):
        getpriority = _os.getpriority
    if hasattr(_os, "getresgid"):
        getresgid = _os.getresgid
    if hasattr(_os, "getresuid"):
        getresuid = _os.getresuid
    if hasattr(_os, "getsid"):
        getsid = _os.getsid
    if hasattr(_os, "killpg"):
        killpg = _os.killpg
    if hasattr(_os, "nice"):
        nice = _os.nice
    if hasattr(_os, "pipe2"):
        pipe2 = _os.pipe2
    if hasattr(_os, "sched_get_priority_max"):
        sched_get_priority_max = _os.sched_get_priority_max
    if hasattr(_os, "sched_get_priority_min"):
        sched_get_priority_min = _os.sched_get_priority_min
    if hasattr(_os, "sched_yield"):
        sched_yield = _os.sched_yield
    if hasattr(_os, "setegid"):
        setegid = _os.setegid
    if hasattr(_os, "seteuid"):
        seteuid = _os.seteuid
    if hasattr(_os, "setgid"):
        setgid = _os.setgid
    if hasattr(_os, "setgroups"):
        setgroups = _os.setgroups
    if hasattr(_os, "setpgid"):
        setpgid = _os.setpgid
    if hasattr(_os, "setpgrp"):
        setpgrp = _os.setpgrp
    if hasattr(_os, "setpriority"):
        setpriority = _os.setpriority
    if hasattr(_os, "setregid"):
        setregid = _os.setregid
    if hasattr(_os, "setresgid"):
        setresgid = _os.setresgid
    if hasattr(_os, "setresuid"):
        setresuid = _os.setresuid
    if hasattr(_os, "setreuid"):
        setreuid = _os.setreuid
    if hasattr(_os, "setsid"):
        setsid = _os.setsid
    if hasattr(_os, "setuid"):
        setuid = _os.setuid
    if hasattr(_os, "sysconf"):
        sysconf = _os.sysconf
    if hasattr(_os, "tcgetpgrp"):
        tcgetpgrp = _os.tcgetpgrp
    if hasattr(_os, "tcsetpgrp"):
        tcsetpgrp = _os.tcsetpgrp

if sys.platform == "linux":
    if hasattr(_os, "eventfd"):
        eventfd = _os.eventfd
    if hasattr(_os, "getrandom"):
        getrandom = _os.getrandom
    if hasattr(_os, "pidfd_open"):
        pidfd_open = _os.pidfd_open
    if hasattr(_os, "sched_getaffinity"):
        sched_getaffinity = _os.sched_getaffinity
    if hasattr(_os, "sched_getparam"):
        sched_getparam = _os.sched_getparam
    if hasattr(_os, "sched_getscheduler"):
        sched_getscheduler = _os.sched_getscheduler
    if hasattr(_os, "sched_rr_get_interval"):
        sched_rr_get_interval = _os.sched_rr_get_interval
    if hasattr(_os, "sched_setaffinity"):
        sched_setaffinity = _os.sched_setaffinity
    if hasattr(_os, "sched_setparam"):
        sched_setparam = _os.sched_setparam
    if hasattr(_os, "sched_setscheduler"):
        sched_setscheduler = _os.sched_setscheduler

if sys.platform == "linux" and sys.version_info >= (3, 12):
    if hasattr(_os, "setns"):
        setns = _os.setns
    if hasattr(_os, "unshare"):
        unshare = _os.unshare

if sys.platform == "linux" and sys.version_info >= (3, 13):
    if hasattr(_os, "timerfd_create"):
        timerfd_create = _os.timerfd_create
    if hasattr(_os, "timerfd_gettime"):
        timerfd_gettime = _os.timerfd_gettime
    if hasattr(_os, "timerfd_gettime_ns"):
        timerfd_gettime_ns = _os.timerfd_gettime_ns
    if hasattr(_os, "timerfd_settime"):
        timerfd_settime = _os.timerfd_settime
    if hasattr(_os, "timerfd_settime_ns"):
        timerfd_settime_ns = _os.timerfd_settime_ns

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

# -- What is left out --------------------------------------------------------------

_STARTS_A_PROCESS = (
    "starts a process; asyncio.create_subprocess_exec(), trio.run_process() and "
    "subprocess do that without blocking the loop or copying its threads"
)
_BECOMES_A_PROGRAM = (
    "replaces this process at once, whatever worker threads are writing; call the "
    "function of os after the event loop has ended"
)
_MODULE = "is a module that os imports for itself"

#: Public names of `os`, on any platform, that `headrace.os` does not have, and why.
LEFT_OUT: _typing.Final[dict[str, str]] = {
    "GenericAlias": _MODULE,
    "Mapping": _MODULE,
    "MutableMapping": _MODULE,
    "abc": _MODULE,
    "add_dll_directory": "changes how this process loads libraries; touches no file",
    "execl": _BECOMES_A_PROGRAM,
    "execle": _BECOMES_A_PROGRAM,
    "execlp": _BECOMES_A_PROGRAM,
    "execlpe": _BECOMES_A_PROGRAM,
    "execv": _BECOMES_A_PROGRAM,
    "execve": _BECOMES_A_PROGRAM,
    "execvp": _BECOMES_A_PROGRAM,
    "execvpe": _BECOMES_A_PROGRAM,
    "fork": _STARTS_A_PROCESS,
    "forkpty": _STARTS_A_PROCESS,
    "popen": _STARTS_A_PROCESS,
    "posix_spawn": _STARTS_A_PROCESS,
    "posix_spawnp": _STARTS_A_PROCESS,
    "spawnl": _STARTS_A_PROCESS,
    "spawnle": _STARTS_A_PROCESS,
    "spawnlp": _STARTS_A_PROCESS,
    "spawnlpe": _STARTS_A_PROCESS,
    "spawnv": _STARTS_A_PROCESS,
    "spawnve": _STARTS_A_PROCESS,
    "spawnvp": _STARTS_A_PROCESS,
    "spawnvpe": _STARTS_A_PROCESS,
    "st": _MODULE,
    "sys": _MODULE,
    "system": _STARTS_A_PROCESS,
}
