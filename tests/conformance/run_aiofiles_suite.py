"""Run aiofiles' own test suite against `headrace.compat.aiofiles`.

    python tests/conformance/run_aiofiles_suite.py [pytest arguments]

The suite comes from aiofiles' source distribution, fetched with pip, and is run as it
is, from a temporary directory: nothing of it is copied into the repository, and not a
line of it is changed. A plugin that is loaded before collection makes ``import
aiofiles`` mean headrace. The exit status is that of pytest.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

VERSION = "25.1.0"
PYTEST_ASYNCIO = "pytest-asyncio>=1.0.0"

# One for each user, who alone can write there.
USER = os.getuid() if hasattr(os, "getuid") else ""
CACHE = Path(tempfile.gettempdir(), f"headrace-aiofiles-{VERSION}-{USER}")
SOURCE = Path(__file__).resolve().parents[2] / "src"

PLUGIN = '''
    """Makes `import aiofiles` mean headrace, and shows it in the report."""

    from headrace.compat import install_aiofiles

    install_aiofiles()


    def pytest_report_header():
        import aiofiles

        return f"aiofiles is {aiofiles.__name__}, {aiofiles.__file__}"
'''


def pip(*arguments: str) -> None:
    """Run pip of this interpreter, quietly."""
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", *arguments, *quiet], check=True)


def fetch() -> Path:
    """Return the source distribution, from the cache or with pip."""
    archive = CACHE / f"aiofiles-{VERSION}.tar.gz"
    if not archive.exists():
        pip(
            "download",
            "--no-binary=:all:",
            "--no-deps",
            f"--dest={CACHE}",
            f"aiofiles=={VERSION}",
        )
    return archive


def fetch_plugins() -> Path:
    """Return a directory with the pytest plugins that the suite needs."""
    plugins = CACHE / f"plugins-{sys.version_info.major}.{sys.version_info.minor}"
    if not plugins.exists():
        pip("install", "--no-deps", f"--target={plugins}", PYTEST_ASYNCIO)
    return plugins


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


def main(arguments: list[str]) -> int:
    """Fetch the suite, run it, and return pytest's exit status."""
    CACHE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fetch()) as archive:
            archive.extractall(folder, filter="data")
        Path(folder, "headrace_as_aiofiles.py").write_text(textwrap.dedent(PLUGIN))
        paths = [str(SOURCE), folder, str(fetch_plugins())]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", "pytest", "-p", "headrace_as_aiofiles"]
        return subprocess.run(
            [*command, "-p", "no:cacheprovider", *(arguments or ["tests"])],
            cwd=Path(folder, f"aiofiles-{VERSION}"),
            env=environment,
            preexec_fn=without_overriding(),
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
