"""What the core knows of an open descriptor: the base of the raw file.

Twin of `c/raw.c`. Attributes alone; reading without waiting from what they say is the
subclass's business, and in C the reader's as well.
"""

from __future__ import annotations

from typing import Any

#: Inline reads of one file between two looks at the budget.
OPERATIONS_PER_LOOK = 8


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
