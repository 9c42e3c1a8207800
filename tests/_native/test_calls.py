"""`calls.c` and `workers.c`: what native threads do, and the life of a call."""

from __future__ import annotations

import errno
import gc
import os
import resource
import select
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace._native import Call, CallWorkers, Completions

pytestmark = pytest.mark.skipif(Call is None, reason="no native threads in this build")

WORK, WAIT = 0, 1


def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* is true."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


#: How long threads look for the next call, and how long it is looked for the end of
#: one where that is sure to come, in nanoseconds.
BUSY_POLL = 50_000
LONG = 10_000_000_000


class Pool:
    """Some threads, and where their calls complete."""

    def __init__(self, limit: int = 4, idle_timeout: float = 10.0) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.workers = CallWorkers(limit, limit, idle_timeout, BUSY_POLL)
        self.completions = Completions(self.fd)

    def begin(
        self,
        kind: int | str,
        *,
        fd: int = -1,
        path: Any = None,
        path2: Any = None,
        buffer: Any = None,
        size: int = 0,
        offset: int = -1,
        flags: int = 0,
        mode: int = 0,
        lane: int = WORK,
        keep: object = None,
    ) -> Call:
        call = Call()
        if isinstance(kind, str):
            kind = int(getattr(Call, kind))
        first = None if path is None else os.fsencode(path)
        second = None if path2 is None else os.fsencode(path2)
        assert call.start(
            self.workers, self.completions, lane, keep, kind, fd, first, second, buffer,
            size, offset, flags, mode,
        )  # fmt: skip
        return call

    def end(self, *calls: Call) -> None:
        """Wait for *calls*, and have them reaped."""
        until(lambda: all(call.completed for call in calls))
        left = set(calls)

        def all_reaped() -> bool:
            left.difference_update(self.completions.reap())
            return not left

        until(all_reaped)

    def __call__(self, kind: int | str, **how: Any) -> Call:
        call = self.begin(kind, **how)
        self.end(call)
        return call

    def close(self) -> None:
        self.completions.reap()
        until(lambda: not self.completions.in_flight)
        os.close(self.fd)


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(bytes(range(256)) * 40)
    return made


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_RDWR)
    yield opened
    os.close(opened)


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    """A pipe whose ends a test may close: it puts -1 in their place."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def let_go(pipe: list[int]) -> None:
    """Give the end of the file to all that read from *pipe*."""
    os.close(pipe[1])
    pipe[1] = -1


# -- What each kind does --


@pytest.mark.parametrize("kind", ["READ_ONCE", "READ_FULL"])
@pytest.mark.parametrize(
    ("size", "offset"), [(10, 0), (100, 250), (9999, 10200), (5, -1)]
)
def test_reads(
    pool: Pool, path: Path, fd: int, kind: str, size: int, offset: int
) -> None:
    call = pool(kind, fd=fd, size=size, offset=offset)
    start = max(offset, 0)
    assert call.data() == path.read_bytes()[start : start + size]
    assert call.errno == 0


def test_read_is_continued_until_it_is_full(pool: Pool, pipe: list[int]) -> None:
    call = pool.begin(Call.READ_FULL, fd=pipe[0], size=6)
    for piece in (b"ab", b"cd", b"ef"):
        os.write(pipe[1], piece)
        assert call.completed is (piece == b"ef") or piece == b"ef"
    pool.end(call)
    assert call.data() == b"abcdef"


def test_read_into_a_buffer_of_the_caller(pool: Pool, path: Path, fd: int) -> None:
    target = bytearray(300)
    call = pool(Call.READ_ONCE, fd=fd, buffer=target, offset=5)
    assert call.count == 300
    assert target == path.read_bytes()[5:305]


@pytest.mark.parametrize("expected", [0, 1, 10239, 10240, 10241, 50000])
@pytest.mark.parametrize("offset", [0, 100, -1])
def test_read_to_the_end_whatever_is_expected(
    pool: Pool, path: Path, fd: int, expected: int, offset: int
) -> None:
    call = pool(Call.READ_TO_END, fd=fd, size=expected, offset=offset)
    assert call.data() == path.read_bytes()[max(offset, 0) :]


@pytest.mark.parametrize("size", [0, 1, 10240, 20000])
def test_whole_file(pool: Pool, path: Path, size: int) -> None:
    call = pool(Call.READ_FILE, path=path, size=size)
    assert call.data() == path.read_bytes()
    assert not call.discards


def test_whole_file_without_a_size(pool: Pool) -> None:
    data = pool(Call.READ_FILE, path="/proc/self/maps").data()
    assert data.count(b"\n") > 10
    assert data.endswith(b"\n")


def test_large_file_is_opened_and_left_to_the_caller(
    pool: Pool, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 300_000)
    call = pool(Call.READ_FILE, path=path)
    assert call.errno == Call.TOO_LARGE
    assert call.brief()[3] == 300_000
    fd = call.take_descriptor()
    assert os.read(fd, 10) == b"x" * 10
    os.close(fd)


LARGE = 9 * 1024 * 1024 + 77


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "file"
    path.write_bytes(os.urandom(64 * 1024) * (LARGE // 65536) + b"end" * 65536)
    os.truncate(path, LARGE)
    return path


@pytest.mark.parametrize("limit", [1, 4], ids=["alone", "together"])
@pytest.mark.parametrize("room", [LARGE, LARGE - 1, LARGE + 1, LARGE + 1_000_000])
@pytest.mark.parametrize("kind", ["READ_TO_END", "READ_FULL", "READ_FILE"])
def test_large_reads(large: Path, kind: str, room: int, limit: int) -> None:
    pool = Pool(limit=limit)
    contents = large.read_bytes()
    fd = os.open(large, os.O_RDONLY)
    for offset in (0, 12345) if kind != "READ_FILE" else (0,):
        data = pool(kind, fd=fd, path=large, size=room, offset=offset).data()
        end = offset + room if kind == "READ_FULL" else None
        assert data == contents[offset:end]
    os.close(fd)
    pool.close()


def test_large_read_that_fails_says_so(pool: Pool, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    call = pool(Call.READ_FULL, fd=folder, size=LARGE, offset=0)
    os.close(folder)
    assert call.errno == errno.EISDIR


@pytest.mark.parametrize("offset", [0, 5, -1])
@pytest.mark.parametrize("count", [0, 1, 64, 65, 1000])
def test_pieces_are_written_in_order(
    pool: Pool, path: Path, count: int, offset: int
) -> None:
    pieces = tuple(bytes([n % 256]) * (n * 37 % 900) for n in range(count))
    path.write_bytes(b"")
    with path.open("r+b", buffering=0) as file:
        vector = Call.vector(pieces)
        call = pool(Call.WRITE_VECTOR, fd=file.fileno(), buffer=vector, offset=offset)
    whole = b"".join(pieces)
    assert (call.errno, call.count) == (0, len(whole))
    assert path.read_bytes() == (bytes(max(offset, 0)) + whole if whole else b"")


def test_pieces_that_do_not_fit_are_counted(pool: Pool, path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    pieces = (b"a" * 700,) * 3
    with path.open("wb", buffering=0) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            vector = Call.vector(pieces)
            call = pool(Call.WRITE_VECTOR, fd=file.fileno(), buffer=vector, offset=0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (call.errno, call.count) == (errno.EFBIG, 1000)


@pytest.mark.parametrize("wrong", [[b"list"], (b"a", "b"), (bytearray(b"a"),)])
def test_only_bytes_are_pieces(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Call.vector(wrong)


@pytest.mark.parametrize("offset", [3, -1])
@pytest.mark.parametrize("kind", ["WRITE_ALL", "WRITE_SYNC"])
def test_writes(pool: Pool, path: Path, fd: int, kind: str, offset: int) -> None:
    call = pool(kind, fd=fd, buffer=b"written", offset=offset)
    start = max(offset, 0)
    assert (call.errno, call.count) == (0, 7)
    assert path.read_bytes()[start : start + 7] == b"written"


def test_write_and_close(pool: Pool, path: Path) -> None:
    fd = os.open(path, os.O_WRONLY)
    assert pool(Call.WRITE_CLOSE, fd=fd, buffer=b"w", offset=0).errno == 0
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_closed_though_the_write_failed(pool: Pool) -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    assert pool(Call.WRITE_CLOSE, fd=fd, buffer=b"w").errno == errno.ENOSPC
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_failed_write_says_how_far_it_came(pool: Pool, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    fd = os.open(tmp_path / "limited", os.O_WRONLY | os.O_CREAT)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        # The signal that comes with it is blocked in the threads.
        call = pool(Call.WRITE_ALL, fd=fd, buffer=b"x" * 3000, offset=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        os.close(fd)
    assert (call.errno, call.count) == (errno.EFBIG, 1000)


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [
        (os.O_TRUNC, b"old", b"new"),
        (os.O_APPEND, b"old", b"oldnew"),
        (os.O_EXCL, None, b"new"),
    ],
    ids=["truncate", "append", "exclusive"],
)
def test_whole_file_is_written(
    pool: Pool, tmp_path: Path, flags: int, before: bytes | None, after: bytes
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    flags |= os.O_WRONLY | os.O_CREAT
    call = pool(Call.WRITE_FILE, path=path, buffer=b"new", flags=flags, mode=0o640)
    assert call.errno == 0
    assert path.read_bytes() == after
    if before is None:
        umask = os.umask(0)
        os.umask(umask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640 & ~umask


def test_open_gives_descriptor_and_status(pool: Pool, path: Path) -> None:
    call = pool(Call.OPEN, path=path)
    st = path.stat()
    assert call.brief() == (st.st_dev, st.st_mode, st.st_nlink, st.st_size)
    fd = call.take_descriptor()
    assert not os.get_inheritable(fd)
    assert call.take_descriptor() == -1
    os.close(fd)


@pytest.mark.parametrize("kind", ["OPEN", "READ_FILE"])
def test_what_may_wait_for_ever_is_not_opened(
    pool: Pool, tmp_path: Path, kind: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    for special in (tmp_path / "fifo", "/dev/null"):
        assert pool(kind, path=special).errno == Call.SPECIAL


@pytest.mark.parametrize("name", ["file", "link", "dangling", ".", "fifo"])
@pytest.mark.parametrize("follow", [True, False])
def test_status_is_that_of_os_in_every_field(
    pool: Pool, path: Path, name: str, follow: bool
) -> None:
    path.with_name("link").symlink_to(path)
    path.with_name("dangling").symlink_to("nowhere")
    os.mkfifo(path.with_name("fifo"))
    os.utime(path, ns=(1_234_567_890_987_654_321, -999_999_999))
    target = path.with_name(name) if name != "." else path.parent
    call = pool(Call.STAT, path=target, flags=0 if follow else 0x100)
    if name == "dangling" and follow:
        assert call.errno == errno.ENOENT
        return
    expected = os.stat(target, follow_symlinks=follow)
    found = os.stat_result(call.status())
    for field in dir(expected):
        if field.startswith("st_"):
            assert getattr(found, field) == getattr(expected, field), field
    assert tuple(found) == tuple(expected)


@pytest.mark.parametrize("device", ["/dev/null", "/proc/self/stat", "/"])
def test_status_of_a_descriptor(pool: Pool, device: str) -> None:
    fd = os.open(device, os.O_RDONLY)
    found = os.stat_result(pool(Call.FSTAT, fd=fd).status())
    expected = os.fstat(fd)
    os.close(fd)
    assert (found.st_rdev, found.st_blksize, found.st_blocks, found.st_ino) == (
        expected.st_rdev, expected.st_blksize, expected.st_blocks, expected.st_ino,
    )  # fmt: skip


def test_names_are_changed(pool: Pool, path: Path) -> None:
    other, folder = path.with_name("other"), path.with_name("folder")
    contents = path.read_bytes()
    assert pool(Call.RENAME, path=path, path2=other).errno == 0
    assert pool(Call.LINK, path=other, path2=path).errno == 0
    assert pool(Call.UNLINK, path=other).errno == 0
    assert pool(Call.SYMLINK, path="file", path2=other).errno == 0
    assert other.read_bytes() == contents
    assert pool(Call.MKDIR, path=folder, mode=0o700).errno == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert pool(Call.RMDIR, path=folder).errno == 0
    assert pool(Call.ACCESS, path=path, mode=os.R_OK).errno == 0
    assert sorted(os.listdir(path.parent)) == ["file", "other"]


@pytest.mark.parametrize(
    "name",
    ["OPEN", "READ_FILE", "STAT", "UNLINK", "RMDIR", "ACCESS", "RENAME", "LINK"],
)
def test_kernel_errors_are_told(pool: Pool, tmp_path: Path, name: str) -> None:
    missing = tmp_path / "missing"
    call = pool(name, path=missing, path2=tmp_path / "other")
    assert call.errno == errno.ENOENT


def test_resize_and_sync(pool: Pool, path: Path, fd: int) -> None:
    assert pool(Call.FTRUNCATE, fd=fd, offset=77).errno == 0
    assert path.stat().st_size == 77
    assert pool(Call.FSYNC, fd=fd).errno == 0
    assert pool(Call.FDATASYNC, fd=fd).errno == 0
    assert pool(Call.FSYNC, fd=-1).errno == errno.EBADF


# -- The life of a call --


def test_completion_writes_the_eventfd_once_for_all(pool: Pool, fd: int) -> None:
    calls = [pool.begin(Call.FSTAT, fd=fd) for _ in range(50)]
    until(lambda: all(call.completed for call in calls))
    until(lambda: pool.completions.in_flight == 1)  # delivered, and not reaped
    assert os.eventfd_read(pool.fd) == 1
    assert set(pool.completions.reap()) == set(calls)
    assert pool.completions.in_flight == 0


def test_call_that_no_thread_has_begun_is_withdrawn(pipe: list[int]) -> None:
    pool = Pool(limit=1)
    stuck = pool.begin(Call.READ_ONCE, fd=pipe[0], size=1)
    until(lambda: stuck.begun)
    kept = bytearray(b"data")
    queued = [pool.begin(Call.WRITE_ALL, fd=-1, buffer=kept) for _ in range(3)]
    assert [call.withdraw() for call in queued] == [True] * 3
    assert [call.withdraw() for call in queued] == [False] * 3
    assert all(call.withdrawn and not call.completed for call in queued)
    kept.append(0)  # nobody holds it any more
    assert not stuck.withdraw()
    let_go(pipe)
    pool.end(stuck)
    assert pool.completions.in_flight == 0
    pool.close()


def test_descriptor_of_an_abandoned_open_is_closed(pool: Pool, path: Path) -> None:
    calls = [pool.begin(Call.OPEN, path=path) for _ in range(200)]
    late = [call.abandon() for call in calls]
    pool.end(*calls)
    for call, done in zip(calls, late, strict=True):
        assert call.discards is done  # who came too late to tell the thread drops it
        call.drop()
        assert not call.discards


def test_descriptor_that_nobody_took_is_closed_with_the_call(
    pool: Pool, path: Path
) -> None:
    call = pool(Call.OPEN, path=path)
    assert call.discards
    before = len(os.listdir("/proc/self/fd"))
    del call
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_buffer_is_held_until_the_thread_is_done(pool: Pool, pipe: list[int]) -> None:
    target = bytearray(4)
    call = pool.begin(Call.READ_ONCE, fd=pipe[0], buffer=target)
    call.abandon()
    del call
    gc.collect()
    with pytest.raises(BufferError):
        target.append(0)
    os.write(pipe[1], b"late")
    until(lambda: pool.completions.reap())
    assert target == b"late"
    target.append(0)


def test_what_is_kept_lives_until_the_call_is_over(pool: Pool, pipe: list[int]) -> None:
    class Owner:
        gone = False

        def __del__(self) -> None:
            Owner.gone = True

    call = pool.begin(Call.READ_ONCE, fd=pipe[0], size=1, keep=Owner())
    gc.collect()
    assert not Owner.gone
    let_go(pipe)
    pool.end(call)
    gc.collect()
    assert Owner.gone


def test_call_is_made_once(pool: Pool, fd: int) -> None:
    call = pool(Call.FSTAT, fd=fd)
    with pytest.raises(RuntimeError, match="once"):
        call.start(
            pool.workers, pool.completions, 0, None, Call.FSTAT, fd, None, None, None,
            0, 0, 0, 0,
        )  # fmt: skip


def test_outcome_is_not_to_be_had_before_it_is_there(
    pool: Pool, pipe: list[int]
) -> None:
    call = pool.begin(Call.READ_ONCE, fd=pipe[0], size=1)
    for look in (call.data, call.status, call.brief, call.take_descriptor, call.drop):
        with pytest.raises(RuntimeError, match="not complete"):
            look()
    with pytest.raises(RuntimeError, match="not complete"):
        assert call.errno
    let_go(pipe)
    pool.end(call)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        pytest.param({"path": "text"}, TypeError, id="path"),
        pytest.param({"path": b"a\0b"}, ValueError, id="nul"),
        pytest.param({"buffer": "text"}, TypeError, id="buffer"),
        pytest.param({"buffer": b"read-only"}, BufferError, id="read-only"),
        pytest.param({"size": -1}, ValueError, id="size"),
        pytest.param({"kind": 999}, ValueError, id="kind"),
        pytest.param({"lane": 2}, ValueError, id="lane"),
        pytest.param({"fd": 1 << 40}, ValueError, id="fd"),
    ],
)
def test_wrong_arguments_start_nothing(
    pool: Pool, wrong: dict[str, Any], error: type[Exception]
) -> None:
    how: dict[str, Any] = {
        "lane": 0, "keep": None, "kind": Call.READ_ONCE, "fd": 0, "path": None,
        "path2": None, "buffer": None, "size": 1, "offset": 0, "flags": 0, "mode": 0,
    }  # fmt: skip
    with pytest.raises(error):
        Call().start(pool.workers, pool.completions, *(how | wrong).values())
    assert pool.completions.in_flight == 0


# -- Threads --


def test_threads_are_bounded(pipe: list[int]) -> None:
    pool = Pool(limit=3)
    before = len(os.listdir("/proc/self/task"))
    calls = [pool.begin(Call.READ_ONCE, fd=pipe[0], size=1) for _ in range(200)]
    until(lambda: sum(call.begun for call in calls) == 3)
    assert pool.workers.threads(WORK) == 3
    assert len(os.listdir("/proc/self/task")) <= before + 3
    let_go(pipe)
    pool.end(*calls)
    pool.close()


def test_stuck_waiting_lane_leaves_the_working_lane_alone(
    pool: Pool, pipe: list[int], fd: int
) -> None:
    stuck = [
        pool.begin(Call.READ_ONCE, fd=pipe[0], size=1, lane=WAIT) for _ in range(20)
    ]
    assert pool(Call.FSTAT, fd=fd).errno == 0
    let_go(pipe)
    pool.end(*stuck)


def test_idle_threads_end(fd: int) -> None:
    pool = Pool(idle_timeout=0.05)
    calls = [pool.begin(Call.FSTAT, fd=fd) for _ in range(20)]
    pool.end(*calls)
    until(lambda: pool.workers.threads(WORK) == 0)
    assert pool(Call.FSTAT, fd=fd).errno == 0  # and are started again
    pool.close()


def test_threads_that_are_too_many_end_when_the_limit_falls(pipe: list[int]) -> None:
    pool = Pool(limit=5)
    calls = [pool.begin(Call.READ_ONCE, fd=pipe[0], size=1) for _ in range(5)]
    until(lambda: all(call.begun for call in calls))
    pool.workers.configure(2, 2, 10.0, BUSY_POLL)
    let_go(pipe)
    pool.end(*calls)
    until(lambda: pool.workers.threads(WORK) <= 2)
    pool.close()


def begun(calls: list[Call]) -> int:
    return sum(call.begun for call in calls)


def test_jobs_that_wait_get_a_thread_each(pipe: list[int]) -> None:
    pool = Pool(limit=5)
    calls = [pool.begin(Call.READ_ONCE, fd=pipe[0], size=1) for _ in range(7)]
    until(lambda: begun(calls) == 5)
    assert pool.workers.threads(WORK) == 5
    let_go(pipe)
    pool.end(*calls)
    pool.close()


def test_long_jobs_get_their_threads_at_once(pipe: list[int]) -> None:
    pool = Pool(limit=3)
    calls = [pool.begin(Call.READ_ONCE, fd=pipe[0], size=1 << 20) for _ in range(3)]
    # Before anyone can have found that the first takes long.
    assert pool.workers.threads(WORK) == 3
    let_go(pipe)
    pool.end(*calls)
    pool.close()


def test_short_jobs_share_a_thread(path: Path) -> None:
    pool = Pool(limit=8)
    for _ in range(20):
        pool.end(*(pool.begin(Call.STAT, path=path) for _ in range(64)))
    # One that works, one that watches it; more where others had the CPU for long.
    assert 1 <= pool.workers.threads(WORK) <= 8
    pool.close()


# -- Polling ----------------------------------------------------------------------


def test_short_call_can_be_polled_for(pool: Pool, path: Path) -> None:
    def polled() -> bool:
        call = pool.begin(Call.STAT, path=path)
        if pool.completions.poll(call, LONG):
            assert call.completed
            assert call.errno == 0
            assert call.brief()[3] == path.stat().st_size
            return True
        pool.end(call)
        return False

    until(polled)
    assert pool.completions.reap() == []
    until(lambda: not pool.completions.in_flight)


def test_call_that_is_polled_for_in_vain_wakes_the_loop(pipe: list[int]) -> None:
    pool = Pool()
    call = pool.begin(Call.READ_ONCE, fd=pipe[0], size=1)
    assert not pool.completions.poll(call, 1000)
    assert not call.completed
    let_go(pipe)
    pool.completions.wait(10_000)
    assert os.eventfd_read(pool.fd) == 1
    assert pool.completions.reap() == [call]
    pool.close()


def test_polling_in_vain_is_not_repeated_at_once(pool: Pool, path: Path) -> None:
    """After n failures, 2**n - 1 calls of that kind are waited for as any other."""
    reader, writer = os.pipe()
    for expected in (1, 3, 7):
        call = pool.begin(Call.READ_ONCE, fd=reader, size=1)
        assert not pool.completions.poll(call, 1000)
        os.write(writer, b"x")
        pool.end(call)
        for _ in range(expected):
            os.write(writer, b"x")
            call = pool.begin(Call.READ_ONCE, fd=reader, size=1)
            until(lambda made=call: made.completed)  # type: ignore[misc]
            assert not pool.completions.poll(call, LONG)
            pool.end(call)
    # It says nothing of calls of another kind.
    call = pool.begin(Call.STAT, path=path)
    until(lambda: call.completed)
    assert pool.completions.poll(call, LONG)
    os.close(reader)
    os.close(writer)


def test_only_a_call_that_is_alone_is_polled_for(pool: Pool, path: Path) -> None:
    calls = [pool.begin(Call.STAT, path=path) for _ in range(2)]
    until(lambda: all(call.completed for call in calls))
    assert not any(pool.completions.poll(call, LONG) for call in calls)
    pool.end(*calls)
    call = pool.begin(Call.STAT, path=path)
    assert Completions(pool.fd).poll(call, LONG) is False
    pool.end(call)


@pytest.mark.parametrize("kind", ["FSYNC", "FDATASYNC"])
def test_what_waits_for_a_disk_is_not_polled_for(
    kind: str, pool: Pool, fd: int
) -> None:
    call = pool.begin(kind, fd=fd)
    until(lambda: call.completed)
    assert not pool.completions.poll(call, LONG)
    pool.end(call)


def test_polls_and_wake_ups_lose_nothing(pool: Pool, path: Path) -> None:
    """Polls end at any moment of the calls they look for."""
    for number in range(5000):
        call = pool.begin(Call.STAT, path=path)
        if pool.completions.poll(call, number % 300 * 100):
            assert call.completed
            continue
        reaped: list[Call] = []
        while not reaped:
            assert select.select([pool.fd], [], [], 10)[0]
            os.eventfd_read(pool.fd)
            reaped = pool.completions.reap()
        assert reaped == [call]


def test_poll_refuses_what_is_no_call(pool: Pool) -> None:
    with pytest.raises(TypeError, match="needs a Call"):
        pool.completions.poll(object(), 1)  # type: ignore[arg-type]


def test_threads_end_with_their_pool(fd: int) -> None:
    pool = Pool()
    pool(Call.FSTAT, fd=fd)
    before = len(os.listdir("/proc/self/task"))
    del pool.workers
    until(lambda: len(os.listdir("/proc/self/task")) < before)
    pool.close()


def test_signals_are_left_to_python(pool: Pool, pipe: list[int]) -> None:
    others = set(os.listdir("/proc/self/task"))
    call = pool.begin(Call.READ_ONCE, fd=pipe[0], size=1)
    until(lambda: call.begun)
    [thread] = set(os.listdir("/proc/self/task")) - others
    status = Path(f"/proc/self/task/{thread}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Name"] == "headrace"
    # All but KILL and STOP, and the two that libc keeps for itself.
    assert int(fields["SigBlk"], 16) | 0x1_8004_0100 == 0xFFFF_FFFF_FFFF_FFFF
    let_go(pipe)
    pool.end(call)


def test_many_threads_submit_withdraw_and_reap(fd: int) -> None:
    pools = [Pool(limit=4) for _ in range(4)]
    shared = pools[0].workers

    def use(pool: Pool) -> None:
        pool.workers = shared
        for _ in range(30):
            calls = [pool.begin(Call.FSTAT, fd=fd) for _ in range(20)]
            left = [call for call in calls[::3] if not call.withdraw()]
            pool.end(*left, *(call for call in calls if not call.withdrawn))

    threads = [threading.Thread(target=use, args=(pool,)) for pool in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pool in pools:
        pool.close()
