"""aiofiles 25.1's modules and names, over headrace's objects.

For programs written for aiofiles: change the import line, or call
`headrace.compat.install_aiofiles()` first thing and change nothing. Behaviour that
only aiofiles has, and that a program may lean on, is here, marked as an accident.
"""

from headrace.compat.aiofiles import tempfile
from headrace.compat.aiofiles.threadpool import (
    open,
    stderr,
    stderr_bytes,
    stdin,
    stdin_bytes,
    stdout,
    stdout_bytes,
)

__all__ = [
    "open",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
    "tempfile",
]
