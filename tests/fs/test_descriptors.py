"""What `headrace.os` does with open descriptors, and how it opens them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import headrace.os
from headrace import stats
from tests import tasks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, FIFOs")

SOON_S = 0.05


@pytest.fixture
def pipe() -> Any:
    ends = list(os.pipe())
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


# -- Files ----------------------------------------------------------------------


async def test_file_is_opened_written_read_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fd = await headrace.os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        assert await headrace.os.write(fd, b"0123456789") == 10
        assert await headrace.os.lseek(fd, 2, os.SEEK_SET) == 2
        assert await headrace.os.read(fd, 3) == b"234"
        assert await headrace.os.pread(fd, 3, 7) == b"789"
        assert await headrace.os.pwrite(fd, b"xy", 0) == 2
        assert await headrace.os.writev(fd, [b"-", b"+"]) == 2
        buffers = [bytearray(2), bytearray(3)]
        assert await headrace.os.preadv(fd, buffers, 0) == 5
        assert buffers == [b"xy", b"234"]
        await headrace.os.fsync(fd)
        await headrace.os.ftruncate(fd, 4)
        assert (await headrace.os.fstat(fd)).st_size == 4
        assert not await headrace.os.isatty(fd)
    finally:
        await headrace.os.close(fd)
    assert path.read_bytes() == b"xy23"
    assert path.stat().st_mode & 0o777 == 0o640 & ~headrace_umask()


def headrace_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


async def test_opening_a_file_is_one_job(tmp_path: Path) -> None:
    before = stats()
    fd = await headrace.os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT)
    assert (stats() - before).engine_jobs == 1
    os.close(fd)


async def test_dup_takes_no_thread(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        before = stats()
        fd = await headrace.os.dup(file.fileno())
        assert (stats() - before).engine_jobs == 0
        os.close(fd)


async def test_fdopen_gives_a_file_of_headrace(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    async with headrace.os.fdopen(fd, "w") as file:
        await file.write("text")
    assert (tmp_path / "file").read_text() == "text"
    with pytest.raises(TypeError, match="invalid fd type"):
        headrace.os.fdopen("file")


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="Linux")
async def test_copy_file_range_copies(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with (tmp_path / "a").open("rb") as a, (tmp_path / "b").open("wb") as b:
        copied = await headrace.os.copy_file_range(a.fileno(), b.fileno(), 10)
    assert (tmp_path / "b").read_bytes() == b"0123456789"[:copied]


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Linux")
async def test_extended_attributes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    try:
        os.setxattr(path, "user.probe", b"")
    except OSError:
        pytest.skip("the file system has none")
    await headrace.os.setxattr(path, "user.name", b"value")
    assert await headrace.os.getxattr(path, "user.name") == b"value"
    assert set(await headrace.os.listxattr(path)) == {"user.probe", "user.name"}
    await headrace.os.removexattr(path, "user.name")
    assert await headrace.os.listxattr(path) == ["user.probe"]


# -- Pipes ----------------------------------------------------------------------


async def test_read_of_a_pipe_waits_for_data(pipe: list[int]) -> None:
    reading = tasks.start(headrace.os.read(pipe[0], 10))
    await tasks.sleep(SOON_S)
    assert not reading.done()
    os.write(pipe[1], b"late")
    assert await reading == b"late"


async def test_cancelled_read_of_a_pipe_loses_nothing(pipe: list[int]) -> None:
    reading = tasks.start(headrace.os.read(pipe[0], 10))
    await tasks.sleep(SOON_S)
    reading.cancel()
    with pytest.raises(tasks.Cancelled):
        await reading
    os.write(pipe[1], b"late")
    assert await headrace.os.read(pipe[0], 10) == b"late"


async def test_many_waiting_reads_take_no_thread() -> None:
    pipes = [os.pipe() for _ in range(100)]
    before = threading.active_count()
    readings = [tasks.start(headrace.os.read(r, 1)) for r, _ in pipes]
    await tasks.sleep(SOON_S)
    assert threading.active_count() == before
    for _, write_end in pipes:
        os.write(write_end, b"x")
    assert await tasks.gather(*readings) == [b"x"] * 100
    for ends in pipes:
        for fd in ends:
            os.close(fd)


async def test_write_to_a_full_pipe_waits_and_can_be_cancelled(
    pipe: list[int],
) -> None:
    os.set_blocking(pipe[1], False)
    while True:
        try:
            os.write(pipe[1], bytes(4096))
        except BlockingIOError:
            break
    with pytest.raises(BlockingIOError):
        await headrace.os.write(pipe[1], b"x")  # As with os.write.
    os.set_blocking(pipe[1], True)
    writing = tasks.start(headrace.os.write(pipe[1], b"x"))
    await tasks.sleep(SOON_S)
    assert not writing.done()
    writing.cancel()
    with pytest.raises(tasks.Cancelled):
        await writing


async def test_read_of_a_nonblocking_pipe_raises_as_os_does(pipe: list[int]) -> None:
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        await headrace.os.read(pipe[0], 10)


# -- FIFOs ----------------------------------------------------------------------


async def test_waiting_fifo_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    opening = tasks.start(headrace.os.open(tmp_path / "fifo", os.O_RDONLY))
    await tasks.sleep(SOON_S)
    assert not opening.done()
    assert (await headrace.os.stat(tmp_path)).st_nlink
    writer = await headrace.os.open(tmp_path / "fifo", os.O_WRONLY)
    reader = await opening
    os.close(writer)
    os.close(reader)


async def test_cancelled_opening_of_a_fifo_leaks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    opening = tasks.start(headrace.os.open(tmp_path / "fifo", os.O_RDONLY))
    await tasks.sleep(SOON_S)
    opening.cancel()
    with pytest.raises(tasks.Cancelled):
        await opening
    # The thread that still waits is let go, and closes what it gets.
    other = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    await tasks.sleep(SOON_S)
    os.close(other)


async def test_cancelled_creation_leaves_no_descriptor(tmp_path: Path) -> None:
    for number in range(50):
        task = tasks.start(
            headrace.os.open(tmp_path / str(number), os.O_WRONLY | os.O_CREAT)
        )
        await tasks.sleep(0)
        task.cancel()
        with pytest.raises(tasks.Cancelled):
            await task


# -- Locks ----------------------------------------------------------------------

HOLDER = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.lockf(fd, os.F_LOCK, 0)
print("held", flush=True)
sys.stdin.read()
"""


async def test_lock_is_waited_for_and_one_that_comes_late_is_given_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    fd = os.open(path, os.O_RDWR)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        await tasks.in_thread(holder.stdout.readline)
        with pytest.raises(BlockingIOError):
            await headrace.os.lockf(fd, os.F_TLOCK, 0)
        locking = tasks.start(headrace.os.lockf(fd, os.F_LOCK, 0))
        await tasks.sleep(SOON_S)
        locking.cancel()
        with pytest.raises(tasks.Cancelled):
            await locking
    # Now the abandoned call gets the lock, and gives it back.
    check = "import os, sys; os.lockf(os.open(sys.argv[1], os.O_RDWR), os.F_TLOCK, 0)"
    deadline = time.monotonic() + 10
    while True:
        done = subprocess.run(
            [sys.executable, "-c", check, path], stderr=subprocess.DEVNULL, check=False
        )
        if done.returncode == 0 or time.monotonic() > deadline:
            break
    assert done.returncode == 0
    await headrace.os.lockf(fd, os.F_LOCK, 0)
    await headrace.os.lockf(fd, os.F_ULOCK, 0)
    os.close(fd)


async def test_wait_for_a_child_keeps_the_loop_turning() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    waiting = tasks.start(headrace.os.waitpid(child.pid, 0))
    await tasks.sleep(SOON_S)
    assert not waiting.done()
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.close()
    pid, status = await waiting
    child.returncode = os.waitstatus_to_exitcode(status)
    assert (pid, child.returncode) == (child.pid, 0)
