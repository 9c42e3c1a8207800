"""CPython's own file tests pass on headrace; see `run_cpython_suite.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parent / "run_cpython_suite.py"


# Three runs: each has to end within a test's minute, on a busy machine too.
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(
            ["test_file", "test_univnewlines", "test_largefile", "test_io"], id="files"
        ),
        pytest.param(["test_glob", "test_pathlib"], id="paths"),
        pytest.param(["test_os", "test_shutil", "test_tempfile"], id="modules"),
    ],
)
def test_cpythons_file_tests_pass(names: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, RUNNER, "--fast", *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=55,
        # As regrtest does: a warning that a test expects must not end the run.
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
