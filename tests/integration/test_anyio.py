"""Under anyio, on both of its backends.

anyio cancels by level on asyncio too: until the cancelled scope is left, it has
CancelledError raised again in each turn of the loop, wherever the task waits.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.engine import Shield, current_engine
from tests.conftest import leaked_descriptors, open_descriptors

anyio = pytest.importorskip("anyio")

BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}

Run = Callable[..., Any]


@pytest.fixture(params=BACKENDS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function under anyio."""
    backend, options = BACKENDS[request.param]
    pytest.importorskip(request.param)

    def run(func: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return anyio.run(func, *args, backend=backend, backend_options=options)

    async def nothing() -> None: ...

    run(nothing)
    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"one\ntwo\nthree\n" * 1000)
    return file


class Gate:
    """A blocking call that waits to be let through."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.result: object = "done"

    def __call__(self) -> object:
        self.begun.set()
        assert self.go.wait(10)
        return self.result


# -- What works at all --------------------------------------------------------------


def test_files_functions_and_paths(run: Run, path: Path) -> None:
    async def main() -> None:
        async with headrace.open(path) as f:
            assert len([line async for line in f]) == 3000
        async with headrace.open(path, "rb+") as f, anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(f.write, b"x" * 1000)
        assert (await headrace.os.stat(path)).st_size == 20_000
        assert await headrace.Path(path).exists()
        async with headrace.tempfile.TemporaryDirectory() as folder:
            await headrace.write_text(f"{folder}/a", "text")
            assert [entry.name async for entry in headrace.os.scandir(folder)] == ["a"]
        async with headrace.wrap(path.open("rb")) as wrapped:
            assert await wrapped.read(1) == b"x"

    run(main)


def test_host_is_the_one_below(run: Run, request: pytest.FixtureRequest) -> None:
    async def main() -> str | None:
        return headrace.info().host

    assert run(main) == request.node.callspec.params["run"]


# -- Cancelled before, during, twice ------------------------------------------------

MODES = ["r", "rb", "w", "wb", "r+", "rb+"]


def data_for(mode: str) -> Any:
    return b"data" if "b" in mode else "data"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("buffering", [-1, 100])
def test_block_left_by_a_cancellation_is_written_and_closed(
    run: Run, mode: str, buffering: int, path: Path
) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with headrace.open(path, mode, buffering) as f:
                if mode != "r" and mode != "rb":
                    for _ in range(100):
                        await f.write(data_for(mode))
                scope.cancel()
                await anyio.sleep(10)
        assert scope.cancelled_caught
        assert f.closed

    before = open_descriptors()
    run(main)
    gc.collect()
    assert not leaked_descriptors(before)
    if mode not in ("r", "rb"):
        assert path.read_bytes().startswith(b"data" * 100)


@pytest.mark.parametrize("mode", MODES)
def test_close_in_a_cancelled_scope_closes(run: Run, mode: str, path: Path) -> None:
    async def main() -> None:
        f = await headrace.open(path, mode)
        if mode not in ("r", "rb"):
            await f.write(data_for(mode))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await f.aclose()
            await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert f.closed

    run(main)
    if mode not in ("r", "rb"):
        assert path.read_bytes().startswith(b"data")


def test_change_under_way_is_finished_before_the_scope_is_left(run: Run) -> None:
    gate = Gate()

    async def main() -> None:
        with anyio.CancelScope() as scope:

            async def stop() -> None:
                while not gate.begun.is_set():
                    await anyio.sleep(0.001)
                scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.02)
                gate.go.set()

            async with anyio.create_task_group() as group:
                group.start_soon(stop)
                await current_engine().run(gate, on_cancel="finish")
                await anyio.lowlevel.checkpoint()
                raise AssertionError("the scope is cancelled")
        assert scope.cancelled_caught
        assert gate.go.is_set()

    run(main)


def test_cancelled_again_by_another_scope_while_it_closes(run: Run, path: Path) -> None:
    async def main() -> None:
        with anyio.CancelScope() as outer:
            with anyio.CancelScope() as inner:
                async with headrace.open(path, "w") as f:
                    await f.write("data")
                    inner.cancel()
                    outer.cancel()
                    await anyio.sleep(10)
            raise AssertionError("the outer scope is cancelled as well")
        assert outer.cancelled_caught
        assert f.closed

    run(main)
    assert path.read_text() == "data"


def test_what_is_shielded_survives_cancellation_by_level(run: Run) -> None:
    """And the loop does not spin meanwhile."""
    gate = Gate()

    async def main() -> float:
        with anyio.CancelScope() as scope:
            scope.cancel()
            with Shield():
                timer = threading.Timer(0.3, gate.go.set)
                timer.start()
                spent = time.process_time()
                assert await current_engine().run(gate, on_cancel="finish") == "done"
                spent = time.process_time() - spent
                timer.join()
            await anyio.lowlevel.checkpoint()
            raise AssertionError("the scope is cancelled")
        assert scope.cancelled_caught
        return spent

    assert run(main) < 0.1


@pytest.mark.parametrize("when", range(12))
def test_opens_cancelled_anywhere_leak_nothing(
    run: Run, when: int, path: Path, tmp_path: Path
) -> None:
    async def use(mode: str, number: int) -> None:
        async with headrace.open(tmp_path / f"file{number}", mode) as f:
            await f.tell()

    async def main() -> None:
        for number in range(30):
            async with anyio.create_task_group() as group:
                group.start_soon(use, "w", number)
                group.start_soon(use, "a+b", number)
                for _ in range(when):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()

    before = open_descriptors()
    run(main)
    gc.collect()
    assert not leaked_descriptors(before)


def test_cancelled_read_of_a_pipe_loses_nothing(run: Run) -> None:
    reader, writer = os.pipe()

    async def main() -> None:
        async with headrace.open(reader, "rb") as f:
            for _ in range(5):
                with anyio.move_on_after(0.005) as scope:
                    await f.read(4)
                assert scope.cancelled_caught
            os.write(writer, b"some")
            assert await f.read(4) == b"some"

    run(main)
    os.close(writer)


def test_write_that_nobody_reads_can_be_cancelled_and_closed(run: Run) -> None:
    reader, writer = os.pipe()

    async def main() -> None:
        with anyio.move_on_after(0.05) as scope:
            async with headrace.open(writer, "wb") as f:
                await f.write(b"x" * 1_000_000)
        assert scope.cancelled_caught
        assert f.closed

    began = time.monotonic()
    run(main)
    assert time.monotonic() - began < 5
    os.close(reader)


def test_temporary_directory_is_removed_by_a_cancelled_exit(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with headrace.tempfile.TemporaryDirectory(dir=tmp_path) as folder:
                await headrace.write_text(os.path.join(folder, "a"), "text")
                async with headrace.tempfile.NamedTemporaryFile(dir=tmp_path) as f:
                    await f.write(b"x")
                    scope.cancel()
                    await anyio.sleep(10)
        assert scope.cancelled_caught

    run(main)
    assert os.listdir(tmp_path) == []


def test_task_group_that_fails_closes_the_files_of_its_tasks(
    run: Run, tmp_path: Path
) -> None:
    files: list[Any] = []

    async def main() -> None:
        async def use(number: int) -> None:
            async with headrace.open(tmp_path / str(number), "w") as f:
                # (Cancelled while it waits for a turn of the loop, it takes nothing.)
                await f.write("data")
                files.append(f)
                await anyio.sleep(10)

        with pytest.raises(ExceptionGroup):
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(use, number)
                while len(files) < 20:
                    await anyio.sleep(0.001)
                raise ZeroDivisionError

    run(main)
    assert all(f.closed for f in files)
    assert {file.read_text() for file in tmp_path.iterdir()} == {"data"}
