"""D4: whoever is cancelled, a file that was open is flushed and closed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests import tasks
from tests.faults.support import is_open, saturated, turns, until

MODES = ["w", "wb", "a", "r+b", "x+"]
DATA = "all of it\n" * 10


def data_for(mode: str) -> Any:
    return DATA.encode() if "b" in mode else DATA


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if "r" in request.param:
        (tmp_path / "file").write_bytes(b"")
    return str(request.param)


async def test_cancelled_while_the_body_waits(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    files: list[Any] = []

    async def use() -> None:
        async with headrace.open(path, mode) as file:
            files.append(file)
            await file.write(data_for(mode))
            await tasks.Event().wait()

    task = tasks.start(use())
    await until(lambda: files)
    await turns(3)
    fd = files[0].fileno()
    task.cancel()
    with pytest.raises(tasks.Cancelled):
        await task
    assert files[0].closed
    assert not is_open(fd)
    assert path.read_text() == DATA


async def test_cancelled_before_the_block_is_left(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    files: list[Any] = []

    async def use() -> None:
        async with headrace.open(path, mode) as file:
            files.append(file)
            await file.write(data_for(mode))
            tasks.current().cancel()
            # The cancellation meets the first wait, which is inside __aexit__.

    task = tasks.start(use())
    with pytest.raises(tasks.Cancelled):
        await task
        # A block that could be left without waiting gives it to the next wait.
        await turns(1)
        raise tasks.TaskCancelled
    assert files[0].closed
    assert path.read_text() == DATA


@asynccontextmanager
async def being_closed(
    path: Path, mode: str, how: str
) -> AsyncIterator[tuple[Any, Any, int, Callable[[], None]]]:
    """Give a task that is inside a close whose job waits for a free worker."""
    leaving = tasks.Event()

    async def use(file: Any) -> None:
        if how == "async with":
            async with file:
                await file.write(data_for(mode))
                leaving.set()
        else:
            await file.write(data_for(mode))
            leaving.set()
            await getattr(file, how)()

    file = await headrace.open(path, mode)
    fd = file.fileno()
    async with saturated() as release:
        task = tasks.start(use(file))
        await leaving.wait()
        await turns(5)
        assert not task.done(), "closing did not need the engine"
        yield task, file, fd, release


@pytest.mark.parametrize("cancels", [1, 2, 5])
@pytest.mark.parametrize("how", ["async with", "close", "aclose"])
async def test_cancelled_during_the_close(
    tmp_path: Path, mode: str, how: str, cancels: int
) -> None:
    path = tmp_path / "file"
    async with being_closed(path, mode, how) as (task, file, fd, release):
        for _ in range(cancels):
            task.cancel()
            await turns(3)
        assert not task.done(), "the close was given up"
        release()
        with pytest.raises(tasks.Cancelled):
            await task
    assert file.closed
    assert not is_open(fd)
    assert path.read_text() == DATA


async def test_timeout_around_the_close_is_a_timeout(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = await headrace.open(path, "wb")
    await file.write(b"data")
    async with saturated() as release:

        async def leave() -> None:
            async with tasks.timeout(0):
                await file.close()

        task = tasks.start(leave())
        await turns(5)
        release()
        with pytest.raises(TimeoutError):
            await task
    assert file.closed
    assert path.read_bytes() == b"data"


@pytest.mark.asyncio_only("Trio's scope ends what is raised in it")
async def test_error_in_the_body_and_a_cancelled_close(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = await headrace.open(path, "wb")
    raising = tasks.Event()

    async def use() -> None:
        async with file:
            await file.write(b"data")
            raising.set()
            raise ZeroDivisionError

    async with saturated() as release:
        task = tasks.start(use())
        await raising.wait()
        await turns(3)
        task.cancel()
        await turns(3)
        release()
        with pytest.raises(tasks.Cancelled) as caught:
            await task
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert file.closed
    assert path.read_bytes() == b"data"


async def test_error_in_the_body_goes_on_after_the_close(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(ZeroDivisionError):
        async with headrace.open(path, "w") as file:
            await file.write("data")
            raise ZeroDivisionError
    assert file.closed
    assert path.read_text() == "data"


async def test_two_tasks_closing_at_once_close_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = await headrace.open(path, "wb")
    await file.write(b"data")
    async with saturated() as release:
        first = tasks.start(file.close())
        second = tasks.start(file.close())
        await turns(5)
        assert not second.done(), "returned before the file was written and closed"
        first.cancel()
        await turns(2)
        release()
        results = await tasks.gather(first, second, return_exceptions=True)
    assert isinstance(results[0], tasks.Cancelled)
    assert results[1] is None
    assert file.closed
    assert path.read_bytes() == b"data"


async def test_cancelled_flush_has_flushed_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "wb") as file:
        await file.write(b"data")
        async with saturated() as release:
            task = tasks.start(file.flush())
            await turns(5)
            task.cancel()
            await turns(2)
            release()
            with pytest.raises(tasks.Cancelled):
                await task
        assert path.read_bytes() in (b"", b"data")
        await file.write(b" and more")
    assert path.read_bytes() == b"data and more"


async def test_close_of_a_pipe_that_nobody_reads_can_be_cancelled() -> None:
    reader, writer = os.pipe()
    try:
        file = await headrace.open(writer, "wb")
        await file.write(b"x" * 40_000)
        await file.flush()
        await file.write(b"y" * 40_000)
        task = tasks.start(file.close())
        await turns(5)
        task.cancel()
        with pytest.raises(tasks.Cancelled):
            await tasks.watch(task, 5)
        assert file.closed
        assert not is_open(writer)
    finally:
        os.close(reader)
