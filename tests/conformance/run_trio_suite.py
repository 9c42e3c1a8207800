"""Run Trio's own file and path tests on headrace's files and paths.

    python tests/conformance/run_trio_suite.py [pytest arguments]

See `peer_suite.py` for how. The exit status is that of pytest.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from peer_suite import Suite

PLUGIN = '''
    """Puts headrace's files and paths in the place of Trio's."""

    import trio
    import trio._file_io

    import headrace

    trio.open_file = trio._file_io.open_file = headrace.open
    trio.wrap_file = trio._file_io.wrap_file = headrace.wrap
    trio.Path = trio.PosixPath = headrace.Path
    trio._file_io.AsyncIOWrapper = headrace.AsyncFile


    def pytest_report_header():
        return f"trio.Path is {trio.Path}, of {headrace.__file__}"
'''

# The ends of their names, and why.
EXCLUDED = {
    "test_path.py::test_repr": "a path shows its class, as pathlib's do: Path('.')",
    "test_file_io.py::test_wrap_non_iobase": (
        "headrace.AsyncFile is a protocol, which a file without read() does not have"
    ),
    "test_file_io.py::test_unsupported_not_forwarded": (
        "wrap() gives every attribute of what it wraps; Trio those on a list"
    ),
    "test_file_io.py::test_sync_attrs_forwarded": (
        "isatty(), readable(), writable(), seekable() are coroutines, as in aiofiles"
    ),
    "test_file_io.py::test_async_methods_generated_once": (
        "methods are bound methods, and so are new objects each time"
    ),
    "test_file_io.py::test_async_methods_signature": "the name of Trio's class",
    "test_file_io.py::test_detach_rewraps_asynciobase": (
        "detach() is no coroutine, as in io and aiofiles"
    ),
}

SUITE = Suite(
    project="trio",
    version="0.35.0",
    plugin=PLUGIN,
    tests=["src/trio/_tests/test_path.py", "src/trio/_tests/test_file_io.py"],
    # What Trio needs: it is imported from its sources, as its tests import it.
    requirements=["attrs", "idna", "outcome", "sniffio", "sortedcontainers"],
    packages="src",
    options=[
        "--import-mode=importlib",
        "-p",
        "trio._tests.pytest_plugin",
        "-p",
        "no:asyncio",
        "-p",
        "no:trio",
    ],
    settings="[pytest]\nfilterwarnings = error\n",
    excluded=EXCLUDED,
)

if __name__ == "__main__":
    sys.exit(SUITE.run(sys.argv[1:]))
