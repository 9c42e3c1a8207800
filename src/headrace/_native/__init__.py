"""The seam between the C core and its Python twins: the only file that knows of both.

Every name comes from the extension where it was built, else from `py/`.
`HEADRACE_NATIVE=0` chooses the twins.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from headrace._native.py.inline import (
    RESOLVE_CACHED,
    RESOLVE_NO_XDEV,
    SCRATCH_SIZE,
    absolute,
)
from headrace._native.py.raw import OPERATIONS_PER_LOOK
from headrace._native.py.reader import AHEAD_AFTER_JUMP, NO_LINES
from headrace._native.py.workers import Workers
from headrace._stats import counters

__all__ = [
    "AHEAD_AFTER_JUMP",
    "NATIVE",
    "NATIVE_REASON",
    "NO_LINES",
    "OPERATIONS_PER_LOOK",
    "RESOLVE_CACHED",
    "RESOLVE_NO_XDEV",
    "SCRATCH_SIZE",
    "Batch",
    "Buffer",
    "Call",
    "CallWorkers",
    "Completions",
    "Entry",
    "Operation",
    "Raw",
    "Reader",
    "Ready",
    "Ring",
    "RingReads",
    "Text",
    "Workers",
    "Writer",
    "absolute",
    "cached_kind",
    "close_linked",
    "copy_new",
    "file_system_type",
    "find_line_end",
    "last_line_end",
    "open_cached",
    "open_regular",
    "read_at",
    "read_file",
    "read_into_at",
    "split_lines",
    "status_cached",
]

#: Whether the names come from the C core, and why (not).
NATIVE = False
NATIVE_REASON = "asked for by HEADRACE_NATIVE=0"

if not TYPE_CHECKING and os.environ.get("HEADRACE_NATIVE") != "0":
    try:
        from headrace._native import _core
    except ImportError as error:
        found = error.name != "headrace._native" or "_core" not in str(error)
        NATIVE_REASON = (
            f"the C core cannot be loaded here: {error}"
            if found
            else "this installation has no C core"
        )
    else:
        NATIVE = True
        NATIVE_REASON = "the extension is installed"
        counters.core = _core.counts

if TYPE_CHECKING:
    from headrace._native._core import (
        Call,
        CallWorkers,
        Completions,
        Operation,
        Ring,
        RingReads,
    )
else:
    # No twin: None without the core, or where it was built without io_uring.
    Ring = getattr(_core, "Ring", None) if NATIVE else None
    RingReads = getattr(_core, "RingReads", None) if NATIVE else None
    Operation = getattr(_core, "Operation", None) if NATIVE else None
    # Likewise, where it was built without native threads.
    Call = getattr(_core, "Call", None) if NATIVE else None
    CallWorkers = getattr(_core, "CallWorkers", None) if NATIVE else None
    Completions = getattr(_core, "Completions", None) if NATIVE else None

# One or the other, never some of both: they share their objects' attributes.
if not TYPE_CHECKING and NATIVE:
    from headrace._native._core import (
        Batch,
        Buffer,
        Entry,
        Raw,
        Reader,
        Ready,
        Text,
        Writer,
        cached_kind,
        close_linked,
        copy_new,
        file_system_type,
        find_line_end,
        last_line_end,
        open_cached,
        open_regular,
        read_at,
        read_file,
        read_into_at,
        split_lines,
        status_cached,
    )
else:
    from headrace._native.py.batch import Batch, Entry
    from headrace._native.py.buffer import Buffer
    from headrace._native.py.copy import copy_new
    from headrace._native.py.inline import (
        cached_kind,
        close_linked,
        file_system_type,
        open_cached,
        open_regular,
        read_at,
        read_file,
        read_into_at,
        status_cached,
    )
    from headrace._native.py.lines import find_line_end, last_line_end, split_lines
    from headrace._native.py.raw import Raw
    from headrace._native.py.reader import Reader
    from headrace._native.py.ready import Ready
    from headrace._native.py.text import Text
    from headrace._native.py.writer import Writer
