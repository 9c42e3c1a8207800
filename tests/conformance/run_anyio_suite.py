"""Run anyio's own file and path tests on headrace's files and paths.

    python tests/conformance/run_anyio_suite.py [pytest arguments]

On asyncio, uvloop (where it is installed) and Trio. See `peer_suite.py` for how. The
exit status is that of pytest.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from peer_suite import Suite

PLUGIN = '''
    """Puts headrace's files and paths in the place of anyio's."""

    import importlib.util

    import anyio
    import pytest

    import headrace

    anyio.open_file = headrace.open
    anyio.wrap_file = headrace.wrap
    anyio.Path = headrace.Path
    anyio.AsyncFile = headrace.AsyncFile

    BACKENDS = [
        pytest.param(("asyncio", {"debug": True}), id="asyncio"),
        pytest.param(("trio", {}), id="trio"),
    ]
    if importlib.util.find_spec("uvloop"):
        BACKENDS.append(pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"))


    @pytest.fixture(scope="module", params=BACKENDS)
    def anyio_backend(request):
        return request.param


    def pytest_report_header():
        return f"anyio.Path is {anyio.Path}, of {headrace.__file__}"
'''

SETTINGS = """
    [pytest]
    anyio_mode = auto
    filterwarnings = error
"""

# The ends of their names, and why.
EXCLUDED: dict[str, str] = {}

SUITE = Suite(
    project="anyio",
    version="4.16.0",
    plugin=PLUGIN,
    tests=["tests/test_fileio.py"],
    requirements=["anyio==4.16.0", "trio==0.35.0"],
    options=["--noconftest", "-p", "anyio", "-p", "no:asyncio", "-p", "no:trio"],
    settings=SETTINGS,
    excluded=EXCLUDED,
)

if __name__ == "__main__":
    sys.exit(SUITE.run(sys.argv[1:]))
