"""What this kernel and this Python can do; each probe cached, with its source.

Version and platform differences live here, not in the middle of logic. Leaf module.
Nothing is probed at import: every fact is found out when first asked for.
"""

from __future__ import annotations

import functools
import os
import re
import sys

IS_LINUX = sys.platform == "linux"
IS_WINDOWS = sys.platform == "win32"

#: preadv2(2), Linux 4.14: a read that fails with EAGAIN rather than wait for a disk.
RWF_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)

#: open(2) flags that are not everywhere.
O_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows: no newline translation
O_NOINHERIT: int = getattr(os, "O_NOINHERIT", 0)  # Windows: not inherited (PEP 446)
O_CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)
O_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
O_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
O_PATH: int = getattr(os, "O_PATH", 0)


@functools.cache
def kernel_version() -> tuple[int, int]:
    """Return the Linux kernel's version as (major, minor); (0, 0) elsewhere."""
    if not IS_LINUX:
        return (0, 0)
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@functools.cache
def inline_reads() -> str:
    """Say why reads cannot be made without waiting here; "" when they can."""
    if not RWF_NOWAIT or not hasattr(os, "preadv"):
        return "preadv2(RWF_NOWAIT) is not offered by this platform"
    # ClickHouse#39800: on 5.9 and 5.10 such reads come back short, or with 0 bytes
    # before the end of the file.
    if (5, 9) <= kernel_version() <= (5, 10):
        return "preadv2(RWF_NOWAIT) gives wrong short reads on Linux 5.9 and 5.10"
    return ""


@functools.cache
def is_android() -> bool:
    """Tell whether this is Android, where unknown system calls kill the process."""
    # sys.platform is "linux" there before 3.13, "android" since (PEP 738).
    return sys.platform == "android" or hasattr(sys, "getandroidapilevel")


def worker_limit() -> int:
    """Return the most worker threads for ordinary jobs: min(32, CPUs + 4).

    The bound of `concurrent.futures.ThreadPoolExecutor`.
    """
    count = getattr(os, "process_cpu_count", os.cpu_count)()
    return min(32, (count or 1) + 4)


def usable_cpus() -> int:
    """Return how many CPUs this process may run on, sched_getaffinity(2)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
