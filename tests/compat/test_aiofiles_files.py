"""`headrace.compat.aiofiles.open()`: files for programs that expect aiofiles' own."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import headrace
from headrace import stats
from headrace.compat import aiofiles
from headrace.compat.aiofiles import base, threadpool
from headrace.compat.aiofiles.threadpool import binary, text, utils

real = pytest.importorskip("aiofiles")

LINES = b"".join(b"line %d\n" % number for number in range(200))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(LINES)
    return made


# -- The same as aiofiles ------------------------------------------------------------

# Steps that are tried on both, whatever the mode: (name, arguments), where text stands
# for bytes in binary modes. "@name" reads an attribute.
STEPS: list[tuple[str, tuple[Any, ...]]] = [
    ("@closed", ()),
    ("@mode", ()),
    ("@name", ()),
    ("@encoding", ()),
    ("@errors", ()),
    ("@newlines", ()),
    ("@line_buffering", ()),
    ("readline", ()),
    ("tell", ()),
    ("read", (5,)),
    ("@newlines", ()),
    ("write", ("text\n",)),
    ("tell", ()),
    ("seek", (0,)),
    ("readlines", (20,)),
    ("seek", (3,)),
    ("read", (10,)),
    ("read1", (4,)),
    ("readall", ()),
    ("writable", ()),
    ("seekable", ()),
    ("isatty", ()),
    ("seek", (0, 2)),
    ("read", ()),
    ("writelines", (["a\n", "b\n"],)),
    ("flush", ()),
    ("seek", (12,)),
    ("truncate", ()),
    ("truncate", (6,)),
    ("seek", (0,)),
    ("read", ()),
    ("no_such_method", ()),
    ("close", ()),
    ("close", ()),
    ("@closed", ()),
    ("read", ()),
    ("write", ("x",)),
    ("@name", ()),
]


def adapted(args: tuple[Any, ...], mode: str) -> list[Any]:
    if "b" not in mode:
        return list(args)
    return [
        value.encode()
        if isinstance(value, str)
        else [line.encode() for line in value]
        if isinstance(value, list)
        else value
        for value in args
    ]


async def outcomes(module: Any, path: Path, mode: str, buffering: int) -> list[Any]:
    """Return what each step gave on a file of *module*, and what was on the disk."""
    with suppress(FileNotFoundError):
        path.unlink()
    if "x" not in mode:
        path.write_bytes(LINES)
    f = await module.open(str(path), mode, buffering)
    found: list[Any] = []
    for name, args in STEPS:
        try:
            if name.startswith("@"):
                found.append((name, getattr(f, name[1:])))
            else:
                found.append((name, await getattr(f, name)(*adapted(args, mode))))
        except Exception as error:
            found.append((name, type(error).__name__))
        found.append(path.read_bytes() if name in ("flush", "close") else None)
    return found


@pytest.mark.parametrize("mode", ["r", "r+", "w", "w+", "a", "a+", "x"])
@pytest.mark.parametrize("kind", ["text", "binary", "raw"])
async def test_every_step_gives_what_aiofiles_gives(
    mode: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    mode = mode if kind == "text" else mode + "b"
    buffering = 0 if kind == "raw" else -1
    expected = await outcomes(real, path, mode, buffering)
    found = await outcomes(aiofiles, path, mode, buffering)
    # Buffered files of aiofiles have no readall(); on a raw file that is only written,
    # the kernel refuses it with EBADF, where headrace says what is wrong.
    more = {("readall", "AttributeError"), ("readall", "OSError")}
    for one, other in zip(found, expected, strict=True):
        assert one == other or other in more


@pytest.mark.parametrize(
    "arguments",
    [
        ("no/such/file",),
        (".", "rb"),
        ("file", "rw"),
        ("file", "r", 0),
        ("file", "rb", -1, "utf-8"),
        ("file", "r", -1, "no-such-encoding"),
        ("file", "r", -1, None, None, "x"),
        (3.5,),
        (-1,),
        ("file", 5),
    ],
)
async def test_error_is_that_of_aiofiles(
    arguments: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever it is
        await real.open(*arguments)
    with pytest.raises(type(expected.value)) as caught:
        await aiofiles.open(*arguments)
    assert str(caught.value) == str(expected.value)
    for name in ("errno", "filename"):
        assert getattr(caught.value, name, 0) == getattr(expected.value, name, 0)


# -- Classes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "buffering", "kind"),
    [
        ("r", -1, text.AsyncTextIOWrapper),
        ("w+", -1, text.AsyncTextIOWrapper),
        ("rb", -1, binary.AsyncBufferedReader),
        ("rb+", -1, binary.AsyncBufferedReader),
        ("wb", -1, binary.AsyncBufferedIOBase),
        ("ab", -1, binary.AsyncBufferedIOBase),
        ("rb", 0, binary.AsyncFileIO),
    ],
)
async def test_file_has_the_class_that_aiofiles_gives_it(
    mode: str, buffering: int, kind: Any, path: Path
) -> None:
    async with real.open(path, mode, buffering) as expected:
        ours: Any = aiofiles.open(path, mode, buffering)
        async with ours as f:
            assert type(f) is kind
            assert aiter(f) is f
            assert type(f).__name__ == type(expected).__name__
            assert isinstance(f, base.AsyncBase)
            assert not isinstance(f, base.AsyncIndirectBase)


async def test_call_needs_no_thread_where_headrace_needs_none(path: Path) -> None:
    async with aiofiles.open(path) as f:
        await f.readline()
        before = stats()
        assert len([line async for line in f]) == 199
        await f.seek(0)
        await f.readline()
        assert (stats() - before).engine_jobs == 0


async def test_methods_of_headrace_are_there_too(path: Path) -> None:
    async with aiofiles.open(path, "rb") as f:
        assert await f.pread(4, 5) == LINES[5:9]
        assert len(await anext(f.chunks(1000))) == 1000
        assert not hasattr(f, "no_such_thing")


def test_repr_shows_the_class_and_what_is_behind() -> None:
    async def main() -> str:
        async with aiofiles.open(os.devnull) as f:
            return repr(f)

    assert "AsyncTextIOWrapper object" in asyncio.run(main())
    assert "wrapping <headrace.AsyncTextIOWrapper" in asyncio.run(main())


async def test_executor_and_loop_are_accepted(path: Path) -> None:
    names = []
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:

        def opener(name: str, flags: int) -> int:
            names.append(threading.current_thread().name)
            return os.open(name, flags)

        loop = asyncio.get_running_loop()
        async with aiofiles.open(
            path, "a", opener=opener, loop=loop, executor=executor
        ) as f:
            await f.write("x")
            assert f._executor is executor
            assert f._loop is loop
    assert names[0].startswith("mine")


# -- The context manager -------------------------------------------------------------


async def test_every_way_to_open_works(path: Path) -> None:
    async with aiofiles.open(path) as f:
        assert await f.readline() == "line 0\n"
    assert f.closed
    f = await aiofiles.open(path)
    await f.close()
    opening = aiofiles.open(path)
    async with opening as f:
        assert opening._obj is f
        assert await opening is f
    assert opening._obj is None


async def test_error_in_the_body_closes(path: Path) -> None:
    opening = aiofiles.open(path)

    async def body() -> None:
        async with opening:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()


async def test_with_says_what_to_write(path: Path) -> None:
    opening: Any = aiofiles.open(path)
    with pytest.raises(TypeError, match="async with"):
        with opening:
            pass


# -- Reaching for the sync file ------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "buffering", "kind"),
    [
        ("r", -1, io.TextIOWrapper),
        ("r+", -1, io.TextIOWrapper),
        ("a+", -1, io.TextIOWrapper),
        ("rb", -1, io.BufferedReader),
        ("rb+", -1, io.BufferedRandom),
        ("ab", -1, io.BufferedWriter),
        ("rb+", 0, io.FileIO),
    ],
)
async def test_sync_file_goes_on_where_the_async_one_was(
    mode: str, buffering: int, kind: Any, path: Path
) -> None:
    outcome = []
    for module in (real, aiofiles):
        path.write_bytes(LINES)
        async with module.open(str(path), mode, buffering) as f:
            found: list[Any] = []
            if "a" not in mode:
                found.append(await f.readline())
            if "+" in mode or "a" in mode:
                found.append(await f.write("text\n" if "b" not in mode else b"text\n"))
            found.append(await f.tell())
            sync = f._file
            found += [type(sync), sync.tell(), sync.name, sync.mode, sync.closed]
            if "a" not in mode:
                found.append(sync.readline())
            found.append(await f.tell())
            if "a" not in mode:
                found.append(await f.readline())
                found += [line async for line in f]
            assert f._file is sync
        found += [sync.closed, f.closed, path.read_bytes()]
        outcome.append(found)
    assert outcome[1] == outcome[0]
    assert kind in outcome[0]


@pytest.mark.parametrize(
    ("encoding", "newline"), [("utf-16", None), ("utf-8", ""), ("utf-8-sig", "\r\n")]
)
async def test_sync_text_file_has_the_settings(
    encoding: str, newline: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    arguments: Any = {"encoding": encoding, "errors": "replace", "newline": newline}
    for mode in ("w", "a", "r+"):
        async with aiofiles.open(path, mode, **arguments) as f:
            if mode == "r+":
                await f.readline()
            await f.write("ä\nb\n")
            f._file.write("ö\n")
            await f.write("c\n")
            assert f.encoding == f._file.encoding == encoding
            assert f.errors == "replace"
    with path.open(encoding=encoding, newline=newline) as sync:
        first = sync.read()
    path.unlink()
    for mode in ("w", "a", "r+"):
        with path.open(mode, **arguments) as sync:
            if mode == "r+":
                sync.readline()
            sync.write("ä\nb\n")
            sync.write("ö\n")
            sync.write("c\n")
    with path.open(encoding=encoding, newline=newline) as sync:
        assert first == sync.read()


async def test_iteration_goes_on_after_the_sync_file_was_asked_for(path: Path) -> None:
    found = []
    async with aiofiles.open(path) as f:
        async for line in f:
            found.append(line)
            if len(found) == 3:
                found.append(f._file.readline())
    assert "".join(found).encode() == LINES


@pytest.mark.parametrize("mode", ["r", "rb", "w", "x"])
async def test_sync_file_of_a_closed_file_is_closed(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if "r" in mode:
        path.touch()
    async with aiofiles.open(str(path), mode) as f:
        pass
    assert f._file.closed
    assert f._file.name == str(path)
    with pytest.raises(ValueError, match="closed file"):
        f._file.read()
    with pytest.raises(ValueError, match="closed file"):
        await f.read()


async def test_detach_gives_a_sync_file(path: Path) -> None:
    f = await aiofiles.open(path)
    await f.readline()
    buffer = f.detach()
    with buffer:
        assert isinstance(buffer, io.BufferedReader)
        with pytest.raises(ValueError, match="detached"):
            await f.read()


async def test_leaving_after_detach_raises_as_in_aiofiles(path: Path) -> None:
    for module in (real, aiofiles):
        opening = module.open(path, "rb")
        f = await opening.__aenter__()
        with f.detach() as raw:
            assert raw.read(4) == b"line"
            with pytest.raises(ValueError, match="detached"):
                await opening.__aexit__(None, None, None)


async def test_buffer_and_raw_are_sync_files(path: Path) -> None:
    async with aiofiles.open(path) as f:
        assert isinstance(f.buffer, io.BufferedReader)
        assert f.buffer is f._file.buffer
    async with aiofiles.open(path, "rb") as f:
        assert isinstance(f.raw, io.FileIO)


async def test_pipe_that_is_read_has_no_sync_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    async with aiofiles.open(reading, "rb") as f:
        with pytest.raises(io.UnsupportedOperation, match="pipe"):
            f._file  # noqa: B018 - it raises
        assert await f.read() == b""


async def test_sync_file_while_an_operation_is_under_way_is_refused(
    tmp_path: Path,
) -> None:
    begun, release = threading.Event(), threading.Event()

    class SlowExecutor(ThreadPoolExecutor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            def slow() -> Any:
                begun.set()
                assert release.wait(10)
                return function(*args, **kwargs)

            return super().submit(slow)

    with SlowExecutor(1) as executor:
        release.set()
        async with aiofiles.open(tmp_path / "file", "w", executor=executor) as f:
            await f.write("data")
            begun.clear()
            release.clear()
            flushing = asyncio.ensure_future(f.flush())
            await asyncio.to_thread(begun.wait, 10)
            with pytest.raises(RuntimeError):
                f._file  # noqa: B018 - it raises
            release.set()
            await flushing


async def test_readable_is_no_coroutine_on_binary_files(path: Path) -> None:
    async with aiofiles.open(path, "rb") as f:
        assert f.readable() is True
        assert f._file.readable()
        assert f.readable() is True
    with pytest.raises(ValueError, match="closed file"):
        f.readable()
    async with aiofiles.open(path, "ab") as writer:
        assert writer.readable() is False
    async with aiofiles.open(path) as textual:
        assert await textual.readable() is True


async def test_child_process_continues_where_the_file_is(path: Path) -> None:
    async with aiofiles.open(path, "r+") as f:
        await f.write("first\n")
        await f.flush()
        child = [sys.executable, "-c", "print('second')"]
        await asyncio.to_thread(subprocess.run, child, stdout=f.fileno(), check=True)
        await f.write("third\n")
        await f.flush()
    assert path.read_bytes().startswith(b"first\nsecond\nthird\n")


async def test_file_that_is_forgotten_warns(path: Path) -> None:
    f: Any = await aiofiles.open(path)
    with pytest.warns(ResourceWarning, match="unclosed file"):
        del f
        gc.collect()
    f = await aiofiles.open(path)
    sync = f._file
    assert sync.readline() == "line 0\n"
    with pytest.warns(ResourceWarning, match="unclosed file"):
        del f, sync
        gc.collect()


# -- Mocks and hooks -----------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[Any]:
    """Give `wrap`, and put back what a test registers with it."""
    kinds = (io.TextIOWrapper, mock.MagicMock)
    before = {kind: threadpool.wrap.dispatch(kind) for kind in kinds}
    yield threadpool.wrap
    for kind, function in before.items():
        threadpool.wrap.register(kind)(function)


async def test_recipe_of_the_readme_works(registry: Any) -> None:
    registry.register(mock.MagicMock)(
        lambda *args, **kwargs: binary.AsyncBufferedIOBase(*args, **kwargs)
    )
    chunks = iter([b"one", b"two", b""])
    stream = mock.MagicMock(read=lambda *args, **kwargs: next(chunks))
    with mock.patch.object(threadpool, "sync_open", return_value=stream) as opened:
        async with aiofiles.open("filename", "w") as f:
            await f.write("data")
            assert await f.read() == b"one"
    stream.write.assert_called_once_with("data")
    stream.__exit__.assert_called_once()
    opened.assert_called_once_with(
        "filename",
        mode="w",
        buffering=-1,
        encoding=None,
        errors=None,
        newline=None,
        closefd=True,
        opener=None,
    )


async def test_patched_sync_open_is_used_and_its_file_wrapped(path: Path) -> None:
    calls = []

    def slow_open(*args: Any, **kwargs: Any) -> Any:
        calls.append(threading.get_ident())
        return open(*args, **kwargs)

    with mock.patch.object(threadpool, "sync_open", slow_open):
        async with aiofiles.open(path, "rb") as f:
            assert isinstance(f, binary.AsyncBufferedReader)
            assert isinstance(f._file, io.BufferedReader)
            assert [line async for line in f] == LINES.splitlines(keepends=True)
    assert calls
    assert calls != [threading.get_ident()]


async def test_file_of_a_patched_open_that_comes_late_is_closed(path: Path) -> None:
    begun, release = threading.Event(), threading.Event()
    opened = []

    def slow_open(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert release.wait(10)
        opened.append(open(*args, **kwargs))
        return opened[0]

    with mock.patch.object(threadpool, "sync_open", slow_open):
        task = asyncio.ensure_future(aiofiles.open(path))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        while not (opened and opened[0].closed):
            await asyncio.sleep(0.001)


async def test_class_registered_for_a_type_of_io_is_used(
    registry: Any, path: Path
) -> None:
    class Mine(text.AsyncTextIOWrapper):
        async def read(self, *args: Any) -> str:
            return (await super().read(*args)).upper()

    registry.register(io.TextIOWrapper)(
        lambda file, *, loop=None, executor=None: Mine(file, loop, executor)
    )
    async with aiofiles.open(path) as f:
        assert type(f) is Mine
        assert await f.read(4) == "LINE"
    async with aiofiles.open(path, "rb") as other:
        assert type(other) is binary.AsyncBufferedReader


async def test_patched_method_of_the_class_is_used(path: Path) -> None:
    patched = mock.AsyncMock(return_value="patched")
    with mock.patch.object(text.AsyncTextIOWrapper, "read", patched):
        async with aiofiles.open(path) as f:
            assert await f.read() == "patched"
            assert await f.readline() == "line 0\n"
    async with aiofiles.open(path) as f:
        assert await f.read(4) == "line"


async def test_patched_method_of_one_file_is_used(path: Path) -> None:
    async with aiofiles.open(path) as f:
        with mock.patch.object(f, "readline", mock.AsyncMock(return_value="patched")):
            assert await f.readline() == "patched"
        assert await f.readline() == "line 0\n"


@pytest.mark.parametrize("thing", [5, "text", [1], object(), io.FileIO, None])
def test_wrap_refuses_what_is_no_file(thing: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported io type"):
        threadpool.wrap(thing)


async def test_wrap_takes_any_file_of_io(tmp_path: Path) -> None:
    wrapped = threadpool.wrap(io.BytesIO(b"a\nb\n"))
    assert type(wrapped) is binary.AsyncBufferedIOBase
    assert [line async for line in wrapped] == [b"a\n", b"b\n"]
    with (tmp_path / "file").open("wb") as sync:
        assert await threadpool.wrap(sync).write(b"x") == 1


async def test_classes_of_the_program_work_with_the_decorators() -> None:
    class Source:
        closed = False
        mark = 0

        def fetch(self, count: int, *, twice: bool = False) -> tuple[int, int]:
            return count * (2 if twice else 1), threading.get_ident()

        def plain(self) -> str:
            return "plain"

    @utils.delegate_to_executor("fetch")
    @utils.proxy_method_directly("plain")
    @utils.proxy_property_directly("closed", "mark")
    class AsyncSource(base.AsyncBase):
        pass

    source: Any = AsyncSource(Source(), loop=None, executor=None)
    count, thread = await source.fetch(2, twice=True)
    assert count == 4
    assert thread != threading.get_ident()
    assert source.plain() == "plain"
    assert source.closed is False
    source._file.mark = 7
    assert source.mark == 7
    source._file = mock.Mock(fetch=lambda: "other")
    assert await source.fetch() == "other"


async def test_indirect_class_looks_the_file_up_at_each_use() -> None:
    files = [io.StringIO("a\n"), io.StringIO("b\n")]
    current: Callable[[], Any] = lambda: files[0]  # noqa: E731 - like those of aiofiles
    f = text.AsyncTextIndirectIOWrapper("name", None, None, indirect=current)
    assert await f.readline() == "a\n"
    f._file = None
    del files[0]
    assert await f.readline() == "b\n"
    assert not f.closed


async def test_wrap_of_base_makes_coroutine_functions() -> None:
    assert await base.wrap(divmod)(7, 2) == (3, 1)


# -- Standard streams ----------------------------------------------------------------


async def test_standard_streams_follow_sys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed\n"))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert await aiofiles.stdin.readline() == "typed\n"
    await aiofiles.stdout.write("text")
    sys.stdout.flush()
    captured: Any = sys.stdout
    assert captured.getvalue() == "text"
    assert isinstance(aiofiles.stdout, text.AsyncTextIndirectIOWrapper)
    assert isinstance(aiofiles.stdout_bytes, binary.AsyncIndirectBufferedIOBase)
    assert aiofiles.stdin._file is sys.stdin


async def test_bytes_of_the_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    stream: Any = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", stream)
    await aiofiles.stderr_bytes.write(b"\x00bytes")
    await aiofiles.stderr_bytes.flush()
    assert stream.buffer.getvalue() == b"\x00bytes"


async def test_native_files_are_those_of_headrace(path: Path) -> None:
    async with aiofiles.open(path) as f:
        assert isinstance(vars(f)["_native"], headrace.AsyncTextIOWrapper)
