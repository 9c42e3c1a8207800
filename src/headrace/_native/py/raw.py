"""What the core knows of an open descriptor: the base of the raw file.

Twin of `c/raw.c`. Attributes, and the ways in and out that cannot wait; reading without
waiting from what they say is the subclass's business, and in C the reader's as well.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from headrace._native.py import inline
from headrace._stats import counters

#: Inline reads of one file between two looks at the budget.
OPERATIONS_PER_LOOK = 8

Self = TypeVar("Self", bound="Raw")


class Raw:
    """A descriptor, its position, and how it may be read."""

    _fd = -1
    closed = True
    #: The position in bytes, or -1 where the kernel's own is used.
    _position = -1
    #: What the file's size was when last seen, in bytes: only ever a hint.
    _size = 0
    #: Whether reads without waiting are worth a try, and the longest that the C core
    #: makes itself.
    _inline = False
    _inline_limit = 0
    #: Inline reads until the budget is asked again.
    _credit = OPERATIONS_PER_LOOK
    #: Bytes that have to be written before anything else.
    _owed = b""
    #: A cancelled read at the kernel's position that has not come back yet.
    _late: Any = None
    #: The turn at this file; its `held` says that an operation is under way.
    _turns: Any = None
    #: Whether close(2) of it cannot wait: on a local file system, and only read.
    _closes = False
    #: Whether closing the file closes the descriptor.
    closefd = True
    can_read = False
    can_write = False
    #: Neither a regular file nor a block device: reads and writes may wait for ever,
    #: and there is no position.
    _special = False
    #: How many files stand on this one: none, a buffered one, and a text file.
    #: Only the outermost closes when it is collected: in a reference cycle they are
    #: collected in any order, and the others hold what this one lacks.
    layers = 0

    # Of no concern here, and kept for the subclass: the name as it was given, the
    # record of the mode, what is known of the device, who runs the jobs, and those
    # that use the descriptor.
    name: Any = None
    _mode: Any = None
    _device: Any = None
    _executor: Any = None
    _in_flight: Any = None

    #: What offsets and memory have to be multiples of with O_DIRECT, in bytes; 0: none.
    _alignment = 0
    #: Inline `pread`s that had to wait; less those that had not.
    _misses = 0
    #: How the loop's ring reads the file without asking Python: there is none here.
    _ring_reads: Any = None

    def _pread(self, size: int, offset: int, /) -> Coroutine[Any, Any, bytes]:
        """Read *size* bytes at *offset*."""
        return self._pread_wait(size, offset)

    @classmethod
    def _open_cached(
        cls: type[Self],
        path: str | bytes,
        mode: Any,
        flags: int,
        resolve: int,
        devices: dict[int, Any],
        limit: int,
        /,
    ) -> Self | int | tuple[int, int, int, int, int]:
        """Open a regular file for reading if that cannot wait.

        Args:
            path: A path.
            mode: The record that becomes `_mode`.
            flags: What open(2) would be given, for the audit event.
            resolve: `RESOLVE_*` flags beside `RESOLVE_CACHED`.
            devices: What is known of each st_dev: `local` and `nowait`.
            limit: The longest inline read of the core, in bytes.

        Returns:
            The raw file; the negative errno if nothing was opened; or, for what is no
            regular file or on an unknown device, what `open_regular` gives.
        """
        name = inline.absolute(path)
        if name is None:
            return -errno.EAGAIN
        counters.inline_calls += 1
        opened = inline.open_regular(name, resolve)
        fd, number, kind, _, size = opened
        if fd < 0:
            return fd
        device = devices.get(number)
        if device is None or not stat.S_ISREG(kind):
            return opened
        try:
            # Only now: where this way is not taken, os.open() raises it (PEP 578).
            sys.audit("open", path, "r", flags)
            raw = cls.__new__(cls)
        except BaseException:
            os.close(fd)
            raise
        raw._fd = fd
        raw.closed = False
        raw.can_read = True
        raw._closes = device.local
        raw._inline = device.nowait
        raw._inline_limit = limit
        raw._position = 0
        raw._size = size
        raw.name = path
        raw._mode = mode
        raw._device = device
        return raw

    def __del__(self) -> None:
        if not self.closed and not self.layers:
            self._dropped()

    if TYPE_CHECKING:
        # What the subclass offers: it is collected without having been closed.
        def _dropped(self) -> None: ...
        async def _pread_wait(self, size: int, offset: int) -> bytes: ...
