"""Jobs behind a limiter begin when they have a token, and give it back."""

from __future__ import annotations

import asyncio
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import headrace
from headrace.engine import Shield, current_engine, limited, limiter_of
from tests import tasks
from tests.fakes import SteppedEngine, begun, turns


class Tokens:
    """A limiter that is only counted, never waited for: on every event loop."""

    def __init__(self) -> None:
        self.held: set[object] = set()
        self.taken = 0

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        assert borrower not in self.held
        self.held.add(borrower)
        self.taken += 1

    def release_on_behalf_of(self, borrower: object) -> None:
        self.held.remove(borrower)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SteppedEngine:
    return SteppedEngine.install(monkeypatch)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    made = tmp_path / "file"
    made.write_bytes(b"0123456789\n")
    return made


async def test_job_takes_a_token_and_gives_it_back() -> None:
    tokens = Tokens()
    run = current_engine().run
    assert await run(divmod, 7, 2, executor=limited(tokens, None)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await run(divmod, 7, 0, executor=limited(tokens, None))
    assert (tokens.taken, tokens.held) == (2, set())


async def test_job_runs_where_it_is_told_to() -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        import threading

        name = await current_engine().run(
            lambda: threading.current_thread().name,
            executor=limited(Tokens(), executor),
        )
    assert name.startswith("mine")


def test_cancelled_and_shielded_job_waits_no_longer(engine: SteppedEngine) -> None:
    async def main() -> None:
        semaphore = asyncio.Semaphore(0)
        ran: list[int] = []

        async def finish() -> None:
            with Shield():
                place = limited(semaphore, None)
                await current_engine().run(ran.append, 1, executor=place)

        task = await begun(finish())
        assert not engine.waiting
        task.cancel()
        await turns()
        engine.run_one()
        with pytest.raises(tasks.Cancelled):
            await task
        assert ran == [1]
        assert semaphore.locked()

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [5, "x", object()])
def test_limiter_must_be_one(wrong: Any) -> None:
    for call in (limited, lambda limiter, _: headrace.open("x", limiter=limiter)):
        with pytest.raises(TypeError, match="limiter must be a CapacityLimiter"):
            call(wrong, None)


def test_no_limiter_leaves_the_executor() -> None:
    assert limited(None, None) is None
    assert limiter_of(None) is None


def test_job_begins_when_a_token_is_free(engine: SteppedEngine) -> None:
    async def main() -> None:
        semaphore = asyncio.Semaphore(1)
        place = limited(semaphore, None)
        run = current_engine().run
        first = await begun(run(int, 1, executor=place))
        second = await begun(run(int, 2, executor=place))
        await turns()
        engine.run_one()
        assert await first == 1
        await turns()
        engine.run_one()
        assert await second == 2
        assert not semaphore.locked()

    asyncio.run(main())


def test_cancelled_job_never_runs_and_holds_no_token(engine: SteppedEngine) -> None:
    async def main() -> None:
        semaphore = asyncio.Semaphore(1)
        place = limited(semaphore, None)
        ran: list[int] = []
        run = current_engine().run
        queued = await begun(run(ran.append, 1, executor=place))
        waiting = await begun(run(ran.append, 2, executor=place))
        await turns()
        waiting.cancel()
        queued.cancel()
        await turns()
        assert not semaphore.locked()
        last = await begun(run(ran.append, 3, executor=place))
        await turns()
        engine.run_all()
        await last
        assert ran == [3]

    asyncio.run(main())


def test_token_of_an_abandoned_job_comes_back_when_it_ends(
    engine: SteppedEngine,
) -> None:
    async def main() -> None:
        semaphore = asyncio.Semaphore(1)
        started, go = os.pipe(), os.pipe()

        def job() -> None:
            os.write(started[1], b"x")
            os.read(go[0], 1)

        with ThreadPoolExecutor(1) as executor:
            task = await begun(
                current_engine().run(job, executor=limited(semaphore, executor))
            )
            await turns()
            os.read(started[0], 1)
            task.cancel()
            await turns()
            assert task.cancelled()
            assert semaphore.locked()
            os.write(go[1], b"x")
        await turns()
        assert not semaphore.locked()
        for fd in (*started, *go):
            os.close(fd)

    asyncio.run(main())


# -- Files ----------------------------------------------------------------------


async def test_file_knows_its_limiter_and_uses_it(path: pathlib.Path) -> None:
    tokens = Tokens()
    async with headrace.open(path, "r+", limiter=tokens) as file:
        assert file.limiter is tokens
        assert file.buffer.limiter is tokens
        assert file.buffer.raw.limiter is tokens
        assert await file.read() == "0123456789\n"
        await file.write("x")
        await file.flush()
    assert tokens.taken >= 2
    assert not tokens.held
    async with headrace.open(path) as plain:
        assert plain.limiter is None


async def test_wrapped_file_knows_its_limiter(path: pathlib.Path) -> None:
    tokens = Tokens()
    with path.open() as file:
        wrapped = headrace.wrap(file, limiter=tokens)
        assert wrapped.limiter is tokens
        assert await wrapped.read() == "0123456789\n"
    assert (tokens.taken, tokens.held) == (1, set())


async def test_path_hands_its_limiter_on(path: pathlib.Path) -> None:
    tokens = Tokens()
    file = headrace.Path(path, limiter=tokens)
    await file.write_bytes(b"new")
    assert await file.read_bytes() == b"new"
    assert await file.read_text() == "new"
    await file.write_text("text")
    await file.chmod(0o600)
    assert [entry.limiter async for entry in file.parent.iterdir()] == [tokens]
    assert [entry.limiter async for entry in file.parent.glob("*")] == [tokens]
    assert [step[0].limiter async for step in file.parent.walk()] == [tokens]
    assert (await file.resolve()).limiter is tokens
    assert (await file.copy(path.with_name("copy"))).limiter is tokens
    assert tokens.taken >= 6
    assert not tokens.held


# -- The synchronous file of an asynchronous one -------------------------------------


async def test_sync_file_reads_and_writes_the_same_file(path: pathlib.Path) -> None:
    async with headrace.open(path, "r+b") as file:
        sync = file.wrapped
        assert sync is file.wrapped is file.raw.wrapped
        assert (sync.name, sync.mode, sync.fileno()) == (
            file.name,
            "rb+",
            file.fileno(),
        )
        assert sync.read(3) == b"012"
        assert sync.write(b"x") == 1
        assert sync.seek(0) == 0
        assert sync.readall() == b"012x456789\n"
        assert sync.truncate(2) == 2
        assert sync.readable()
        assert sync.writable()
        assert sync.seekable()
        assert not sync.isatty()
        assert await file.read() == b"01"
    assert sync.closed
    with pytest.raises(ValueError, match="closed file"):
        sync.read(1)


async def test_sync_text_file_has_the_encoding(path: pathlib.Path) -> None:
    path.write_bytes("é\r\n".encode("utf-16"))
    async with headrace.open(path, encoding="utf-16") as file:
        sync = file.wrapped
        assert sync is file.wrapped
        assert sync.encoding == "utf-16"
        assert sync.readline() == "é\n"
        assert sync.name == str(path)
        assert await file.readline() == "é\n"
    async with headrace.open(path, "w", encoding="utf-16") as file:
        file.wrapped.write("ü")
    assert path.read_text("utf-16") == "ü"


async def test_sync_file_refuses_what_the_file_refuses(path: pathlib.Path) -> None:
    async with headrace.open(path, "rb") as file:
        with pytest.raises(OSError, match="not open for writing"):
            file.wrapped.write(b"x")
    async with headrace.open(path, "wb") as file:
        with pytest.raises(OSError, match="not open for reading"):
            file.wrapped.read(1)
