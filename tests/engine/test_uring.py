"""The engine of io_uring: what goes to the ring, what comes back, how it ends.

On the real disk, with the pages dropped (`cold`), so that reads do wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import _native, _settings
from headrace.engine import (
    Device,
    Shield,
    current_engine,
    known_devices,
    running_loop_key,
)
from headrace.engine import _registry as registry
from headrace.files._raw import AsyncFileIO
from tests.faults.support import descriptors, kernel_threads, passes, until
from tests.hosts import Host

PAGE = 4096
PAGES = 512
SIZE = PAGES * PAGE


def _works() -> str:
    """Say why the ring cannot be tested here; "" if it can."""
    if _native.Ring is None:
        return "no ring in this build"
    try:
        _native.Ring(8)
    except OSError as error:
        return f"io_uring is refused here: {error}"
    return ""


pytestmark = [
    pytest.mark.skipif(bool(_works()), reason=_works()),
    pytest.mark.asyncio_only(
        "what is written with asyncio's tasks; for Trio see below"
    ),
]


@pytest.fixture(autouse=True)
def uring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the ring used whatever the environment says."""
    monkeypatch.setattr(_settings, "_current", None)
    monkeypatch.setattr(_settings, "_told", set())
    headrace.configure(engine="uring")
    yield
    for device in known_devices().values():
        device.ring = True
    monkeypatch.undo()
    registry._choose_again(_settings.settings())


@pytest.fixture
def contents() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture
def path(tmp_path: Path, contents: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(contents)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        make_cold(file.fileno())
        try:
            cached = os.preadv(file.fileno(), [bytearray(1)], SIZE // 2, os.RWF_NOWAIT)
        except BlockingIOError:
            cached = 0
        except OSError as error:
            pytest.skip(f"reads without waiting are not to be had here: {error}")
    if cached:
        pytest.skip("the file system keeps its pages: nothing waits here")
    return path


def make_cold(fd: int) -> None:
    """Have the kernel drop the file's pages, so that reads wait for the disk."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.asynccontextmanager
async def cold(path: Path, mode: str = "rb") -> Any:
    async with headrace.open(path, mode, buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        make_cold(file.fileno())
        yield file


def rings() -> Any:
    """Return the rings of the running loop."""
    place = registry._places[running_loop_key()]
    return place.sources[_settings.Engine.URING]


# -- What goes to the ring ----------------------------------------------------------


async def test_cold_reads_are_the_rings(path: Path, contents: bytes) -> None:
    before = headrace.stats()
    async with cold(path) as file:
        pieces = await asyncio.gather(
            *(file.pread(PAGE, i * PAGE) for i in reversed(range(PAGES)))
        )
    assert b"".join(reversed(pieces)) == contents
    done = headrace.stats() - before
    assert done.ring_jobs > PAGES // 2
    assert done.fallbacks == 0
    assert (headrace.info().engine, headrace.info().reason) == (
        "uring",
        "asked for by headrace.configure()",
    )


async def test_file_is_read_in_order(path: Path, contents: bytes) -> None:
    before = headrace.stats()
    found = []
    async with cold(path) as file:
        while data := await file.read(3000):
            found.append(data)
            make_cold(file.fileno())
    assert b"".join(found) == contents
    assert (headrace.stats() - before).ring_jobs > 0


async def test_end_of_file_is_a_short_read(path: Path, contents: bytes) -> None:
    async with cold(path) as file:
        assert await file.pread(PAGE, SIZE - 10) == contents[-10:]
        make_cold(file.fileno())
        assert await file.pread(PAGE, SIZE) == b""
        assert await file.pread(PAGE, SIZE + 12345) == b""


async def test_large_reads_are_not_the_rings(path: Path, contents: bytes) -> None:
    """The kernel would copy what is cached in the loop's thread."""
    before = headrace.stats()
    async with cold(path) as file:
        assert await file.pread(SIZE, 0) == contents
    assert (headrace.stats() - before).ring_jobs == 0


@pytest.mark.parametrize("data_only", [False, True])
async def test_syncs_are_the_rings(tmp_path: Path, data_only: bool) -> None:
    """But for those that have something to write first: a worker does both."""
    async with headrace.open(tmp_path / "new", "wb") as file:
        await file.write(b"data")
        before = headrace.stats()
        await file.sync(data_only=data_only)
        cost = headrace.stats() - before
        assert (cost.ring_jobs, cost.native_jobs) == (0, 1)
        before = headrace.stats()
        await file.sync(data_only=data_only)
        assert (headrace.stats() - before).ring_jobs == 1


async def test_metadata_is_not_the_rings(path: Path) -> None:
    before = headrace.stats()
    await headrace.os.stat(path)
    await headrace.os.rename(path, path.with_name("other"))
    await headrace.os.remove(path.with_name("other"))
    assert (headrace.stats() - before).ring_jobs == 0


async def test_position_of_the_kernels_is_not_the_rings(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    before = headrace.stats()
    async with headrace.open(fd, "rb", buffering=0) as file:
        make_cold(fd)
        assert len(await file.read(10)) == 10
    assert (headrace.stats() - before).ring_jobs == 0


async def test_thousand_cold_reads_make_no_thousand_threads(
    path: Path, contents: bytes
) -> None:
    before = kernel_threads()
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, kernel_threads())
            await asyncio.sleep(0)

    watching = asyncio.ensure_future(watch())
    chance = random.Random(5)
    places = [chance.randrange(PAGES) * PAGE for _ in range(1000)]
    async with cold(path) as file:
        pieces = await asyncio.gather(*(file.pread(PAGE, at) for at in places))
    watching.cancel()
    assert all(
        piece == contents[at : at + PAGE]
        for at, piece in zip(places, pieces, strict=True)
    )
    assert most - before <= 2 * headrace.configure().max_workers


async def test_descriptor_is_closed_after_the_reads(path: Path) -> None:
    """D17: or its number would be another file's when the kernel looks."""
    before = descriptors()
    for _ in range(30):
        file = await headrace.open(path, "rb", buffering=0)
        make_cold(file.fileno())
        reads = [asyncio.ensure_future(file.pread(PAGE, i * PAGE)) for i in range(64)]
        await asyncio.sleep(0)
        for read in reads:
            read.cancel()
        await file.close()
        await asyncio.gather(*reads, return_exceptions=True)
    own = {str(rings()._fd), str(rings().ring().fd)}
    # The loop's own, made with the first operation, are there to stay.
    assert len(descriptors() - before - own) <= 0


@pytest.mark.slow
async def test_no_completion_is_lost_on_a_busy_machine(path: Path) -> None:
    """The kernel leaves work undone in a call, and does not tell of it again."""
    burning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)
    ]
    try:
        async with cold(path) as file:
            for _ in range(50):
                make_cold(file.fileno())
                reads = [file.pread(PAGE, at) for at in range(0, SIZE, SIZE // 64)]
                async with asyncio.timeout(20):
                    await asyncio.gather(*reads)
    finally:
        for process in burning:
            process.kill()
            process.wait()


# -- Reads that the core awaits itself ----------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the offsets of the reads that Python was asked for."""
    offsets: list[int] = []
    for name in ("_pread_wait", "_pread_job"):
        monkeypatch.setattr(AsyncFileIO, name, _noting(name, offsets))
    return offsets


def _noting(name: str, offsets: list[int]) -> Any:
    original = getattr(AsyncFileIO, name)

    async def ask(file: Any, size: int, offset: int) -> bytes:
        offsets.append(offset)
        data: bytes = await original(file, size, offset)
        return data

    return ask


async def test_only_the_first_read_asks_python(
    path: Path, contents: bytes, asked: list[int]
) -> None:
    async with cold(path) as file:
        for _ in range(3):
            make_cold(file.fileno())
            assert await file.pread(PAGE, PAGE) == contents[PAGE : 2 * PAGE]
        places = range(0, SIZE, 16 * PAGE)
        make_cold(file.fileno())
        found = await asyncio.gather(*(file.pread(5000, at) for at in places))
    assert found == [contents[at : at + 5000] for at in places]
    assert len(asked) < 10


async def test_direct_reads_are_cut_from_their_window(
    path: Path, contents: bytes, asked: list[int]
) -> None:
    try:
        file = await headrace.open(path, "rb", buffering=0, direct=True)
    except OSError as error:
        pytest.skip(str(error))
    async with file:
        await file.pread(PAGE, 0)
        asked.clear()
        for at, size in ((0, PAGE), (1, 1), (PAGE - 1, 2), (700, 20_000)):
            assert await file.pread(size, at) == contents[at : at + size]
        assert not asked
        # What is short may be the end of the file or not: that is Python's to tell.
        assert await file.pread(PAGE, SIZE - 10) == contents[-10:]
        assert await file.pread(PAGE, SIZE + 10) == b""
        assert asked


async def test_cancelled_read_says_why_and_leaves_the_others(
    path: Path, contents: bytes
) -> None:
    async with cold(path) as file:
        await file.pread(PAGE, 0)
        make_cold(file.fileno())
        reads = [asyncio.ensure_future(file.pread(9, 9 * PAGE * i)) for i in range(9)]
        await asyncio.sleep(0)
        reads[4].cancel("not wanted")
        with pytest.raises(asyncio.CancelledError, match="not wanted"):
            await reads[4]
        del reads[4]
        found = await asyncio.gather(*reads)
        places = [9 * PAGE * i for i in range(9) if i != 4]
        assert found == [contents[at : at + 9] for at in places]


async def test_read_of_a_ring_that_is_given_up_is_made_again(
    path: Path, contents: bytes
) -> None:
    async with cold(path) as file:
        await file.pread(PAGE, 0)
        make_cold(file.fileno())
        reads = [asyncio.ensure_future(file.pread(9, PAGE * i)) for i in range(1, 9)]
        await asyncio.sleep(0)
        held = rings()
        assert held.ring().queued
        held._retire(held.ring())
        found = await asyncio.gather(*reads)
    assert found == [contents[PAGE * i : PAGE * i + 9] for i in range(1, 9)]


async def test_engine_that_is_chosen_later_is_used(path: Path) -> None:
    async with cold(path) as file:
        await file.pread(PAGE, 0)
        headrace.configure(engine="threads")
        make_cold(file.fileno())
        before = headrace.stats()
        await file.pread(PAGE, PAGE)
        done = headrace.stats() - before
    assert (done.engine_jobs, done.ring_jobs) == (1, 0)


async def test_shielded_read_is_finished_first(path: Path, contents: bytes) -> None:
    found: list[bytes] = []

    async def read(file: Any) -> None:
        with Shield():
            found.append(await file.pread(9, PAGE))

    async with cold(path) as file:
        await file.pread(PAGE, 0)
        make_cold(file.fileno())
        reading = asyncio.ensure_future(read(file))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert found == [contents[PAGE : PAGE + 9]]


async def test_nested_loops_are_left_to_asyncio(
    path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    async with cold(path) as file:
        for i in range(3):
            make_cold(file.fileno())
            await file.pread(PAGE, i * PAGE)
        assert set(asked) == {0, PAGE, 2 * PAGE}


def test_task_that_ends_the_loop_leaves_the_others(path: Path, contents: bytes) -> None:
    """As a callback of asyncio's that raises SystemExit does."""
    found: list[bytes] = []

    async def read(file: Any, at: int) -> None:
        data = await file.pread(9, at)
        if at == PAGE:
            raise SystemExit(7)
        found.append(data)

    async def begin() -> tuple[Any, list[Any]]:
        file = await headrace.open(path, "rb", buffering=0)
        make_cold(file.fileno())
        await file.pread(PAGE, 0)
        make_cold(file.fileno())
        places = range(PAGE, 9 * PAGE, PAGE)
        return file, [asyncio.ensure_future(read(file, at)) for at in places]

    async def end(file: Any, reads: list[Any]) -> None:
        await asyncio.gather(*reads)
        await file.close()

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        file, reads = loop.run_until_complete(begin())
        with pytest.raises(SystemExit):
            loop.run_until_complete(asyncio.gather(*reads[1:], reads[0]))
        assert isinstance(reads[0].exception(), SystemExit)
        loop.run_until_complete(end(file, reads[1:]))
    assert sorted(found) == sorted(contents[i * PAGE :][:9] for i in range(2, 9))


# -- Cancelling ---------------------------------------------------------------------


async def test_cancelled_reads_lose_nothing(path: Path, contents: bytes) -> None:
    chance = random.Random(7)
    async with cold(path) as file:
        for _ in range(200):
            make_cold(file.fileno())
            at = await file.tell()
            reading = asyncio.ensure_future(file.read(100))
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            reading.cancel()
            try:
                data = await reading
            except asyncio.CancelledError:
                assert await file.tell() == at
            else:
                assert data == contents[at : at + 100]
            if at > SIZE - 1000:
                break
        at = await file.tell()
        assert await file.read(50) == contents[at : at + 50]


@pytest.mark.slow
async def test_storm_of_cancellations(path: Path, contents: bytes) -> None:
    chance = random.Random(8)
    async with cold(path) as file:

        async def read(at: int) -> None:
            assert await file.pread(PAGE, at) == contents[at : at + PAGE]

        for _ in range(100):
            make_cold(file.fileno())
            reads = [
                asyncio.ensure_future(read(chance.randrange(PAGES) * PAGE))
                for _ in range(100)
            ]
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
            for reading in chance.sample(reads, 50):
                reading.cancel()
            results = await asyncio.gather(*reads, return_exceptions=True)
            failures = [
                result
                for result in results
                if isinstance(result, Exception)
                and not isinstance(result, asyncio.CancelledError)
            ]
            assert not failures
        await until(lambda: rings().ring().in_flight == 0)


async def test_sync_that_was_begun_is_carried_through(tmp_path: Path) -> None:
    async with headrace.open(tmp_path / "new", "wb") as file:
        await file.write(b"data" * 10000)
        await file.flush()
        syncing = asyncio.ensure_future(file.sync())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        syncing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await syncing
        assert rings().ring().in_flight == 0


# -- What the kernel refuses --------------------------------------------------------


class Refused:
    """An operation that a ring hands back with an error, `_core.Operation`'s face."""

    completed = withdrawn = abandoned = discards = False
    result: Any = None
    error: BaseException | None = None

    def __init__(self, failure: int, signal: Any, keep: Any, done: int = 0) -> None:
        self.failure, self.signal, self.keep, self.done = -failure, signal, keep, done

    def settle(self, result: Any, error: BaseException | None) -> None:
        self.result, self.error, self.completed = result, error, True
        self.signal.set()

    def restart(self) -> bool:
        return False

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result

    def withdraw(self) -> bool:
        return False

    def abandon(self) -> bool:
        self.abandoned = True
        return self.completed


class RefusingRing:
    """A ring whose every operation fails."""

    failure = errno.EAGAIN
    done = 0

    def __init__(self, entries: int, limit: int, event: int, workers: int) -> None:
        self.event = event
        self.operations: list[Refused] = []
        self.in_flight = 0

    @property
    def queued(self) -> int:
        return len(self.operations)

    def same_owner(self) -> bool:
        return True

    def submit_read(
        self, fd: int, size: int, at: int, full: bool, signal: Any, keep: Any
    ) -> Refused:
        self.operations.append(Refused(self.failure, signal, keep))
        return self.operations[-1]

    def submit_write(
        self, fd: int, data: Any, at: int, signal: Any, keep: Any
    ) -> Refused:
        os.pwrite(fd, memoryview(data)[: self.done], at)
        self.operations.append(Refused(self.failure, signal, keep, self.done))
        return self.operations[-1]

    def submit_fsync(self, fd: int, data_only: bool, signal: Any, keep: Any) -> Refused:
        self.operations.append(Refused(self.failure, signal, keep))
        return self.operations[-1]

    def flush(self) -> int:
        os.eventfd_write(self.event, 1)
        return 0

    def reap(self) -> list[Refused]:
        operations, self.operations = self.operations, []
        return operations

    def close(self, timeout: float) -> bool:
        return True


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> type[RefusingRing]:
    class Ring(RefusingRing):
        pass

    monkeypatch.setattr(_native, "Ring", Ring)
    return Ring


@pytest.mark.parametrize(
    "error",
    ["EAGAIN", "ENOMEM", "EOPNOTSUPP", "EINVAL", "EINTR", "ECANCELED"],
)
async def test_refused_operation_is_done_by_a_worker(
    path: Path, contents: bytes, refusing: Any, error: str
) -> None:
    refusing.failure = getattr(errno, error)
    before = headrace.stats()
    async with cold(path, "r+b") as file:
        assert await file.pread(PAGE, 5) == contents[5 : 5 + PAGE]
        await file.sync()
    done = headrace.stats() - before
    assert done.fallbacks == done.ring_jobs > 0


async def test_unsupported_is_remembered_of_the_device(
    path: Path, refusing: Any
) -> None:
    refusing.failure = errno.EOPNOTSUPP
    async with cold(path) as file:
        await file.pread(PAGE, 0)
        before = headrace.stats()
        make_cold(file.fileno())
        await file.pread(PAGE, PAGE)
        assert (headrace.stats() - before).ring_jobs == 0


async def test_error_of_the_disk_is_raised_and_not_tried_again(
    path: Path, refusing: Any
) -> None:
    refusing.failure = errno.EIO
    before = headrace.stats()
    async with cold(path, "r+b") as file:
        with pytest.raises(OSError, match="error") as caught:
            await file.pread(PAGE, 0)
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))
        with pytest.raises(OSError, match="error"):
            await file.sync()
    assert (headrace.stats() - before).fallbacks == 0


@pytest.mark.parametrize("done", [0, 3])
async def test_rest_of_a_refused_write_is_written(
    tmp_path: Path, refusing: Any, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    refusing.done = done
    async with headrace.open(tmp_path / "new", "wb", buffering=0) as file:
        monkeypatch.setattr(Device, "async_writes", True)
        before = headrace.stats()
        assert await file.pwrite(b"0123456789", 2) == 10
        assert (headrace.stats() - before).fallbacks == 1
    assert (tmp_path / "new").read_bytes() == b"\0\0" + b"0123456789"


async def test_failed_write_says_how_much_was_written(
    tmp_path: Path, refusing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing.done, refusing.failure = 4, errno.ENOSPC
    async with headrace.open(tmp_path / "new", "wb", buffering=100) as file:
        monkeypatch.setattr(Device, "async_writes", True)
        await file.write(b"0123456789")
        with pytest.raises(OSError, match="space"):
            await file.flush()
        refusing.failure, refusing.done = errno.EAGAIN, 0
    # What had not reached the file was kept, and written when it was closed.
    assert (tmp_path / "new").read_bytes() == b"0123456789"


async def test_write_by_the_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on XFS; any other file system does it too, only not as quickly."""
    async with headrace.open(tmp_path / "new", "wb", buffering=0) as file:
        monkeypatch.setattr(Device, "async_writes", True)
        before = headrace.stats()
        assert await file.pwrite(b"0123456789", 2) == 10
        assert (headrace.stats() - before).ring_jobs == 1
    assert (tmp_path / "new").read_bytes() == b"\0\0" + b"0123456789"


# -- Rings come and go --------------------------------------------------------------


async def read_all(path: Path, contents: bytes) -> None:
    async with cold(path) as file:
        places = range(0, SIZE, SIZE // 8)
        pieces = await asyncio.gather(*(file.pread(PAGE, at) for at in places))
    assert pieces == [contents[at : at + PAGE] for at in places]


def test_thousand_loops_leave_nothing(path: Path, contents: bytes, loop: Host) -> None:
    loop.run(read_all, path, contents)
    gc.collect()
    before, threads = descriptors(), kernel_threads()
    for _ in range(300):
        loop.run(read_all, path, contents)
    gc.collect()
    assert descriptors() == before
    assert kernel_threads() <= threads + headrace.configure().max_workers


def test_loops_of_many_threads(path: Path, contents: bytes, loop: Host) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            type(loop)().run(read_all, path, contents)
        except BaseException as error:
            failures.append(error)

    loop.run(read_all, path, contents)
    gc.collect()
    before = descriptors()
    for _ in range(10):
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    gc.collect()
    assert descriptors() == before


def test_loop_that_ends_with_reads_in_flight(path: Path) -> None:
    before = descriptors()
    for _ in range(50):
        loop = asyncio.new_event_loop()

        async def begin() -> None:
            file = await headrace.open(path, "rb", buffering=0)
            make_cold(file.fileno())
            reads = [
                asyncio.ensure_future(file.pread(PAGE, i * PAGE)) for i in range(50)
            ]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
            file.close_blocking()

        loop.run_until_complete(begin())
        loop.close()
        del loop
    gc.collect()
    assert descriptors() == before


def test_loop_goes_on_in_another_thread(path: Path, contents: bytes) -> None:
    """The kernel takes submissions of the thread alone that made the ring."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(read_all(path, contents))
        file = loop.run_until_complete(begin_reads(path))
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(3):
                    loop.run_until_complete(read_all(path, contents))
                loop.run_until_complete(file.close())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not failures
        loop.run_until_complete(read_all(path, contents))
    finally:
        loop.close()


async def begin_reads(path: Path) -> Any:
    """Leave reads of an open file in flight; returns the file."""
    file = await headrace.open(path, "rb", buffering=0)
    make_cold(file.fileno())
    reads = [asyncio.ensure_future(file.pread(PAGE, i * PAGE)) for i in range(64)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    return file


async def test_other_engine_with_reads_in_flight(path: Path, contents: bytes) -> None:
    async with cold(path) as file:
        reads = [asyncio.ensure_future(file.pread(PAGE, i * PAGE)) for i in range(200)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        headrace.configure(engine="threads")
        pieces = await asyncio.gather(*reads)
        assert b"".join(pieces) == contents[: 200 * PAGE]
        assert current_engine().name == "threads"


@pytest.mark.root
async def test_changed_credentials_get_another_ring(
    path: Path, contents: bytes
) -> None:
    async with cold(path) as file:
        await file.pread(PAGE, 0)
        first = rings().ring()
        reads = [asyncio.ensure_future(file.pread(PAGE, i * PAGE)) for i in range(100)]
        await asyncio.sleep(0)
        os.setegid(65534)
        try:
            pieces = await asyncio.gather(*reads)
            make_cold(file.fileno())
            assert await file.pread(PAGE, 0) == contents[:PAGE]
            assert rings().ring() is not first
        finally:
            os.setegid(0)
        assert b"".join(pieces) == contents[: 100 * PAGE]
        make_cold(file.fileno())
        await file.pread(PAGE, PAGE)
        assert first.closed


def test_trio_has_a_ring_too(path: Path, contents: bytes) -> None:
    trio = pytest.importorskip("trio")
    pieces: dict[int, bytes] = {}

    async def main() -> None:
        async with cold(path) as file:

            async def read(at: int) -> None:
                pieces[at] = await file.pread(PAGE, at)

            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    for at in range(0, SIZE, PAGE):
                        nursery.start_soon(read, at)
            make_cold(file.fileno())
            with trio.move_on_after(0):
                await file.pread(PAGE, 0)
            make_cold(file.fileno())
            assert await file.pread(PAGE, PAGE) == contents[PAGE : 2 * PAGE]

    before = headrace.stats(), descriptors()
    trio.run(main)
    assert b"".join(pieces[at] for at in sorted(pieces)) == contents
    assert (headrace.stats() - before[0]).ring_jobs > PAGES // 2
    gc.collect()
    assert descriptors() == before[1]


FORK = ("-W", "ignore::DeprecationWarning")
URING = {"HEADRACE_ENGINE": "uring"}


def test_fork_with_reads_in_flight(path: Path) -> None:
    source = """
        import asyncio, os, sys
        import headrace

        path = sys.argv[1]
        size = os.path.getsize(path)
        contents = open(path, "rb").read()

        async def read(file, count=64):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            places = range(0, size, size // count)
            reads = [asyncio.ensure_future(file.pread(4096, at)) for at in places]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return places, reads

        async def child():
            async with headrace.open(path, "rb", buffering=0) as file:
                places, reads = await read(file)
                for at, piece in zip(places, await asyncio.gather(*reads)):
                    assert piece == contents[at : at + 4096]
            assert headrace.info().engine == "uring"

        async def main():
            async with headrace.open(path, "rb", buffering=0) as file:
                for _ in range(5):
                    places, reads = await read(file)
                    pid = os.fork()
                    if pid == 0:
                        asyncio._set_running_loop(None)
                        code = 1
                        try:
                            asyncio.run(child())
                            code = 0
                        finally:
                            os._exit(code)
                    for at, piece in zip(places, await asyncio.gather(*reads)):
                        assert piece == contents[at : at + 4096]
                    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert headrace.stats().ring_jobs > 100

        asyncio.run(main())
        print("done")
    """
    assert passes(source, path, flags=FORK, env=URING) == "done\n"


def test_exit_waits_for_a_sync_that_nobody_waits_for(tmp_path: Path) -> None:
    source = """
        import asyncio, sys
        import headrace

        loop = asyncio.new_event_loop()

        async def main():
            global file
            file = await headrace.open(sys.argv[1], "wb", buffering=0)
            await file.write(b"data" * 100000)
            asyncio.ensure_future(file.sync())
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        loop.run_until_complete(main())
        print("done")
    """
    assert passes(source, tmp_path / "new", env=URING).startswith("done")


def test_idle_ring_takes_no_time(path: Path) -> None:
    source = """
        import asyncio, os, sys, time
        import headrace

        async def main():
            async with headrace.open(sys.argv[1], "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                await asyncio.gather(*(file.pread(10, i * 4096) for i in range(64)))
                assert headrace.stats().ring_jobs
                before = time.process_time()
                await asyncio.sleep(2)
                print(time.process_time() - before < 0.02)

        asyncio.run(main())
    """
    assert passes(source, path, env=URING) == "True\n"
