"""CPython's own file tests pass on headrace; see `run_cpython_suite.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parent / "run_cpython_suite.py"


FILES = ["test_file", "test_univnewlines", "test_largefile", "test_io"]


# More runs than one: each has to end within a test's minute, on a busy machine too.
@pytest.mark.parametrize(
    ("host", "names"),
    [
        pytest.param("asyncio", FILES, id="files"),
        pytest.param("asyncio", ["test_glob", "test_pathlib"], id="paths"),
        pytest.param(
            "asyncio", ["test_os", "test_shutil", "test_tempfile"], id="modules"
        ),
        pytest.param("trio", FILES, id="files-on-trio"),
    ],
)
def test_cpythons_file_tests_pass(host: str, names: list[str]) -> None:
    pytest.importorskip(host)
    done = subprocess.run(
        [sys.executable, RUNNER, "--fast", *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=55,
        # As regrtest does: a warning that a test expects must not end the run.
        env={
            **os.environ,
            "PYTHONWARNINGS": "default",
            "HEADRACE_SYNC_HOST": host,
        },
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
