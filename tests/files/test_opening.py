"""From a path to an open descriptor: inline, in a job, by waiting for a FIFO."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import open as open_file
from headrace.files import _opening
from headrace.files._mode import parse_mode
from headrace.files._opening import Descriptor, describe, may_wait, open_descriptor
from tests import tasks
from tests.conftest import open_descriptors
from tests.fakes import RunningJob, SteppedEngine, begun, turns
from tests.files.support import async_outcome, is_open, outcome, slow, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs, fork")

READING, WRITING = parse_mode("rb"), parse_mode("wb")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(b"contents")
    return made


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    made = tmp_path / "fifo"
    os.mkfifo(made)
    return made


# -- A descriptor that nobody owns yet --


def made(path: Path) -> Descriptor:
    fd = os.open(path, os.O_RDONLY)
    return Descriptor(fd, os.fstat(fd), slow())


def test_dropped_descriptor_is_closed(path: Path) -> None:
    descriptor = made(path)
    fd = descriptor.fd
    del descriptor
    gc.collect()
    assert not is_open(fd)


def test_descriptor_that_was_handed_over_stays_open(path: Path) -> None:
    descriptor = made(path)
    fd = descriptor.hand_over()[0]
    del descriptor
    gc.collect()
    assert is_open(fd)
    os.close(fd)


def test_descriptor_is_closed_once(path: Path) -> None:
    descriptor = made(path)
    descriptor.close()
    other = os.open(path, os.O_RDONLY)
    descriptor.close()
    del descriptor
    assert is_open(other)
    os.close(other)


# -- Looking --


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("file", False),
        ("folder", False),
        ("missing", False),
        ("fifo", True),
        ("/dev/null", True),
        ("/dev/tty", True),
        ("a\0b", False),
    ],
)
def test_what_may_wait_to_be_opened_is_known(
    name: str, waits: bool, path: Path, fifo: Path
) -> None:
    (path.parent / "folder").mkdir()
    file = name if name.startswith("/") else f"{path.parent}/{name}"
    if name == "/dev/tty" and not os.path.exists(name):
        pytest.skip("no /dev/tty here")
    assert may_wait(file) is waits
    assert may_wait(os.fsencode(file)) is waits


def test_folder_that_was_opened_is_closed_and_refused(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError) as caught:
        describe(fd, str(tmp_path))
    assert caught.value.filename == str(tmp_path)
    assert not is_open(fd)


def test_folder_that_was_given_is_refused_and_stays_open(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError):
        describe(fd, fd)
    assert is_open(fd)
    os.close(fd)


def test_bad_descriptor_is_refused() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        describe(987_654, 987_654)


# -- In a job --


async def test_path_is_opened_and_looked_at_in_one_job(
    path: Path, engine: SteppedEngine
) -> None:
    task = await begun(open_descriptor(str(path), READING, None, None))
    engine.run_one()
    with_status = await task
    assert os.path.samestat(with_status.status, path.stat())


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "r+b"])
async def test_descriptor_is_not_inherited_and_blocks(
    mode: str, way: str, path: Path
) -> None:
    async with open_file(path, mode, 0) as file:
        assert not os.get_inheritable(file.fileno())
        assert os.get_blocking(file.fileno())


async def test_open_that_no_thread_has_begun_opens_nothing(
    tmp_path: Path, engine: SteppedEngine
) -> None:
    path = tmp_path / "new"
    task = await begun(open_descriptor(str(path), WRITING, None, None))
    task.cancel()
    await tasks.wait([task])
    engine.run_all()
    assert not path.exists()


@pytest.mark.parametrize("called", [False, True], ids=["before", "after"])
async def test_descriptor_that_comes_too_late_is_closed(
    called: bool, path: Path, engine: SteppedEngine
) -> None:
    before = open_descriptors()
    task = await begun(open_descriptor(str(path), READING, None, None))
    inside = RunningJob(engine.waiting.popleft(), called=called)
    task.cancel()
    await tasks.wait([task])
    inside.finish()
    assert open_descriptors() == before


async def test_descriptor_cancelled_before_its_delivery_is_closed(
    path: Path, engine: SteppedEngine
) -> None:
    before = open_descriptors()
    task = await begun(open_descriptor(str(path), READING, None, None))
    engine.run_one()
    task.cancel()
    await tasks.wait([task])
    engine.run_all()
    assert open_descriptors() == before


# -- Openers --


class NoInt:
    pass


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(-1, id="negative"),
        pytest.param(-5, id="more-negative"),
        pytest.param("3", id="str"),
        pytest.param(None, id="none"),
        pytest.param(3.0, id="float"),
        pytest.param(NoInt(), id="object"),
        pytest.param(987_654, id="not-open"),
    ],
)
async def test_what_an_opener_must_not_return_is_refused_as_by_open(
    given: Any, path: Path
) -> None:
    wanted = outcome(lambda: open(path, "rb", opener=lambda name, flags: given))
    got = await async_outcome(
        lambda: open_file(path, "rb", opener=lambda name, flags: given)
    )
    assert got == wanted


async def test_error_of_an_opener_is_raised(path: Path) -> None:
    def opener(name: str, flags: int) -> int:
        raise LookupError(name)

    with pytest.raises(LookupError, match="file"):
        await open_file(path, "rb", opener=opener)


async def test_opener_runs_in_a_worker_with_the_arguments_of_open(path: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    def opener(*args: Any) -> int:
        seen.append((*args, threading.current_thread()))
        return os.open(args[0], args[1])

    with open(path, "rb", opener=opener):
        pass
    async with open_file(path, "rb", opener=opener):
        pass
    assert seen[0][:2] == seen[1][:2]
    assert seen[1][2] is not threading.current_thread()


async def test_folder_from_an_opener_is_closed_and_refused(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(IsADirectoryError):
        await open_file(tmp_path, "rb", opener=os.open)
    assert open_descriptors() == before


# -- FIFOs --


def write_to(fifo: Path, data: bytes) -> None:
    """Be a writer that came, wrote, and left."""
    fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    os.write(fd, data)
    os.close(fd)


class Looks:
    """How often the other end of a FIFO has been looked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(_opening, "_FIFO_PAUSES_S", (0.0001, 0.0005))
        for name in ("_look_for_writer", "_look_for_reader"):
            monkeypatch.setattr(_opening, name, self._counting(getattr(_opening, name)))

    def _counting(self, look: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.count += 1
            return look(*args)

        return counted


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


class Waiting:
    """An opening of a FIFO that has looked twice for the other end, in vain."""

    def __init__(self, task: Any, engine: SteppedEngine) -> None:
        self.task = task
        self.engine = engine

    @classmethod
    async def begin(
        cls, fifo: Path, mode: str, engine: SteppedEngine, looks: Looks
    ) -> Waiting:
        async def opening() -> Any:
            return await open_file(fifo, mode, 0)

        self = cls(await begun(opening()), engine)
        await self._run_until(lambda: looks.count >= 2)
        await turns()
        assert not self.task.done()
        return self

    async def _run_until(self, condition: Callable[[], object]) -> None:
        def holds() -> object:
            self.engine.run_all()
            return condition()

        await until(holds)

    async def opened(self) -> Any:
        await self._run_until(self.task.done)
        return self.task.result()

    async def cancelled(self) -> None:
        self.task.cancel()
        await self._run_until(self.task.done)
        assert self.task.cancelled()


async def test_reader_of_a_fifo_waits_for_a_writer(
    fifo: Path, by_engine: None, engine: SteppedEngine, looks: Looks
) -> None:
    waiting = await Waiting.begin(fifo, "rb", engine, looks)
    writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    file = await waiting.opened()
    assert os.get_blocking(file.fileno())
    os.write(writer, b"some")
    os.close(writer)
    assert await engine.carry(file.readall()) == b"some"
    await engine.carry(file.close())


async def test_reader_of_a_fifo_gets_what_came_while_it_looked(
    fifo: Path, by_engine: None, engine: SteppedEngine, looks: Looks
) -> None:
    waiting = await Waiting.begin(fifo, "rb", engine, looks)
    write_to(fifo, b"gone already")
    file = await waiting.opened()
    assert await engine.carry(file.read(4)) == b"gone"
    assert await engine.carry(file.readall()) == b" already"
    await engine.carry(file.close())


async def test_reader_of_a_fifo_sees_a_writer_that_came_and_left_between_two_looks(
    fifo: Path, by_engine: None, engine: SteppedEngine, looks: Looks
) -> None:
    """As open(2) does, which returns when the writer comes."""
    waiting = await Waiting.begin(fifo, "rb", engine, looks)
    write_to(fifo, b"")
    file = await waiting.opened()
    assert await engine.carry(file.readall()) == b""
    await engine.carry(file.close())


async def test_writer_of_a_fifo_waits_for_a_reader(
    fifo: Path, by_engine: None, engine: SteppedEngine, looks: Looks
) -> None:
    waiting = await Waiting.begin(fifo, "wb", engine, looks)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    file = await waiting.opened()
    assert os.get_blocking(file.fileno())
    assert await engine.carry(file.write(b"some")) == 4
    assert os.read(reader, 10) == b"some"
    await engine.carry(file.close())
    os.close(reader)


async def test_both_ends_meet(way: str, fifo: Path) -> None:
    async def write() -> None:
        async with open_file(fifo, "wb") as file:
            await file.write(b"hello")

    async def read() -> bytes:
        async with open_file(fifo, "rb") as file:
            return await file.read()

    for _ in range(2):
        got, _ = await tasks.gather(read(), write())
        assert got == b"hello"


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux does, fifo(7)")
async def test_fifo_opened_for_both_does_not_wait(fifo: Path) -> None:
    async with open_file(fifo, "r+b", 0) as file:
        await file.write(b"to itself")
        assert await file.read(100) == b"to itself"


@pytest.mark.parametrize("mode", ["rb", "wb"])
async def test_fifo_that_nobody_opens_can_be_given_up(
    mode: str, fifo: Path, by_engine: None, engine: SteppedEngine, looks: Looks
) -> None:
    before = open_descriptors()
    waiting = await Waiting.begin(fifo, mode, engine, looks)
    await waiting.cancelled()
    engine.run_all()
    assert open_descriptors() == before


async def test_fifo_that_vanishes_is_an_error(
    fifo: Path, by_engine: None, engine: SteppedEngine, looks: Looks
) -> None:
    waiting = await Waiting.begin(fifo, "wb", engine, looks)
    fifo.unlink()
    os.mkdir(fifo)
    with pytest.raises(IsADirectoryError):
        await waiting.opened()


async def test_device_is_opened_in_the_lane_for_what_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: list[str] = []
    opening = _opening._open_device

    def noted(*args: Any) -> Descriptor:
        names.append(threading.current_thread().name)
        return opening(*args)

    monkeypatch.setattr(_opening, "_open_device", noted)
    async with open_file("/dev/null", "rb"):
        pass
    assert names[0].startswith("headrace-wait")


# -- Audit events --

AUDITED = """
    import asyncio, sys
    from headrace import {names}

    events = []
    path = sys.argv[1]

    def hook(event, args):
        if event == "open" and args[0] in (path, path.encode()):
            events.append(args)

    async def main():
        # Twice: by the engine, and inline.
        for _ in range(2):
            {ours}

    sys.addaudithook(hook)
    with open(path, {mode!r}) as file:
        pass
    wanted = events.pop()
    assert not events
    asyncio.run(main())
    assert len(events) == 2, events
    for event in events:
        # os.open() raises it in a job: that gives no mode.
        assert event[0] == wanted[0], (event, wanted)
        assert event[1] in (wanted[1], None), (event, wanted)
        assert event[2] == wanted[2], (event, wanted)
"""


def audited(names: str, ours: str, mode: str, path: Path) -> None:
    source = AUDITED.format(names=names, ours=ours, mode=mode)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["r", "rb", "w", "ab", "r+b"])
def test_open_raises_the_audit_event_of_open(mode: str, path: Path) -> None:
    ours = f"await (await open_(path, {mode!r})).close()"
    audited("open as open_", ours, mode, path)


def test_read_bytes_raises_the_audit_event_of_open(path: Path) -> None:
    audited("read_bytes", "await read_bytes(path)", "rb", path)


def test_write_bytes_raises_the_audit_event_of_open(path: Path) -> None:
    audited("write_bytes", "await write_bytes(path, b'')", "wb", path)


def test_audit_hook_that_refuses_leaves_nothing_open(path: Path) -> None:
    source = """
        import asyncio, os, sys
        import headrace

        path = sys.argv[1]
        refusing = False

        def hook(event, args):
            if refusing and event == "open" and args[0] == path:
                raise PermissionError("refused")

        sys.addaudithook(hook)

        async def main():
            global refusing
            await headrace.read_bytes(path)
            before = len(os.listdir("/dev/fd"))
            refusing = True
            for call in (headrace.open(path), headrace.read_bytes(path)):
                try:
                    await call
                except PermissionError:
                    pass
                else:
                    raise AssertionError("not refused")
            assert len(os.listdir("/dev/fd")) == before

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# -- The errno of a missing file is asked for once --


async def test_missing_file_is_refused_with_its_name(way: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for kind in (str, os.fsencode, Path):
        kind_of: Callable[[Any], Any] = kind
        with pytest.raises(FileNotFoundError) as caught:
            await open_file(kind_of(missing), "rb")
        assert caught.value.errno == errno.ENOENT
        assert caught.value.filename == os.fspath(kind_of(missing))
