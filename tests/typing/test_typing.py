"""mypy and pyright, both strict, agree with what `open_overloads.py` asserts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import _native
from tests import run_doc_page

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GOOD = [
    HERE / name
    for name in ("filesystem.py", "open_overloads.py", "paths.py", "protocols.py")
]
EXAMPLES = [*GOOD, HERE / "mistakes.py"]


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
def test_examples_of_the_readme_are_typed(tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for number, block in enumerate(run_doc_page.blocks(text)):
        if block.language == "python":
            (tmp_path / f"example_{number}.py").write_text(block.text)
    assert len(list(tmp_path.iterdir())) >= 2
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports",
         "--config-file=", *tmp_path.glob("*.py")],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_stub_of_the_core_is_right() -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    if _native.Ring is None:
        pytest.skip("the C core, or its ring, is not built or not used here")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "headrace._native._core"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
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
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *GOOD],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "error" in done.stderr and not done.stdout:
        pytest.skip(f"pyright cannot run here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
