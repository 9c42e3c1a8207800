"""The ring alone, without an engine or a loop: submit, reap, cancel, end.

The test waits where an engine would go back to its loop: `reap_until`.
"""

from __future__ import annotations

import errno
import gc
import os
import random
import select
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headrace import _native

if TYPE_CHECKING:
    from headrace._native._core import Operation, Ring

SIZE = 1 << 20  # bytes of the file
PAGE = 4096


def make_ring(**settings: int) -> Ring:
    if _native.Ring is None:
        pytest.skip("no ring in this build")
    try:
        return _native.Ring(**settings)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            pytest.skip(f"io_uring is refused here: {error}")
        raise


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = make_ring()
    yield ring
    assert ring.close()


@pytest.fixture
def contents() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture
def file(tmp_path: Path, contents: bytes) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(contents)
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    yield fd
    os.close(fd)


def make_cold(fd: int) -> None:
    """Have the kernel drop the file's pages, so that reads wait for the disk."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def reap_until(ring: Ring, done: Callable[[], bool]) -> list[Operation]:
    """Reap until *done*; returns what was handed back."""
    failed: list[Operation] = []
    while True:
        assert ring.flush() == 0
        failed += ring.reap() or []
        if done():
            return failed
        assert select.select([ring.eventfd], [], [], 5)[0], "a completion got lost"


def outcome(ring: Ring, operation: Operation) -> Any:
    """Wait for one operation; returns its result, or the errno that it met."""
    failed = reap_until(ring, lambda: operation.completed or not pending(ring))
    return operation.failure if operation in failed else operation.outcome()


def pending(ring: Ring) -> int:
    return ring.in_flight + ring.queued


class Count:
    """A signal that counts how often it was set."""

    def __init__(self) -> None:
        self.times = 0

    def set(self) -> None:
        self.times += 1


# -- Reading ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, PAGE), (5, 100), (SIZE - 10, 100), (SIZE, 10), (SIZE + 5, 10), (7, 0)],
)
@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
def test_read_gives_what_pread_gives(
    ring: Ring, file: int, contents: bytes, offset: int, size: int, cold: bool
) -> None:
    if cold:
        make_cold(file)
    operation = ring.submit_read(file, size, offset)
    assert outcome(ring, operation) == contents[offset : offset + size]
    assert pending(ring) == 0


def test_read_fills_the_buffer_that_is_given(
    ring: Ring, file: int, contents: bytes
) -> None:
    target = bytearray(100)
    operation = ring.submit_read(file, memoryview(target)[10:60], 33)
    assert outcome(ring, operation) == 50
    assert target == bytes(10) + contents[33:83] + bytes(40)


def test_buffer_is_pinned_until_completion(ring: Ring, file: int) -> None:
    target = bytearray(PAGE)
    operation = ring.submit_read(file, target, 0)
    with pytest.raises(BufferError):
        target.append(1)
    outcome(ring, operation)
    target.append(1)


def test_read_into_something_read_only_is_refused(ring: Ring, file: int) -> None:
    with pytest.raises(BufferError):
        ring.submit_read(file, b"constant", 0)
    assert pending(ring) == 0


@pytest.mark.parametrize("offset", [-1, -(2**40)])
def test_offset_below_zero_is_refused(ring: Ring, file: int, offset: int) -> None:
    with pytest.raises(ValueError, match="offset"):
        ring.submit_read(file, 10, offset)
    assert pending(ring) == 0


def test_short_reads_are_continued_to_the_end_of_file(ring: Ring) -> None:
    # A file of /proc gives a piece at a time.
    fd = os.open("/proc/self/smaps", os.O_RDONLY)
    try:
        full = outcome(ring, ring.submit_read(fd, 1 << 20, 0, True))
        short = outcome(ring, ring.submit_read(fd, 1 << 20, 0, False))
    finally:
        os.close(fd)
    if isinstance(full, int):
        pytest.skip(f"the ring does not read /proc here: errno {-full}")
    assert 0 < len(short) < len(full)
    assert full.count(b"Size:") > short.count(b"Size:")


def test_failure_is_handed_back_with_its_errno(ring: Ring, file: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = Count()
        operation = ring.submit_read(writing, 10, 0, True, done, "kept")
        (failed,) = reap_until(ring, lambda: not pending(ring))
        assert failed is operation
        assert operation.failure == -errno.EBADF
        assert (operation.completed, operation.keep, done.times) == (False, "kept", 0)
        operation.settle(b"from elsewhere", None)
        assert (operation.outcome(), done.times) == (b"from elsewhere", 1)
    finally:
        os.close(writing)


def test_settled_error_is_raised(ring: Ring) -> None:
    folder = os.open("/", os.O_RDONLY)
    operation = ring.submit_read(folder, 10, 0)
    reap_until(ring, lambda: not pending(ring))
    os.close(folder)
    assert operation.failure == -errno.EISDIR
    operation.settle(None, OSError(errno.EISDIR, "is a directory"))
    with pytest.raises(IsADirectoryError):
        operation.outcome()


# -- Writing and syncing ------------------------------------------------------------


def test_write_reaches_the_file(ring: Ring, file: int, contents: bytes) -> None:
    operation = ring.submit_write(file, b"new" * 100, 1000)
    assert outcome(ring, operation) == (300, None)
    assert (
        os.pread(file, 320, 990)
        == contents[990:1000] + b"new" * 100 + (contents[1300:1310])
    )


def test_write_holds_its_data_until_completion(ring: Ring, file: int) -> None:
    data = bytearray(b"x" * 100)
    operation = ring.submit_write(file, data, 0)
    with pytest.raises(BufferError):
        data.clear()
    outcome(ring, operation)
    data.clear()
    assert os.pread(file, 100, 0) == b"x" * 100


@pytest.mark.parametrize("data_only", [False, True])
def test_sync_completes(ring: Ring, file: int, data_only: bool) -> None:
    os.pwrite(file, b"dirty", 0)
    assert outcome(ring, ring.submit_fsync(file, data_only)) is None


def test_sync_of_what_cannot_be_synced_fails(ring: Ring) -> None:
    reading, writing = os.pipe()
    try:
        assert outcome(ring, ring.submit_fsync(reading)) == -errno.EINVAL
    finally:
        os.close(reading)
        os.close(writing)


# -- Many at a time -----------------------------------------------------------------


@pytest.mark.parametrize("entries", [8, 64])
def test_more_than_the_queue_takes_wait_their_turn(
    file: int, contents: bytes, entries: int
) -> None:
    ring = make_ring(entries=entries)
    make_cold(file)
    done = Count()
    offsets = [random.Random(2).randrange(SIZE // PAGE) * PAGE for _ in range(1000)]
    operations = [
        ring.submit_read(file, PAGE, offset, True, done, None) for offset in offsets
    ]
    assert (ring.queued, ring.in_flight) == (1000, 0)
    assert ring.flush() == 0
    assert ring.in_flight <= ring.limit
    assert not reap_until(ring, lambda: done.times == 1000)
    for offset, operation in zip(offsets, operations, strict=True):
        assert operation.outcome() == contents[offset : offset + PAGE]
    assert ring.close()


def test_completions_that_overflow_their_queue_are_not_lost(
    file: int, contents: bytes
) -> None:
    # Nobody looks while there are five times as many as there is room for.
    ring = make_ring(entries=8, limit=100)
    done = Count()
    os.pread(file, SIZE, 0)
    operations = [
        ring.submit_read(file, 16, i * 16, True, done, None) for i in range(100)
    ]
    while ring.queued:
        assert ring.flush() == 0
    assert ring.in_flight == 100
    assert done.times == 0
    reap_until(ring, lambda: done.times == 100)
    for i, operation in enumerate(operations):
        assert operation.outcome() == contents[i * 16 : i * 16 + 16]
    assert ring.close()


def test_one_submission_serves_all_that_is_queued(ring: Ring, file: int) -> None:
    operations = [ring.submit_read(file, 10, i) for i in range(50)]
    assert ring.flush() == 0
    assert ring.submissions == 1
    reap_until(ring, lambda: all(operation.completed for operation in operations))


@pytest.mark.slow
def test_hundred_thousand_operations_and_cancellations(
    file: int, contents: bytes
) -> None:
    ring = make_ring(entries=64)
    chance = random.Random(3)
    running: dict[Operation, int] = {}
    wanted = 100_000
    begun = 0
    while begun < wanted or pending(ring):
        if begun % 5000 == 0:
            make_cold(file)
        while begun < wanted and len(running) < 200:
            offset = chance.randrange(SIZE - PAGE)
            running[ring.submit_read(file, chance.choice([1, 100, PAGE]), offset)] = (
                offset
            )
            begun += 1
        for operation in chance.sample(list(running), min(10, len(running))):
            if operation.withdraw():
                assert operation.withdrawn
                del running[operation]
            else:
                operation.abandon()
        assert ring.flush() == 0
        for operation in ring.reap() or ():
            assert operation.failure == -errno.ECANCELED
            assert operation.abandoned
            del running[operation]
        for operation in [operation for operation in running if operation.completed]:
            offset = running.pop(operation)
            data = operation.outcome()
            assert data == contents[offset : offset + len(data)]
        if ring.in_flight and not select.select([ring.eventfd], [], [], 5)[0]:
            raise AssertionError("a completion got lost")
    assert not running
    assert ring.close()


# -- Giving up ----------------------------------------------------------------------


def test_queued_operation_is_withdrawn(ring: Ring, file: int) -> None:
    done = Count()
    target = bytearray(10)
    operation = ring.submit_read(file, target, 0, True, done, None)
    assert operation.withdraw()
    assert operation.withdrawn
    target.append(1)  # nobody has the buffer any more
    assert not operation.withdraw()
    assert ring.flush() == 0
    assert ring.reap() is None
    assert (pending(ring), done.times, operation.completed) == (0, 0, False)


def test_operation_in_flight_is_not_withdrawn(ring: Ring) -> None:
    reading, writing = os.pipe()
    operation = ring.submit_read(reading, 10, 0)
    assert ring.flush() == 0
    assert operation.in_flight
    assert not operation.withdraw()
    # The kernel is asked to give up, and the operation completes by that.
    assert not operation.abandon()
    (failed,) = reap_until(ring, lambda: not pending(ring))
    assert failed is operation
    assert operation.failure == -errno.ECANCELED
    os.close(reading)
    os.close(writing)


def test_abandoned_buffer_lives_until_the_kernel_is_done(ring: Ring) -> None:
    class Memory(bytearray):
        pass

    reading, writing = os.pipe()
    target = Memory(10)
    seen = weakref.ref(target)
    operation: Operation | None = ring.submit_read(reading, target, 0, False)
    del target
    assert ring.flush() == 0
    operation = None
    gc.collect()
    assert seen() is not None
    os.write(writing, b"late")
    reap_until(ring, lambda: not pending(ring))
    assert operation is None
    gc.collect()
    assert seen() is None
    os.close(reading)
    os.close(writing)


def test_closing_waits_for_what_is_in_flight(file: int, contents: bytes) -> None:
    ring = make_ring()
    make_cold(file)
    targets = [bytearray(PAGE) for _ in range(32)]
    operations = [
        ring.submit_read(file, target, i * PAGE) for i, target in enumerate(targets)
    ]
    assert ring.flush() == 0
    assert ring.close()
    assert ring.closed
    for target, operation in zip(targets, operations, strict=True):
        assert operation.completed
        target.append(1)
    assert ring.close()


def test_closing_cancels_what_would_wait_for_ever(ring: Ring) -> None:
    other = make_ring()
    reading, writing = os.pipe()
    operation = other.submit_read(reading, 10, 0)
    assert other.flush() == 0
    assert other.close(5.0)
    assert isinstance(operation.error, OSError)
    os.close(reading)
    os.close(writing)


def test_closed_ring_takes_nothing(file: int) -> None:
    ring = make_ring()
    queued = ring.submit_read(file, 10, 0)
    assert ring.close()
    assert queued.completed
    with pytest.raises(OSError, match="cancel"):
        queued.outcome()
    with pytest.raises(ValueError, match="closed"):
        ring.submit_read(file, 10, 0)
    assert ring.flush() == -errno.EBADF
    assert ring.reap() is None


def test_queue_is_taken_back_when_the_ring_is_given_up(ring: Ring, file: int) -> None:
    operations = [ring.submit_read(file, 10, i, True, None, i) for i in range(5)]
    taken = ring.take_queue()
    assert taken == operations
    assert pending(ring) == 0
    assert [operation.keep for operation in taken] == [0, 1, 2, 3, 4]
    for operation in taken:
        operation.settle(b"done otherwise", None)


def test_ring_that_nobody_closed_leaks_nothing(file: int) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(20):
        ring = make_ring(entries=8)
        ring.submit_read(file, 10, 0)
        ring.close()
        make_ring(entries=8)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == len(before)


# -- Circumstances ------------------------------------------------------------------


def test_descriptors_are_not_inherited(ring: Ring) -> None:
    assert not os.get_inheritable(ring.fd)
    assert not os.get_inheritable(ring.eventfd)


def test_ring_tells_a_given_event_descriptor(file: int) -> None:
    make_ring().close()  # (skips where there is none)
    event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    ring = make_ring(eventfd=event)
    assert ring.eventfd == event
    make_cold(file)
    operation = ring.submit_read(file, 10, 0)
    assert ring.flush() == 0
    assert select.select([event], [], [], 5)[0]
    os.eventfd_read(event)
    ring.reap()
    while not operation.completed:
        assert select.select([event], [], [], 5)[0]
        os.eventfd_read(event)
        ring.reap()
    assert ring.close()
    os.close(event)  # it is still open: it is not the ring's


def test_owner_is_remembered(ring: Ring) -> None:
    assert ring.same_owner()


@pytest.mark.root
def test_changed_owner_is_seen(ring: Ring) -> None:
    os.setegid(65534)
    try:
        assert not ring.same_owner()
    finally:
        os.setegid(0)
    assert ring.same_owner()


def in_child(check: Callable[[], object]) -> int:
    """Run *check* in a forked child; returns its exit code, negative for a signal."""
    pid = os.fork()
    if not pid:
        try:
            check()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_forgets_and_the_parent_goes_on(
    ring: Ring, file: int, contents: bytes
) -> None:
    make_cold(file)
    operations = [ring.submit_read(file, PAGE, i * PAGE) for i in range(32)]
    assert ring.flush() == 0

    def forget() -> None:
        ring.forget()
        assert ring.closed
        assert all(operation.completed for operation in operations)
        other = _native.Ring()
        again = other.submit_read(file, 10, 5)
        assert outcome(other, again) == contents[5:15]
        assert other.close()

    assert in_child(forget) == 0
    reap_until(ring, lambda: not pending(ring))
    for i, operation in enumerate(operations):
        assert operation.outcome() == contents[i * PAGE : (i + 1) * PAGE]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_that_touches_nothing_may_drop_the_ring(file: int) -> None:
    # Its mappings are not in the child, and are not unmapped there.
    ring = make_ring()
    assert in_child(ring.close) == 0
    assert ring.close()


def test_signals_do_not_disturb(ring: Ring, file: int, contents: bytes) -> None:
    hits = Count()
    before = signal.signal(signal.SIGALRM, lambda *_: hits.set())
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for i in range(200):
            make_cold(file)
            operation = ring.submit_read(file, PAGE, i * PAGE)
            assert outcome(ring, operation) == contents[i * PAGE : (i + 1) * PAGE]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits.times


def test_no_more_kernel_threads_than_asked_for(file: int, tmp_path: Path) -> None:
    # fsync(2) is what the kernel gives to threads of its own.
    ring = make_ring(workers=3)
    fds = [os.open(tmp_path / str(i), os.O_RDWR | os.O_CREAT) for i in range(40)]
    before = len(os.listdir("/proc/self/task"))
    for fd in fds:
        os.write(fd, b"dirty")
    operations = [ring.submit_fsync(fd) for fd in fds]
    assert ring.flush() == 0
    most = 0
    while not all(operation.completed for operation in operations):
        most = max(most, len(os.listdir("/proc/self/task")) - before)
        ring.reap()
        select.select([ring.eventfd], [], [], 0.001)
    assert most <= 6  # three of each kind
    assert ring.close()
    for fd in fds:
        os.close(fd)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="what it counts is newer")
def test_operations_are_not_leaked(ring: Ring, file: int) -> None:
    gc.collect()
    for _ in range(3):
        seen = [
            id(ring.submit_read(file, 100, 0, True, Count(), object()))
            for _ in range(500)
        ]
        assert seen
        reap_until(ring, lambda: not pending(ring))
    kind = _native.Operation
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is kind]
