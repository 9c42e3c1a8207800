"""Run aiofiles' own test suite against `headrace.compat.aiofiles`.

    python tests/conformance/run_aiofiles_suite.py [pytest arguments]

See `peer_suite.py` for how. The exit status is that of pytest.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from peer_suite import Suite

PLUGIN = '''
    """Makes `import aiofiles` mean headrace, and shows it in the report."""

    from headrace.compat import install_aiofiles

    install_aiofiles()


    def pytest_report_header():
        import aiofiles

        return f"aiofiles is {aiofiles.__name__}, {aiofiles.__file__}"
'''

SUITE = Suite(
    project="aiofiles",
    version="25.1.0",
    plugin=PLUGIN,
    tests=["tests"],
    requirements=["--no-deps", "pytest-asyncio>=1.0.0"],
)


def without_overriding() -> Callable[[], None] | None:
    """Return what takes root's right to ignore permissions from a child process.

    One of the tests asks access(2) about files without permissions, and expects what
    anybody but root is told.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    drop_from_bounding_set = 24  # PR_CAPBSET_DROP, prctl(2)
    overriding = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, capabilities(7)

    def drop() -> None:
        for capability in overriding:
            prctl(drop_from_bounding_set, capability, 0, 0, 0)

    return drop


if __name__ == "__main__":
    sys.exit(SUITE.run(sys.argv[1:], without_overriding()))
