"""The engine of native threads: the same results, errors and events; nothing leaks."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import _native, info, stats
from headrace._settings import Engine, configure, settings
from headrace.engine import (
    Lane,
    _budget,
    _described,
    current_engine,
    threads_alive,
)
from headrace.files import _calls
from tests import tasks
from tests.conftest import open_descriptors
from tests.fakes import begun, turns
from tests.hosts import Host

pytestmark = pytest.mark.skipif(
    _native.Call is None, reason="no native threads in this build"
)


@pytest.fixture(autouse=True)
def use_workers() -> Iterator[None]:
    before = settings().engine
    configure(engine=Engine.WORKERS)
    yield
    configure(engine=before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(b"contents")
    return made


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def let_go(pipe: list[int]) -> None:
    os.close(pipe[1])
    pipe[1] = -1


async def natively(func: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """Run one job, and see to it that a native thread does it."""
    before = stats()
    try:
        return await current_engine().run(func, *args, **how)
    finally:
        cost = stats() - before
        assert (cost.native_jobs, cost.engine_jobs, cost.hops) == (1, 1, 1)


async def outcome(call: Any) -> Any:
    """Return what came of awaiting *call*, in a form that can be compared."""
    try:
        return await call
    except OSError as error:
        return type(error), error.errno, error.strerror, error.filename, error.filename2


def synchronously(func: Callable[..., Any], *args: Any) -> Any:
    try:
        return func(*args)
    except OSError as error:
        return type(error), error.errno, error.strerror, error.filename, error.filename2


# -- The same as the functions --

CALLS: list[tuple[str, Callable[[Path], tuple[Any, ...]]]] = [
    ("stat", lambda p: (p,)),
    ("stat", lambda p: (str(p),)),
    ("stat", lambda p: (os.fsencode(p),)),
    ("lstat", lambda p: (p,)),
    ("access", lambda p: (p, os.R_OK)),
    ("access", lambda p: (str(p), os.X_OK)),
    ("mkdir", lambda p: (p.with_name("new"),)),
    ("mkdir", lambda p: (str(p),)),
    ("rmdir", lambda p: (p,)),
    ("remove", lambda p: (p,)),
    ("unlink", lambda p: (p.parent,)),
    ("rename", lambda p: (p, p.with_name("other"))),
    ("rename", lambda p: (str(p), str(p.parent / "no" / "such"))),
    ("replace", lambda p: (os.fsencode(p), os.fsencode(p.with_name("other")))),
    ("link", lambda p: (p, p.with_name("other"))),
    ("link", lambda p: (p.with_name("missing"), p)),
    ("symlink", lambda p: ("target", p.with_name("other"))),
    ("symlink", lambda p: ("target", str(p))),
    *[
        (name, lambda p: (p.with_name("missing"),))
        for name in ("stat", "lstat", "rmdir", "remove", "unlink")
    ],
]


@pytest.mark.parametrize(
    ("name", "arguments"), CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)]
)
def test_function_of_os_gives_and_raises_the_same(
    name: str, arguments: Any, tmp_path: Path, loop: Host
) -> None:
    func = getattr(os, name)
    results = []
    for kind in ("native", "plain"):
        folder = tmp_path / kind
        folder.mkdir()
        file = folder / "file"
        file.write_bytes(b"contents")
        given = arguments(file)
        if kind == "native":
            result = loop.run(outcome, natively(func, *given))
        else:
            result = synchronously(func, *given)
        if isinstance(result, os.stat_result):
            result = result.st_mode, result.st_size, result.st_nlink
        listing = sorted(os.listdir(folder))
        text = repr((result, listing)).replace(str(folder), "")
        results.append(text)
    assert results[0] == results[1]


AUDITED: list[tuple[Callable[..., Any], Callable[[Path], tuple[Any, ...]]]] = [
    (os.stat, lambda p: (p,)),
    (os.mkdir, lambda p: (str(p) + "d", 0o700)),
    (os.rmdir, lambda p: (str(p) + "d",)),
    (os.rename, lambda p: (str(p), str(p))),
    (os.link, lambda p: (str(p), str(p) + "l")),
    (os.symlink, lambda p: (str(p), str(p) + "s")),
    (os.remove, lambda p: (str(p) + "l",)),
    (os.unlink, lambda p: (str(p) + "s",)),
    (os.ftruncate, lambda p: (99, 0)),
]

EVENTS: list[tuple[str, tuple[Any, ...]]] = []
LISTENING = threading.local()


def listen(event: str, args: tuple[Any, ...]) -> None:
    if getattr(LISTENING, "on", False) and event.startswith(("os.", "open")):
        EVENTS.append((event, args))


@pytest.fixture(scope="module")
def hook() -> None:
    sys.addaudithook(listen)


@pytest.mark.usefixtures("hook")
@pytest.mark.parametrize(
    ("func", "arguments"), AUDITED, ids=[case[0].__name__ for case in AUDITED]
)
async def test_audit_events_are_the_same(func: Any, arguments: Any, path: Path) -> None:
    heard = []
    for way in ("native", "plain"):
        EVENTS.clear()
        LISTENING.on = True
        try:
            if way == "native":
                await outcome(natively(func, *arguments(path)))
            else:
                synchronously(func, *arguments(path))
        finally:
            LISTENING.on = False
        heard.append(list(EVENTS))
    assert heard[0] == heard[1]


@pytest.mark.usefixtures("hook")
async def test_opening_raises_the_event_before_anything_is_opened(path: Path) -> None:
    EVENTS.clear()
    LISTENING.on = True
    try:
        async with headrace.open(path, "r+b"):
            pass
        await headrace.write_bytes(path, b"")
    finally:
        LISTENING.on = False
    flags = os.O_RDWR | os.O_CLOEXEC
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    assert [
        ("open", (str(path), None, flags)),
        ("open", (str(path), None, writing)),
    ] == EVENTS


async def test_what_only_python_can_do_is_left_to_it(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    before = stats().native_jobs
    try:
        assert await headrace.os.access("file", os.R_OK, dir_fd=folder)
        with pytest.raises(ValueError, match="null"):
            await headrace.os.remove("a\0b")
        with pytest.raises(TypeError):
            await headrace.os.rename(path)  # type: ignore[call-arg]
        assert await current_engine().run(len, b"abc") == 3
    finally:
        os.close(folder)
    assert stats().native_jobs == before


async def test_files_are_opened_written_and_closed_by_native_threads(
    path: Path,
) -> None:
    before = stats()
    async with headrace.open(path, "wb") as file:
        await file.write(b"x" * 4096)
    cost = stats() - before
    assert (cost.native_jobs, cost.hops) == (2, 2)
    assert path.read_bytes() == b"x" * 4096


async def test_flushing_and_syncing_is_one_job(path: Path) -> None:
    async with headrace.open(path, "w") as file:
        before = stats()
        await file.write("text")
        await file.sync()
        assert (stats() - before).native_jobs == 1
        assert path.read_text() == "text"
        await file.sync(data_only=True)
        assert (stats() - before).native_jobs == 2


async def test_whole_files_are_one_job(path: Path) -> None:
    before = stats()
    await headrace.write_bytes(path, b"y" * 1_000_000)
    assert await headrace.read_bytes(path) == b"y" * 1_000_000
    await headrace.append_text(path, "z")
    cost = stats() - before
    assert (cost.native_jobs, cost.hops) == (3, 3)


async def test_large_text_is_decoded_off_the_loop(path: Path) -> None:
    text = "é" * 400_000
    path.write_text(text, encoding="utf-8")
    before = stats()
    assert await headrace.read_text(path, encoding="utf-8") == text
    cost = stats() - before
    assert (cost.native_jobs, cost.hops) == (1, 2)


async def test_info_and_reason() -> None:
    await current_engine().run(os.getcwd)
    assert info().engine == "workers"
    assert info().reason == "asked for by headrace.configure()"


# -- Short calls --


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is polled for is over by then."""
    # Not at the top: it needs the C core.
    from headrace.engine import _workers

    _workers._pool or _workers._new_pool()
    monkeypatch.setattr(_workers, "_poll_ns", 10**10)
    # However long this process does not get the CPU.
    monkeypatch.setattr(_budget, "SLICE_S", 1e9)


@pytest.mark.usefixtures("patient")
async def test_lone_task_is_not_suspended_for_a_short_call(
    path: Path, loop: Host
) -> None:
    run = current_engine().run
    await headrace.append_bytes(path, b"")
    await run(os.stat, path)
    before = stats()
    assert (await run(os.stat, path)).st_size == 8
    with pytest.raises(FileNotFoundError, match="missing"):
        await run(os.stat, path.with_name("missing"))
    async with headrace.open(path, "wb") as file:
        await file.write(b"new")
    assert path.read_bytes() == b"new"
    # Under Trio, each call is a checkpoint.
    expected = 0 if loop.name == "trio" else 4
    assert (stats() - before).polled == expected


@pytest.mark.usefixtures("patient")
async def test_other_tasks_have_their_turns_meanwhile(path: Path) -> None:
    run = current_engine().run
    before = stats()
    await tasks.gather(*(run(os.stat, path) for _ in range(8)))
    cost = stats() - before
    assert (cost.native_jobs, cost.polled) == (8, 0)


@pytest.mark.usefixtures("patient")
async def test_short_calls_do_not_starve_the_loop(
    path: Path, monkeypatch: pytest.MonkeyPatch, loop: Host
) -> None:
    """They are inline work: where its time is over, the loop gets its turn."""
    monkeypatch.setattr(_budget, "SLICE_S", -1.0)
    engine = current_engine()
    turn, turns_given = type(engine.host).checkpoint, 0

    async def counted(host: Any) -> None:
        nonlocal turns_given
        turns_given += 1
        await turn(host)

    monkeypatch.setattr(type(engine.host), "checkpoint", counted)
    for _ in range(21):
        await engine.run(os.stat, path)
    # Not each time: the turn begins the count of operations anew. Under Trio, each
    # call suspends the task.
    assert turns_given >= (0 if loop.name == "trio" else 5)


@pytest.mark.usefixtures("patient")
async def test_what_is_written_behind_is_not_polled_for(path: Path) -> None:
    before = stats()
    async with headrace.open(path, "wb") as file:
        for _ in range(16):
            await file.write(b"x" * 100_000)
    assert path.stat().st_size == 1_600_000
    cost = stats() - before
    assert cost.native_jobs > cost.polled


# -- Cancelled --


async def test_job_that_no_thread_has_begun_never_runs(
    path: Path, pipe: list[int]
) -> None:
    limit = settings().max_workers
    engine = current_engine()
    stuck = [engine.submit(_calls.read_once, pipe[0], 1, -1) for _ in range(limit)]
    while not all(job.begun for job in stuck):  # type: ignore[attr-defined]
        await tasks.sleep(0)
    task = await begun(engine.run(os.remove, path, on_cancel="finish"))
    task.cancel()
    await turns()
    assert task.cancelled()
    let_go(pipe)
    for job in stuck:
        assert await engine.outcome(job) == b""
    assert path.exists()


async def test_abandoned_read_lets_the_task_go_and_holds_its_buffers(
    pipe: list[int],
) -> None:
    task = await begun(natively(_calls.read_once, pipe[0], 5, -1))
    await turns()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    os.write(pipe[1], b"late")
    gc.collect()


@pytest.mark.asyncio_only("under Trio, the result is returned; see test_trio.py")
async def test_job_to_be_finished_holds_the_task_until_it_is(pipe: list[int]) -> None:
    engine = current_engine()
    job = engine.submit(_calls.read_once, pipe[0], 5, -1)
    while not job.begun:  # type: ignore[attr-defined]
        await tasks.sleep(0)
    task = await begun(engine.outcome(job, "finish"))
    for _ in range(2):
        await turns()
        task.cancel()
    await turns()
    assert not task.done()
    os.write(pipe[1], b"there")
    with pytest.raises(tasks.Cancelled):
        await task


async def test_storm_of_cancelled_opens_leaks_nothing(path: Path) -> None:
    await current_engine().run(os.fstat, 0)
    before = open_descriptors()
    chance = random.Random(3)

    async def use() -> None:
        async with headrace.open(path, "r+b") as file:
            await file.read(1)

    for _ in range(10):
        started = [tasks.start(use()) for _ in range(100)]
        await turns(chance.randrange(4))
        for task in chance.sample(started, 80):
            task.cancel()
            if chance.random() < 0.1:
                await tasks.sleep(0)
        await tasks.gather(*started, return_exceptions=True)
    gc.collect()
    while open_descriptors() != before:
        await tasks.sleep(0.001)


async def test_read_that_moved_the_position_is_put_back(pipe: list[int]) -> None:
    async with headrace.open(pipe[0], "rb", buffering=0, closefd=False) as file:
        task = await begun(file.read(4))
        await turns()
        task.cancel()
        with pytest.raises(tasks.Cancelled):
            await task
        os.write(pipe[1], b"data")
        assert await file.read(4) == b"data"


# -- Loops, threads, processes --


def test_loops_in_a_row_leave_nothing(path: Path, loop: Host) -> None:
    async def use() -> None:
        await natively(os.stat, path)

    loop.run(use)
    descriptors, threads = len(open_descriptors()), len(os.listdir("/proc/self/task"))
    for _ in range(200):
        loop.run(use)
    assert len(open_descriptors()) <= descriptors + 3
    assert len(os.listdir("/proc/self/task")) <= threads + settings().max_workers


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_thousand_runs_in_a_row_leave_nothing(path: Path, kind: str) -> None:
    source = """
        import asyncio, os, sys
        import headrace
        path, kind = sys.argv[1:]
        run = asyncio.run
        if kind == "uvloop":
            import uvloop
            run = uvloop.run

        async def main():
            async with headrace.open(path, "r+b") as file:
                await file.write(await file.read(3))

        def count():
            return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

        for _ in range(10):
            run(main())
        before = count()
        for _ in range(1000):
            run(main())
        after = count()
        assert after[0] <= before[0] + 2, (before, after)
        assert after[1] <= before[1] + 6, (before, after)
    """
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    passes(source, path, kind)


@pytest.mark.slow
def test_many_loops_in_threads_at_once(path: Path) -> None:
    errors: list[BaseException] = []

    def use(number: int) -> None:
        async def main() -> None:
            target = path.with_name(str(number))
            for _ in range(5):
                async with headrace.open(target, "wb") as file:
                    await file.write(b"x" * 100)
                assert (await headrace.os.stat(target)).st_size == 100

        try:
            asyncio.run(main())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert threads_alive(Lane.WORK) <= 2 * settings().max_workers
    gc.collect()


def test_loop_that_ends_with_calls_in_flight_is_given_back(pipe: list[int]) -> None:
    before = open_descriptors()

    async def main() -> None:
        for _ in range(3):
            await begun(current_engine().run(_calls.read_once, pipe[0], 1, -1))

    asyncio.run(main())
    gc.collect()
    while len(open_descriptors()) > len(before) + 1:
        os.sched_yield()
    let_go(pipe)
    while [fd for fd in open_descriptors() if fd not in before]:
        os.sched_yield()


def passes(source: str, *args: object) -> str:
    """Run a program of its own on native threads; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-Wignore", "-c", textwrap.dedent(source), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=50,
        env=os.environ | {"HEADRACE_ENGINE": "workers"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_fork_with_calls_in_flight(tmp_path: Path) -> None:
    source = """
        import asyncio, gc, os, sys
        import headrace
        from headrace.engine import current_engine
        from headrace.files import _calls

        async def write(name):
            async with headrace.open(os.path.join(sys.argv[1], name), "w") as file:
                await file.write(name)
            assert headrace.stats().native_jobs

        async def main():
            reading, writing = os.pipe()
            run = current_engine().run
            stuck = [
                asyncio.ensure_future(run(_calls.read_once, reading, 1, -1))
                for _ in range(30)
            ]
            await asyncio.sleep(0.01)
            pid = os.fork()
            if not pid:
                code = 1
                try:
                    asyncio._set_running_loop(None)
                    asyncio.run(write("child"))
                    del stuck
                    gc.collect()
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(pid, 0)[1] == 0
            os.close(writing)
            assert set(await asyncio.gather(*stuck)) == {b""}
            await write("parent")

        asyncio.run(main())
        print(sorted(os.listdir(sys.argv[1])))
    """
    assert passes(source, tmp_path) == "['child', 'parent']\n"


def test_exit_carries_a_write_through(tmp_path: Path) -> None:
    source = """
        import asyncio, os, sys
        import headrace
        from headrace.engine import current_engine

        async def main():
            for number in range(4):
                path = os.path.join(sys.argv[1], str(number))
                asyncio.ensure_future(headrace.write_bytes(path, b"x" * 30_000_000))
            while len(os.listdir(sys.argv[1])) < 4:
                await asyncio.sleep(0)
            # Without ending the loop: the exit comes with the writes on their way.
            raise SystemExit

        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(main())
        except SystemExit:
            pass
    """
    passes(source, tmp_path)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sizes == [30_000_000] * 4


def test_what_waits_for_ever_does_not_hold_up_the_exit() -> None:
    source = """
        import asyncio, os
        from headrace.engine import Lane, current_engine
        from headrace.files import _calls

        async def main():
            reading, _ = os.pipe()
            run = current_engine().run
            for lane in Lane:
                asyncio.ensure_future(run(_calls.read_once, reading, 1, -1, lane=lane))
            await asyncio.sleep(0.01)

        asyncio.run(main())
        print("over")
    """
    assert passes(source) == "over\n"


# -- Descriptions --


OF_OS = [func for func in _described._table if func.__module__ == "posix"]


@pytest.mark.parametrize("func", OF_OS, ids=lambda func: func.__name__)
def test_odd_arguments_are_the_functions_to_refuse(func: Any) -> None:
    odd = object()
    for args in [(), (odd,), (odd, odd), (odd, odd, odd), (odd,) * 9]:
        assert _described.described(func, args) is None


def test_callables_without_a_hash_have_no_description() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> None: ...

    assert _described.described(Odd(), ()) is None
