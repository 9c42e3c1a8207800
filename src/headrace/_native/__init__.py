"""The seam between the C core and its Python twins: the only file that knows of both.

Every name comes from the extension where it was built, else from `py/`.
`HEADRACE_NATIVE=0` chooses the twins.
"""

from __future__ import annotations

from headrace._native.py.inline import (
    RESOLVE_CACHED,
    RESOLVE_NO_XDEV,
    SCRATCH_SIZE,
    cached_kind,
    file_system_type,
    open_cached,
    read_at,
    read_into_at,
)
from headrace._native.py.lines import find_line_end, last_line_end, split_lines
from headrace._native.py.reader import NO_LINES, Reader
from headrace._native.py.text import Text
from headrace._native.py.workers import Workers
from headrace._native.py.writer import Writer

__all__ = [
    "NO_LINES",
    "RESOLVE_CACHED",
    "RESOLVE_NO_XDEV",
    "SCRATCH_SIZE",
    "Reader",
    "Text",
    "Workers",
    "Writer",
    "cached_kind",
    "file_system_type",
    "find_line_end",
    "last_line_end",
    "open_cached",
    "read_at",
    "read_into_at",
    "split_lines",
]
