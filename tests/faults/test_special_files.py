"""D25: files that are not regular are read and written as `open()` does it."""

from __future__ import annotations

import builtins
import errno
import io
import os
import pty
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace
from tests import tasks
from tests.faults.support import BOUND_S, saturated, turns

# Such that two reads of them give the same.
PROC = ["/proc/cpuinfo", "/proc/version", "/proc/filesystems"]
SYS = ["/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/system/cpu/online"]


def same_but_for_numbers(text: str) -> str:
    """Take out digits: frequencies change between two reads."""
    return "".join(c for c in text if not c.isdigit())


@pytest.mark.parametrize("path", PROC + SYS)
async def test_kernel_files_are_read_to_the_end(path: str) -> None:
    if not os.path.exists(path):
        pytest.skip(f"there is no {path} here")
    with builtins.open(path) as sync:
        expected = sync.read()
    assert expected
    async with headrace.open(path) as file:
        got = await file.read()
        assert await file.read() == ""
    assert same_but_for_numbers(got) == same_but_for_numbers(expected)
    shot = await headrace.read_text(path)
    assert same_but_for_numbers(shot) == same_but_for_numbers(expected)
    async with headrace.open(path, "rb", buffering=0) as raw:
        assert len(await raw.read()) > 0
    async with headrace.open(path) as file:
        lines = [line async for line in file]
    assert len(lines) == len(got.splitlines())


async def test_kernel_file_larger_than_the_buffer(tmp_path: Path) -> None:
    with builtins.open("/proc/kallsyms", "rb") as sync:
        size = len(sync.read())
    assert len(await headrace.read_bytes("/proc/kallsyms")) == size
    async with headrace.open("/proc/kallsyms", "rb") as file:
        assert len(await file.read()) == size


async def test_kernel_file_by_seeking() -> None:
    with builtins.open("/proc/version", "rb") as sync:
        expected = sync.read()
    async with headrace.open("/proc/version", "rb") as file:
        assert await file.read(5) == expected[:5]
        await file.seek(2)
        assert await file.read(5) == expected[2:7]
        assert await file.tell() == 7


async def test_zero_device() -> None:
    async with headrace.open("/dev/zero", "rb") as file:
        assert await file.read(10) == bytes(10)
        assert await file.read(200_000) == bytes(200_000)
        assert await file.readinto(bytearray(5)) == 5
    async with headrace.open("/dev/zero", "rb", buffering=0) as raw:
        assert await raw.read(100_000) == bytes(100_000)
    async with headrace.open("/dev/zero") as text:
        assert await text.read(3) == "\0\0\0"


async def test_null_device() -> None:
    async with headrace.open(os.devnull, "r+b") as file:
        assert await file.read() == b""
        assert await file.readline() == b""
        assert await file.write(b"x" * 300_000) == 300_000
        await file.flush()
    async with headrace.open(os.devnull, "w") as text:
        await text.write("x" * 300_000)
    await headrace.write_bytes(os.devnull, b"x")
    assert await headrace.read_bytes(os.devnull) == b""


async def test_random_device() -> None:
    async with headrace.open("/dev/urandom", "rb") as file:
        pieces = [await file.read(1000) for _ in range(5)]
    assert [len(piece) for piece in pieces] == [1000] * 5
    assert len(set(pieces)) == 5


# -- Pipes --


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


async def test_fifo_by_name(fifo: Path) -> None:
    data = b"line\n" * 100_000

    async def write() -> None:
        async with headrace.open(fifo, "wb") as file:
            await file.write(data)

    async def read() -> bytes:
        async with headrace.open(fifo, "rb") as file:
            assert not await file.seekable()
            return await file.read()

    async with tasks.timeout(BOUND_S):
        got, _ = await tasks.gather(read(), write())
    assert got == data


async def test_fifo_gives_lines_as_they_come(fifo: Path) -> None:
    opened = tasks.Event()
    call_soon = tasks.from_thread()
    answers: list[str] = []
    go_on = threading.Semaphore(0)

    def write() -> None:
        with builtins.open(fifo, "w", buffering=1) as sync:
            call_soon(opened.set)
            for number in range(5):
                sync.write(f"line {number}\n")
                go_on.acquire(timeout=BOUND_S)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        async with tasks.timeout(BOUND_S), headrace.open(fifo) as file:
            await opened.wait()
            async for line in file:
                answers.append(line)
                go_on.release()
    finally:
        for _ in range(5):
            go_on.release()
        thread.join()
    assert answers == [f"line {n}\n" for n in range(5)]


async def test_one_shot_reads_a_fifo(fifo: Path) -> None:
    def write() -> None:
        fifo.write_bytes(b"x" * 200_000)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        got = await tasks.wait_for(headrace.read_bytes(fifo), BOUND_S)
    finally:
        thread.join()
    assert got == b"x" * 200_000


async def test_pipe_descriptors() -> None:
    reader, writer = os.pipe()
    data = bytes(range(256)) * 2000

    async def write() -> None:
        async with headrace.open(writer, "wb") as file:
            for place in range(0, len(data), 10_000):
                await file.write(data[place : place + 10_000])

    async def read() -> bytes:
        async with headrace.open(reader, "rb") as file:
            return b"".join([piece async for piece in file.chunks(7_000)])

    async with tasks.timeout(BOUND_S):
        got, _ = await tasks.gather(read(), write())
    assert got == data


@pytest.mark.parametrize("blocking", [True, False])
async def test_read1_of_a_pipe_gives_what_is_there(blocking: bool) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, blocking)
    try:
        async with tasks.timeout(BOUND_S), headrace.open(reader, "rb") as file:
            os.write(writer, b"abc")
            assert await file.read1(100) == b"abc"
            os.write(writer, b"defg")
            assert await file.read(2) == b"de"
            assert await file.read1(100) == b"fg"
            task = tasks.start(file.read(3))
            await turns(3)
            os.write(writer, b"hi")
            await turns(3)
            assert not task.done()
            os.write(writer, b"j")
            assert await task == b"hij"
            assert os.get_blocking(reader) is blocking
    finally:
        os.close(writer)


async def test_pipe_operations_that_need_a_position_are_refused() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    async with headrace.open(reader, "rb") as file:
        assert not await file.seekable()
        for call in (file.tell, lambda: file.seek(0), lambda: file.pread(1, 0)):
            with pytest.raises(OSError) as caught:  # noqa: PT011
                await call()
            assert (
                isinstance(caught.value, io.UnsupportedOperation)
                or caught.value.errno == errno.ESPIPE
            )


async def test_write_to_a_pipe_without_a_reader() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    file = await headrace.open(writer, "wb")
    await file.write(b"x")
    with pytest.raises(BrokenPipeError):
        await file.flush()
    with pytest.raises(BrokenPipeError):
        await file.close()
    assert file.closed


async def test_full_pipe_suspends_the_writer_alone(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    data = b"x" * 500_000
    async with headrace.open(writer, "wb", buffering=0) as file:
        task = tasks.start(write_all(file, data))
        await turns(3)
        async with tasks.timeout(BOUND_S):
            async with headrace.open(tmp_path / "file", "w") as other:
                await other.write("not held up")
            got = b""
            async with headrace.open(reader, "rb") as end:
                while len(got) < len(data):
                    got += await end.read1(100_000)
                await task
    assert got == data


async def write_all(file: object, data: bytes) -> None:
    while data:
        count = await file.write(data)  # type: ignore[attr-defined]
        assert count
        data = data[count:]


# -- Terminals and sockets --


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, slave
    os.close(slave)
    os.close(master)


async def test_terminal_is_read_and_written(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    async with tasks.timeout(BOUND_S):
        async with headrace.open(slave, "r+b", buffering=0, closefd=False) as file:
            assert await file.isatty()
            os.write(master, b"typed")
            assert await file.read(100) == b"typed"
            assert await file.write(b"shown") == 5
            assert os.read(master, 100) == b"shown"


async def test_terminal_read_is_cancelled_at_once(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    async with headrace.open(slave, "rb", closefd=False) as file:
        async with saturated():
            task = tasks.start(file.read(1))
            await turns(5)
            task.cancel()
            with pytest.raises(tasks.Cancelled):
                await task
        os.write(master, b"x")
        assert await tasks.wait_for(file.read(1), BOUND_S) == b"x"


async def test_text_on_a_terminal_is_line_buffered(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    async with headrace.open(slave, "w", closefd=False) as file:
        assert file.line_buffering
        await file.write("a line\n")
        assert os.read(master, 100) == b"a line\n"


async def test_socket_descriptor() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with headrace.open(ours.detach(), "r+b", buffering=0) as file:
            async with tasks.timeout(BOUND_S):
                theirs.send(b"hello")
                assert await file.read(100) == b"hello"
                assert await file.write(b"world") == 5
                assert theirs.recv(100) == b"world"
                theirs.shutdown(socket.SHUT_WR)
                assert await file.read(100) == b""


async def test_folder_is_refused_and_leaks_nothing(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        await headrace.open(tmp_path)
    assert os.fspath(caught.value.filename) == str(tmp_path)
    with pytest.raises(IsADirectoryError):
        await headrace.read_bytes(tmp_path)
