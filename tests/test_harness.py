"""The harness of conftest.py notices what it is there to notice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# One process runs BAD_TESTS, once, where pytest-xdist has several (--dist loadgroup).
pytestmark = pytest.mark.xdist_group("harness")

ROOT = Path(__file__).parent.parent

BAD_TESTS = """
import asyncio, os, threading, time
import pytest
from hypothesis import given, strategies

async def test_passes(loop, tmp_path):
    assert type(asyncio.get_running_loop()).__module__.startswith(loop.name)
    await asyncio.sleep(0)

@given(number=strategies.integers(0, 9))
async def test_property_holds(number):
    await asyncio.sleep(0)

@given(number=strategies.integers(0, 9))
async def test_property_is_broken(number):
    assert number < 9

async def test_asserts_wrong():
    assert False

async def test_leaves_descriptor_open():
    os.open("/dev/null", os.O_RDONLY)

async def test_closes_descriptor_late():
    fd = os.open("/dev/null", os.O_RDONLY)
    threading.Timer(0.05, os.close, [fd]).start()

async def test_leaves_file_open():
    open("/dev/null")

async def test_leaves_file_open_in_a_cycle():
    cycle = [open("/dev/null")]
    cycle.append(cycle)

async def test_never_awaits():
    asyncio.sleep(0)

async def test_retrieves_no_exception():
    async def fail():
        raise ValueError
    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])

async def test_loses_exception_of_a_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.01)

@pytest.mark.timeout(0.2)
async def test_hangs():
    await asyncio.Event().wait()

@pytest.mark.timeout(0.2)
async def test_blocks():
    time.sleep(30)

def test_loses_exception_of_a_thread():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
"""

GOOD = ["test_passes", "test_property_holds", "test_closes_descriptor_late"]
BAD = [
    "test_property_is_broken",
    "test_asserts_wrong",
    "test_leaves_descriptor_open",
    "test_leaves_file_open",
    "test_leaves_file_open_in_a_cycle",
    "test_never_awaits",
    "test_retrieves_no_exception",
    "test_loses_exception_of_a_callback",
    "test_hangs",
    "test_blocks",
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Run BAD_TESTS under the harness; give outcomes, as "FAILED test_x[asyncio]"."""
    path = tmp_path_factory.mktemp("harness") / "test_bad.py"
    path.write_text(BAD_TESTS)
    command = [
        *(sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")),
        *("-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("-rA", "--tb=no", "--rootdir", str(path.parent), str(path)),
    ]
    result = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    lines = re.findall(r"^([A-Z]+) \S*::(\S+)", result.stdout, re.MULTILINE)
    return {f"{outcome} {test}" for outcome, test in lines}


@pytest.mark.parametrize("host", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name", GOOD)
def test_good_test_passes(name: str, host: str, outcomes: set[str]) -> None:
    if host == "uvloop":
        pytest.importorskip("uvloop")
    assert f"PASSED {name}[{host}]" in outcomes
    assert f"ERROR {name}[{host}]" not in outcomes


@pytest.mark.parametrize("host", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name", BAD)
def test_bad_test_fails(name: str, host: str, outcomes: set[str]) -> None:
    if host == "uvloop":
        pytest.importorskip("uvloop")
    # ERROR: what is found when the test is over, on the way out of its fixtures.
    bad = {f"{word} {name}[{host}]" for word in ("FAILED", "ERROR")}
    assert bad & outcomes


def test_plain_test_fails_too(outcomes: set[str]) -> None:
    assert "FAILED test_loses_exception_of_a_thread" in outcomes
