"""D34: forgetting `await` or `async` is explained by the exception."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headrace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_text("content\n")
    return made


MODES = [("r", -1), ("w", -1), ("rb", -1), ("ab", -1), ("r+b", -1), ("rb", 0)]


@asynccontextmanager
async def opened(path: Path, mode: str, buffering: int) -> AsyncIterator[Any]:
    async with headrace.open(path, mode, buffering) as file:
        yield file


# -- The three right ways --


async def test_await_open(path: Path) -> None:
    file = await headrace.open(path)
    assert await file.read() == "content\n"
    await file.close()


async def test_async_with_open(path: Path) -> None:
    async with headrace.open(path) as file:
        assert await file.read() == "content\n"
    assert file.closed


async def test_async_with_await_open(path: Path) -> None:
    async with await headrace.open(path) as file:
        assert await file.read() == "content\n"
    assert file.closed


async def test_aclose_is_close(path: Path) -> None:
    file = await headrace.open(path)
    await file.aclose()
    assert file.closed


# -- Mistakes with the result of open() --


def test_with_open_says_async_with(path: Path) -> None:
    with pytest.raises(TypeError, match="async with"):
        with headrace.open(path):
            pass


def test_for_line_in_open_says_async_for(path: Path) -> None:
    with pytest.raises(TypeError, match="async for"):
        for _ in headrace.open(path):
            pass


async def test_async_for_line_in_open_says_what_to_write(path: Path) -> None:
    with pytest.raises(TypeError, match=r"async with|await"):
        async for _ in headrace.open(path):
            pass


@pytest.mark.parametrize(
    "name",
    ["read", "write", "readline", "close", "aclose", "seek", "fileno", "name", "pread"],
)
def test_method_before_await_says_await(path: Path, name: str) -> None:
    opening: Any = headrace.open(path)
    with pytest.raises(TypeError, match="await") as caught:
        getattr(opening, name)
    assert name in str(caught.value)
    assert "async with" in str(caught.value)


def test_hasattr_before_await_is_an_answer(path: Path) -> None:
    assert not hasattr(headrace.open(path), "read")
    assert not hasattr(headrace.open(path), "no_such_thing")


def test_unknown_attribute_before_await_is_an_attribute_error(path: Path) -> None:
    opening: Any = headrace.open(path)
    with pytest.raises(AttributeError):
        _ = opening.no_such_thing


def test_open_that_is_dropped_opens_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "new"
    with pytest.warns(RuntimeWarning, match="never awaited"):
        headrace.open(missing, "w")
        gc.collect()
    assert not missing.exists()


async def test_open_is_awaited_once(path: Path) -> None:
    opening = headrace.open(path)
    async with opening:
        pass
    with pytest.raises(RuntimeError, match=r"open"):
        await opening


def test_repr_of_an_open_says_that_it_is_not_open_yet(path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="never awaited"):
        assert str(path) in repr(headrace.open(path))
        gc.collect()


# -- Mistakes with an open file --


@pytest.mark.parametrize(("mode", "buffering"), MODES)
async def test_with_file_says_async_with(path: Path, mode: str, buffering: int) -> None:
    async with opened(path, mode, buffering) as file:
        with pytest.raises(TypeError, match="async with"):
            with file:
                pass


@pytest.mark.parametrize(("mode", "buffering"), MODES)
async def test_for_line_in_file_says_async_for(
    path: Path, mode: str, buffering: int
) -> None:
    async with opened(path, mode, buffering) as file:
        with pytest.raises(TypeError, match="async for"):
            for _ in file:
                pass


async def test_forgotten_await_is_a_warning_that_names_the_method(path: Path) -> None:
    async with headrace.open(path) as file:
        with pytest.warns(RuntimeWarning, match=r"read.* was never awaited"):
            file.read()  # type: ignore[unused-coroutine]
            gc.collect()


@pytest.mark.parametrize(("mode", "buffering"), MODES)
async def test_forgotten_close_names_the_file_and_what_to_write(
    path: Path, mode: str, buffering: int
) -> None:
    file = await headrace.open(path, mode, buffering)
    with pytest.warns(ResourceWarning, match=r"async with") as caught:
        del file
        gc.collect()
    assert str(path) in str(caught[0].message)
    assert "close()" in str(caught[0].message)


@pytest.mark.parametrize(("mode", "buffering"), MODES)
async def test_closed_file_is_named_as_such(
    path: Path, mode: str, buffering: int
) -> None:
    file = await headrace.open(path, mode, buffering)
    await file.close()
    calls = [file.tell, file.flush, file.__aenter__, file.truncate]
    if "r" in mode:
        calls += [file.read, file.readline]
    for call in calls:
        with pytest.raises(ValueError, match="closed file"):
            await call()
    with pytest.raises(ValueError, match="closed file"):
        file.fileno()


async def test_wrong_kind_of_data_is_said_as_io_says_it(path: Path) -> None:
    async with headrace.open(path, "wb") as file:
        with pytest.raises(
            TypeError, match="a bytes-like object is required, not 'str'"
        ):
            await file.write("text")
    async with headrace.open(path, "w") as text:
        with pytest.raises(
            TypeError, match=r"write\(\) argument must be str, not bytes"
        ):
            await text.write(b"bytes")  # type: ignore[arg-type]


def test_headrace_outside_a_loop_says_what_is_missing(path: Path) -> None:
    with pytest.raises(RuntimeError, match="running event loop"):
        headrace.write_bytes(path, b"data").send(None)
