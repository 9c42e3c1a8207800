"""`workers.c` under ThreadSanitizer, driven from many threads; see `make test-tsan`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the native threads need Linux"),
]

SOURCES = Path(__file__).parents[2] / "src" / "headrace" / "_native" / "c"


#: What runs in the native threads, and knows nothing of Python.
PARTS = ("workers", "work", "large", "inbox")


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_no_call_is_lost_and_nothing_is_raced_for(
    sanitizer: str, tmp_path: Path
) -> None:
    compiler = shutil.which("cc")
    if compiler is None or not SOURCES.is_dir():
        pytest.skip("needs a C compiler and the sources of the core")
    program = tmp_path / "drive"
    driver = Path(__file__).with_name("drive_workers.c")
    built = subprocess.run(
        [
            *(compiler, "-std=c11", "-g", "-O1", f"-fsanitize={sanitizer}"),
            *(f"-I{SOURCES}", str(driver)),
            *(str(SOURCES / f"{part}.c") for part in PARTS),
            *("-o", str(program), "-lpthread"),
        ],
        capture_output=True,
        text=True,
    )
    if built.returncode:
        pytest.skip(
            f"the compiler has no -fsanitize={sanitizer}: {built.stderr[-200:]}"
        )
    done = subprocess.run([program], capture_output=True, text=True, timeout=50)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer cannot run on this kernel")
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 10_000
