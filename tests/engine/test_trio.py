"""The Trio host: signals, checkpoints, shields, and that nobody imports it unasked."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace._settings import settings
from headrace.engine import Shield, budget, current_engine, running_loop_key
from headrace.engine import _registry as registry
from tests.conftest import leaked_descriptors, open_descriptors
from tests.hosts import TrioHost

pytest.importorskip("trio")
import trio
from trio.testing import (
    MockClock,
    assert_checkpoints,
    assert_no_checkpoints,
    wait_all_tasks_blocked,
)

Main = Callable[..., Awaitable[Any]]


def run(func: Main, *args: Any) -> Any:
    """Run *func* under Trio."""
    return TrioHost().run(func, *args)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"one\ntwo\nthree\n" * 100)
    return file


# -- Nobody is imported unasked -----------------------------------------------------


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        pytest.param("import headrace", {"asyncio", "trio"}, id="nothing-runs"),
        pytest.param(
            "import headrace, asyncio\nasyncio.run(main())", {"trio"}, id="asyncio"
        ),
        pytest.param("import headrace, trio\ntrio.run(main)", {"asyncio"}, id="trio"),
        pytest.param("import trio, headrace\ntrio.run(main)", {"asyncio"}, id="later"),
    ],
)
def test_only_the_loop_that_runs_is_imported(
    program: str, absent: set[str], tmp_path: Path
) -> None:
    main = """
async def main():
    async with headrace.open(PATH, "w") as f:
        await f.write("text")
        await headrace.os.stat(PATH)
    async with headrace.tempfile.TemporaryFile() as f:
        await f.write(b"data")
    assert await headrace.read_text(PATH) == "text"
"""
    program = f"PATH = {str(tmp_path / 'file')!r}\n{main}\n{program}\n"
    program += f"import sys; print({absent!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n", done.stderr


# -- The engine of a run ------------------------------------------------------------


def test_each_run_has_an_engine_of_its_own() -> None:
    kept: list[Any] = []

    async def main() -> None:
        assert current_engine() is current_engine()
        assert running_loop_key() is trio.lowlevel.current_trio_token()
        kept.append(weakref.ref(current_engine()))

    run(main)
    run(main)
    gc.collect()
    assert [engine() for engine in kept] == [None, None]


def test_the_host_is_named() -> None:
    async def main() -> str | None:
        return headrace.info().host

    assert run(main) == "trio"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_clock_that_stands_still_holds_up_no_wait_for_another(tmp_path: Path) -> None:
    # Whoever opens a FIFO to write looks now and then whether somebody reads.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def write() -> None:
        async with headrace.open(fifo, "w") as file:
            await file.write("text")

    async def read() -> str:
        async with headrace.open(fifo) as file:
            return await file.read()

    async def main() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await wait_all_tasks_blocked()
            return await read()

    clock = MockClock()
    assert trio.run(main, clock=clock) == "text"
    assert clock.current_time() == 0


def test_many_runs_leave_no_descriptor_and_no_thread(path: Path) -> None:
    async def main() -> None:
        async with headrace.open(path, "rb+") as f:
            await f.write(b"x")

    run(main)
    gc.collect()
    before = open_descriptors()
    threads = threading.active_count()
    for _ in range(50):
        run(main)
    gc.collect()
    assert not leaked_descriptors(before)
    # Those of the pool, which serve all runs.
    assert threading.active_count() <= threads + settings().max_workers


def test_a_run_that_ended_is_known_to_be_closed() -> None:
    async def main() -> Any:
        host = current_engine().host
        assert not host.closed
        return host, running_loop_key()

    host, token = run(main)
    assert host.closed
    del token
    gc.collect()
    assert host.closed


def test_job_that_outlives_its_run_is_dropped() -> None:
    go, dropped = threading.Event(), threading.Event()

    async def main() -> None:
        with trio.move_on_after(0.01):
            await current_engine().run(go.wait, discard=lambda _: dropped.set())

    run(main)
    go.set()
    assert dropped.wait(10)


def test_channel_wakes_the_run() -> None:
    async def main() -> None:
        current_engine()
        place = registry._places[running_loop_key()]
        channel = place.channel()
        assert channel is not None
        reaped = trio.Event()

        class Source:
            def end(self) -> bool:
                return True

            def reap(self) -> None:
                reaped.set()

            def drain(self) -> None: ...
            def close(self) -> None: ...
            def forget(self) -> None: ...

        channel.attach(Source())
        threading.Thread(target=os.eventfd_write, args=(channel.fd, 1)).start()
        with trio.fail_after(10):
            await reaped.wait()

    run(main)
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_child_that_is_forked_in_a_run_may_run_asyncio(path: Path) -> None:
    import asyncio

    async def use() -> str | None:
        async with headrace.open(path, "r+") as f:
            await f.write("four")
            await f.flush()
        return headrace.info().host

    async def main() -> int:
        await use()
        pid = os.fork()
        if not pid:
            try:
                os._exit(0 if asyncio.run(use()) == "asyncio" else 1)
            finally:
                os._exit(2)
        await use()
        return os.waitpid(pid, 0)[1]

    assert run(main) == 0


# -- Guest mode ---------------------------------------------------------------------


def test_guest_run_and_the_loop_around_it_each_have_their_engine(path: Path) -> None:
    import asyncio

    async def use() -> object:
        async with headrace.open(path, "r+") as f:
            assert await f.readline() == "one\n"
            await f.write("four")
        return current_engine()

    async def host() -> tuple[object, object, object]:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        trio.lowlevel.start_guest_run(
            use,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=ended.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        mine = await use()
        guest = (await ended).unwrap()
        assert current_engine() is mine
        return mine.host.name, guest.host.name, budget.strict

    assert asyncio.run(host()) == ("asyncio", "trio", False)


# -- Checkpoints --------------------------------------------------------------------

FILE_OPERATIONS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "read": lambda f: f.read(3),
    "read-nothing": lambda f: f.read(0),
    "read-all": lambda f: f.read(),
    "readline": lambda f: f.readline(),
    "readlines": lambda f: f.readlines(),
    "seek": lambda f: f.seek(3),
    "tell": lambda f: f.tell(),
    "pread": lambda f: f.pread(3, 3),
    "flush": lambda f: f.flush(),
    "sync": lambda f: f.sync(),
    "truncate": lambda f: f.truncate(),
    "close": lambda f: f.close(),
    "aclose": lambda f: f.aclose(),
}


@pytest.mark.parametrize("operation", FILE_OPERATIONS.values(), ids=FILE_OPERATIONS)
@pytest.mark.parametrize(
    ("mode", "buffering"),
    [("r+", -1), ("rb+", -1), ("rb+", 0), ("r", -1), ("rb", -1)],
    ids=["text", "binary", "raw", "text-read", "binary-read"],
)
@pytest.mark.parametrize("begun", [False, True], ids=["first", "later"])
def test_each_operation_is_a_checkpoint(
    operation: Callable[[Any], Awaitable[Any]],
    mode: str,
    buffering: int,
    begun: bool,
    path: Path,
) -> None:
    if operation is FILE_OPERATIONS["truncate"] and "+" not in mode:
        pytest.skip("not open for writing")

    async def main() -> None:
        with assert_checkpoints():
            f: Any = await headrace.open(path, mode, buffering)
        if begun:
            await f.read(2)
        with assert_checkpoints():
            await operation(f)
        if not f.closed:
            with assert_checkpoints():
                await operation(f)
        with assert_checkpoints():
            await f.close()
        with assert_checkpoints():
            await f.close()

    run(main)


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_each_write_is_a_checkpoint(mode: str, tmp_path: Path) -> None:
    async def main() -> None:
        f: Any = await headrace.open(tmp_path / "out", mode)
        for _ in range(3):
            with assert_checkpoints():
                await f.write(b"data" if mode == "wb" else "text")
        with assert_checkpoints():
            await f.writelines([b"data"] if mode == "wb" else ["text"])
        with assert_checkpoints():
            await f.close()

    run(main)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda path: headrace.read_bytes(path), id="read_bytes"),
        pytest.param(lambda path: headrace.read_text(path), id="read_text"),
        pytest.param(lambda path: headrace.write_bytes(path, b"x"), id="write_bytes"),
        pytest.param(lambda path: headrace.os.stat(path), id="stat"),
        pytest.param(lambda path: headrace.ospath.exists(path), id="exists"),
        pytest.param(lambda path: headrace.os.rename(path, path), id="rename"),
        pytest.param(lambda path: headrace.Path(path).stat(), id="Path.stat"),
    ],
)
def test_each_function_is_a_checkpoint(call: Any, path: Path) -> None:
    async def main() -> None:
        for _ in range(3):
            with assert_checkpoints():
                await call(path)

    run(main)


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_iteration_is_a_checkpoint_for_each_batch_and_at_its_end(
    mode: str, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"a line of some length\n" * 10_000)

    async def main() -> None:
        turns = 0
        done = False

        async def other() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            async with headrace.open(file, mode) as f:
                aiter(f)
                with assert_checkpoints():
                    await anext(f)
                with assert_no_checkpoints():
                    await anext(f)
                count = 2
                async for _ in f:
                    count += 1
                assert count == 10_000
                with assert_checkpoints(), pytest.raises(StopAsyncIteration):
                    await anext(f)
            done = True
        # 220 kB, handed out in windows of 16 KiB at the most.
        assert turns >= 220_000 // (16 * 1024)

    run(main)


def test_operation_in_a_cancelled_scope_does_nothing(path: Path) -> None:
    async def main() -> None:
        async with headrace.open(path, "rb+") as f:
            await f.read(4)
            for operation in (
                lambda: f.read(4),
                lambda: f.readline(),
                lambda: f.seek(0),
                lambda: f.write(b"no"),
                lambda: f.pread(1, 0),
                lambda: f.truncate(0),
            ):
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await operation()
                assert scope.cancelled_caught
                assert await f.tell() == 4

    before = path.read_bytes()
    run(main)
    assert path.read_bytes() == before


# -- Cancellation -------------------------------------------------------------------


def test_cancelled_close_closes_and_is_cancelled_then(path: Path) -> None:
    async def main() -> None:
        for mode in ("r", "rb", "w", "wb"):
            f: Any = await headrace.open(path, mode)
            if "w" in mode:
                await f.write("text" if mode == "w" else b"text")
            with trio.CancelScope() as scope:
                scope.cancel()
                await f.close()
            assert scope.cancelled_caught
            assert f.closed

    run(main)
    assert path.read_bytes() == b"text"


def test_change_that_has_begun_is_carried_out() -> None:
    begun, go = threading.Event(), threading.Event()

    def change() -> str:
        begun.set()
        go.wait()
        return "done"

    async def main() -> None:
        results: list[str] = []

        async def work() -> None:
            results.append(await current_engine().run(change, on_cancel="finish"))
            await trio.lowlevel.checkpoint()
            raise AssertionError("the checkpoint raises")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel()
            go.set()
        # Known to have been made; and cancelled behind it.
        assert results == ["done"]
        assert nursery.cancel_scope.cancelled_caught

    run(main)


def test_job_that_has_not_begun_never_runs() -> None:
    async def main() -> None:
        for on_cancel in ("finish", "abandon"):
            with trio.CancelScope() as scope:
                scope.cancel()
                await current_engine().run(pytest.fail, on_cancel=on_cancel)
            assert scope.cancelled_caught

    run(main)


def test_shield_is_a_shielded_scope() -> None:
    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            with Shield():
                with Shield():
                    await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()
                await current_engine().run(int)
            with assert_checkpoints():
                await trio.lowlevel.checkpoint()
            raise AssertionError("the scope is cancelled")
        assert scope.cancelled_caught

    run(main)


def test_shield_lets_errors_and_cancelled_scopes_inside_it_through() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError), Shield():
            _ = 1 / 0
        with Shield(), trio.CancelScope() as inner:
            inner.cancel()
            await trio.lowlevel.checkpoint()
        assert inner.cancelled_caught

    run(main)


def test_what_may_take_for_ever_is_cancelled_inside_a_shield() -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        try:
            with trio.move_on_after(0.01) as scope, Shield():
                await current_engine().wait_readable(reader)
            assert scope.cancelled_caught
            with trio.CancelScope() as scope:
                scope.cancel()
                with Shield():
                    await current_engine().run(int)
                    await current_engine().wait_readable(reader)
            assert scope.cancelled_caught
        finally:
            os.close(reader)
            os.close(writer)

    run(main)


def test_regular_file_cannot_be_watched(path: Path) -> None:
    async def main() -> None:
        with path.open("rb") as file:
            assert not await current_engine().wait_readable(file.fileno())
            assert not await current_engine().wait_writable(file.fileno())

    run(main)


def test_two_tasks_watch_one_descriptor() -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.wait_readable, reader)
            nursery.start_soon(current_engine().wait_readable, reader)
            await wait_all_tasks_blocked()
            os.write(writer, b"x")
        os.close(reader)
        os.close(writer)

    run(main)


def test_keyboard_interrupt_leaves_nothing_open(tmp_path: Path) -> None:
    """Raised in the main task while it waits; what was opened too late is closed."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def interrupt() -> None:
                await trio.sleep(0.02)
                os.kill(os.getpid(), 2)

            nursery.start_soon(interrupt)
            async with headrace.open(fifo) as f:
                await f.read()

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
        run(main)
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert type(error) is KeyboardInterrupt


def interrupt_at(step: int) -> None:
    """Press Ctrl-C when headrace's code has run *step* lines from now on."""
    count = 0

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal count
        if "/headrace/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
            if count == step:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)


@pytest.mark.parametrize("step", [*range(1, 60, 2), *range(60, 200, 10)])
@pytest.mark.parametrize("mode", ["rb+", "r+"])
def test_keyboard_interrupt_anywhere_leaves_the_file_as_it_has_to_be(
    mode: str, step: int, path: Path
) -> None:
    async def main() -> str:
        f: Any = await headrace.open(path, mode, 64)
        outcome = "not yet"
        interrupt_at(step)
        try:
            await f.write(b"1" * 100 if mode == "rb+" else "1" * 100)
            await f.seek(0)
            await f.read(100)
            await trio.lowlevel.checkpoint()
        except KeyboardInterrupt:
            outcome = "interrupted"
        finally:
            sys.settrace(None)
        with trio.fail_after(5):
            await f.seek(0)
            assert len(await f.read()) == 1400
            await f.close()
        return outcome

    tracing = sys.gettrace()
    try:
        assert run(main) in ("interrupted", "not yet")
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(tracing)
    assert path.read_bytes()[:100] in (b"1" * 100, (b"one\ntwo\nthree\n" * 100)[:100])


def test_system_task_of_the_program_may_close_a_file_when_the_run_ends(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        begun = trio.Event()

        async def keep_a_file_open() -> None:
            async with headrace.open(tmp_path / "log", "w") as f:
                await f.write("text")
                begun.set()
                await trio.sleep_forever()

        await headrace.write_bytes(tmp_path / "first", b"")
        trio.lowlevel.spawn_system_task(keep_a_file_open)
        await begun.wait()

    run(main)
    assert (tmp_path / "log").read_text() == "text"
