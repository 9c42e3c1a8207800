"""The typed face of the extension: the same names as in `py/`.

Type checkers see the twins through the seam; this says that nothing else is exported.
"""

from headrace._native.py.buffer import Buffer as Buffer
from headrace._native.py.inline import RESOLVE_CACHED as RESOLVE_CACHED
from headrace._native.py.inline import RESOLVE_NO_XDEV as RESOLVE_NO_XDEV
from headrace._native.py.inline import cached_kind as cached_kind
from headrace._native.py.inline import close_linked as close_linked
from headrace._native.py.inline import file_system_type as file_system_type
from headrace._native.py.inline import open_cached as open_cached
from headrace._native.py.inline import open_regular as open_regular
from headrace._native.py.inline import read_at as read_at
from headrace._native.py.inline import read_file as read_file
from headrace._native.py.inline import read_into_at as read_into_at
from headrace._native.py.lines import find_line_end as find_line_end
from headrace._native.py.lines import last_line_end as last_line_end
from headrace._native.py.lines import split_lines as split_lines
from headrace._native.py.raw import Raw as Raw
from headrace._native.py.reader import Reader as Reader
from headrace._native.py.ready import Ready as Ready
from headrace._native.py.text import Text as Text
from headrace._native.py.writer import Writer as Writer

def counts() -> tuple[int, int]:
    """Return the buffer hits and inline calls that the core counted."""
