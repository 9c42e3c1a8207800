"""mypy and pyright, both strict, agree with what `open_overloads.py` asserts."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLES = [HERE / "open_overloads.py", HERE / "mistakes.py"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_mypy_agrees() -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", *EXAMPLES],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_pyright_agrees() -> None:
    if importlib.util.find_spec("pyright") is None and not shutil.which("pyright"):
        pytest.skip("pyright is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, EXAMPLES[0]],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "error" in done.stderr and not done.stdout:
        pytest.skip(f"pyright cannot run here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
