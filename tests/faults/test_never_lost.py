"""D13, D56, D57: flushed data is visible, forgotten files are written and closed."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests import tasks
from tests.faults.support import is_open, passes, saturated, script, turns, until

OPENED = [("w", {}), ("wb", {}), ("a", {}), ("w+b", {}), ("w", {"buffering": 5})]


def data_for(mode: str) -> Any:
    return b"data\n" if "b" in mode else "data\n"


# -- Flush --


@pytest.mark.parametrize(("mode", "options"), OPENED)
async def test_another_process_sees_what_was_flushed(
    tmp_path: Path, mode: str, options: dict[str, Any]
) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, mode, **options) as file:
        await file.write(data_for(mode))
        await file.flush()
        seen = subprocess.run(["cat", path], capture_output=True, check=True).stdout
        assert seen == b"data\n"


async def test_line_buffering_flushes_at_each_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "w", buffering=1) as file:
        await file.write("no end of line")
        assert path.read_text() == ""
        await file.write(", now\nand")
        assert path.read_text() == "no end of line, now\nand"


async def test_reading_the_same_file_flushes_first(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "w+") as file:
        await file.write("written\n")
        await file.seek(0)
        assert await file.read() == "written\n"
        assert path.read_text() == "written\n"


async def test_sync_flushes_first(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "w") as file:
        await file.write("data")
        await file.sync()
        assert path.read_text() == "data"
        await file.write(" more")
        await file.sync(data_only=True)
        assert path.read_text() == "data more"


# -- Collected without being closed --


@pytest.mark.parametrize(("mode", "options"), OPENED)
async def test_collected_writer_warns_writes_and_closes(
    tmp_path: Path, mode: str, options: dict[str, Any]
) -> None:
    path = tmp_path / "file"
    file = await headrace.open(path, mode, **options)
    fd = file.fileno()
    await file.write(data_for(mode))
    with pytest.warns(ResourceWarning, match=re.escape(str(path))) as caught:
        del file
        gc.collect()
    assert len(caught) == 1
    await until(lambda: not is_open(fd))
    assert path.read_bytes() == b"data\n"


@pytest.mark.parametrize("buffering", [-1, 0])
async def test_collected_reader_warns_and_closes(
    tmp_path: Path, buffering: int
) -> None:
    path = tmp_path / "file"
    path.write_text("data")
    file = await headrace.open(path, "rb", buffering=buffering)
    fd = file.fileno()
    with pytest.warns(ResourceWarning, match=re.escape(str(path))) as caught:
        del file
        gc.collect()
    assert len(caught) == 1
    await until(lambda: not is_open(fd))


async def test_collected_file_with_a_borrowed_descriptor_is_left_open(
    tmp_path: Path,
) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        file = await headrace.open(fd, "wb", closefd=False)
        await file.write(b"data")
        with warnings.catch_warnings():
            # io does not warn here either: the descriptor is somebody else's.
            warnings.simplefilter("ignore", ResourceWarning)
            del file
            gc.collect()
        assert is_open(fd)
        assert os.pread(fd, 10, 0) == b"data"
    finally:
        os.close(fd)


@pytest.mark.parametrize("mode", ["w", "wb", "r+b"])
async def test_collected_writer_in_a_cycle(tmp_path: Path, mode: str) -> None:
    # The layers of a file are finalized in any order then. Builtin open() loses data.
    path = tmp_path / "file"
    path.touch()
    file = await headrace.open(path, mode)
    cycle: list[Any] = [file]
    cycle.append(cycle)
    await file.write(data_for(mode))
    with pytest.warns(ResourceWarning, match=re.escape(str(path))):
        del file, cycle
        gc.collect()
    assert path.read_bytes() == b"data\n"


def test_forgotten_files_are_written_though_warnings_are_errors(tmp_path: Path) -> None:
    source = """
        import asyncio, os, sys
        import headrace

        async def main():
            global kept
            path = sys.argv[1]
            kept = [await headrace.open(path + mode, mode) for mode in ("w", "wb")]
            dropped = [await headrace.open(path + mode, mode) for mode in ("x", "xb")]
            for file in kept + dropped:
                await file.write("data" if "b" not in file.mode else b"data")

        asyncio.run(main())
    """
    path = tmp_path / "file-"
    done = script(source, path, flags=("-W", "error"))
    assert done.stderr.count("ResourceWarning: unclosed file") == 4
    for mode in ("w", "wb", "x", "xb"):
        assert Path(f"{path}{mode}").read_bytes() == b"data"


async def test_closed_files_do_not_warn(tmp_path: Path) -> None:
    path = tmp_path / "file"
    async with headrace.open(path, "w") as file:
        await file.write("data")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del file
        gc.collect()


async def test_file_is_not_collected_while_an_operation_holds_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    file = await headrace.open(path, "rb", buffering=0)
    fd = file.fileno()
    async with saturated() as release:
        task = tasks.start(file.read(1_000_000))
        await turns(3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del file
            gc.collect()
        assert is_open(fd)
        release()
        with pytest.warns(ResourceWarning, match=re.escape(str(path))):
            assert await task == b"x" * 1_000_000
            del task
            gc.collect()
    await until(lambda: not is_open(fd))


@pytest.mark.parametrize("cancelled", [False, True])
async def test_descriptor_is_not_reused_under_an_operation_nobody_waits_for(
    tmp_path: Path, cancelled: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    file = await headrace.open(path, "rb", buffering=0)
    fd = file.fileno()
    entered = tasks.Event()
    async with saturated():
        task = tasks.start(file.read(1_000_000))
        await turns(3)
        if cancelled:
            task.cancel()
            entered.set()
        await turns(2)
        assert is_open(fd)
    await tasks.gather(task, return_exceptions=True)
    await file.close()
    assert not is_open(fd)


# -- Alive when the program ends --

AT_EXIT = """
    import asyncio, sys
    import headrace

    path, mode = sys.argv[1:3]
    data = b"data" if "b" in mode else "data"

    async def main():
        global kept
        kept = await headrace.open(path, mode)
        await kept.write(data)

    asyncio.run(main())
    print("end", flush=True)
"""


@pytest.mark.parametrize("mode", ["w", "wb", "a", "w+b", "x"])
def test_alive_at_interpreter_exit(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    done = script(AT_EXIT, path, mode, flags=("-W", "always"))
    assert done.returncode == 0, done.stderr
    assert path.read_text() == "data"
    assert done.stderr.count("ResourceWarning: unclosed") == 1, done.stderr
    assert str(path) in done.stderr


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_alive_in_the_frame_of_a_loop_that_never_ended(
    tmp_path: Path, mode: str
) -> None:
    source = """
        import asyncio, sys
        import headrace

        path, mode = sys.argv[1:3]

        async def main():
            file = await headrace.open(path, mode)
            await file.write(b"data" if "b" in mode else "data")
            await asyncio.Event().wait()

        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
        loop.call_later(0.05, loop.stop)
        loop.run_forever()
        sys.stderr.close()
    """
    path = tmp_path / "file"
    done = script(source, path, mode)
    assert done.returncode == 0
    assert path.read_text() == "data"


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise SystemExit(3)"])
def test_exit_from_inside_the_block_writes(tmp_path: Path, how: str) -> None:
    source = f"""
        import asyncio, sys
        import headrace

        async def main():
            async with headrace.open(sys.argv[1], "w") as file:
                await file.write("data")
                {how}

        asyncio.run(main())
    """
    path = tmp_path / "file"
    done = script(source, path)
    assert done.returncode == 3, done.stderr
    assert path.read_text() == "data"


# -- D56: after the loop, and while the interpreter ends --


def test_close_works_after_its_loop_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def begin() -> Any:
        file = await headrace.open(path, "w")
        await file.write("data")
        return file

    file = asyncio.run(begin())
    asyncio.run(file.close())
    assert file.closed
    assert path.read_text() == "data"


def test_coroutine_of_close_needs_no_running_loop(tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def begin() -> Any:
        file = await headrace.open(path, "wb")
        await file.write(b"data")
        return file

    file = asyncio.run(begin())
    coroutine = file.close()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert file.closed
    assert path.read_bytes() == b"data"


def test_close_in_an_atexit_handler(tmp_path: Path) -> None:
    source = """
        import asyncio, atexit, sys
        import headrace

        async def main():
            file = await headrace.open(sys.argv[1], "w")
            await file.write("data")
            return file

        file = asyncio.run(main())

        @atexit.register
        def close():
            asyncio.run(file.close())
            print(file.closed)
    """
    path = tmp_path / "file"
    done = script(source, path, flags=("-W", "error"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "True\n"
    assert path.read_text() == "data"


def test_new_files_in_an_atexit_handler(tmp_path: Path) -> None:
    source = """
        import asyncio, atexit, sys
        import headrace

        async def main():
            async with headrace.open(sys.argv[1], "w") as file:
                await file.write("data")
            async with headrace.open(sys.argv[1]) as file:
                print(await file.read())

        atexit.register(lambda: asyncio.run(main()))
    """
    assert passes(source, tmp_path / "file") == "data\n"


def test_write_in_flight_when_the_program_ends_is_carried_out(tmp_path: Path) -> None:
    source = """
        import asyncio, sys
        import headrace

        async def main():
            file = await headrace.open(sys.argv[1], "wb", buffering=0)
            asyncio.ensure_future(file.write(b"x" * 30_000_000))
            for _ in range(3):
                await asyncio.sleep(0)
            return file

        file = asyncio.run(main())
    """
    path = tmp_path / "file"
    done = script(source, path)
    assert done.returncode == 0, done.stderr
    # asyncio.run() cancels the write: it is done wholly or was never begun.
    assert path.stat().st_size in (0, 30_000_000)
    assert "Traceback" not in done.stderr


def test_file_object_survives_module_teardown(tmp_path: Path) -> None:
    source = """
        import asyncio, sys
        import headrace

        class Keeper:
            def __del__(self):
                # Modules are being taken down: whatever this file needs must be
                # in its own hands.
                self.file = None

        keeper = Keeper()

        async def main():
            keeper.file = await headrace.open(sys.argv[1], "w")
            await keeper.file.write("data")

        asyncio.run(main())
        sys.modules["__main__"].__dict__["self"] = keeper
    """
    path = tmp_path / "file"
    done = script(source, path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert path.read_text() == "data"
