"""D12: no accepted byte is dropped silently when the file cannot take it."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace
from tests.faults.support import is_open, passes

FULL = "/dev/full"
needs_full = pytest.mark.skipif(
    not os.path.exists(FULL), reason="this system has no /dev/full"
)
MODES = ["w", "wb", "a", "ab", "r+", "r+b", "w+b"]


def data_for(mode: str, size: int) -> Any:
    return b"x" * size if "b" in mode else "x" * size


# -- /dev/full --


@needs_full
@pytest.mark.parametrize("mode", MODES)
async def test_full_device_is_reported_by_flush_and_again_by_close(mode: str) -> None:
    file = await headrace.open(FULL, mode)
    fd = file.fileno()
    assert await file.write(data_for(mode, 10)) == 10
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as caught:
            await file.flush()
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == FULL
    with pytest.raises(OSError, match="No space left") as caught:
        await file.close()
    assert caught.value.errno == errno.ENOSPC
    assert file.closed
    assert not is_open(fd)


@needs_full
@pytest.mark.parametrize("mode", MODES)
async def test_full_device_is_reported_by_leaving_the_block(mode: str) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        async with headrace.open(FULL, mode) as file:
            await file.write(data_for(mode, 10))
    assert caught.value.errno == errno.ENOSPC
    assert file.closed


@needs_full
@pytest.mark.parametrize("mode", ["w", "wb"])
async def test_full_device_is_reported_by_a_large_write(mode: str) -> None:
    file = await headrace.open(FULL, mode)
    with pytest.raises(OSError, match="No space left"):
        await file.write(data_for(mode, 1_000_000))
        await file.flush()
    with pytest.raises(OSError, match="No space left"):
        await file.close()
    assert file.closed


@needs_full
async def test_full_device_is_reported_by_a_raw_write_and_not_by_its_close() -> None:
    async with headrace.open(FULL, "wb", buffering=0) as file:
        with pytest.raises(OSError, match="No space left"):
            await file.write(b"x")


@needs_full
async def test_error_of_the_body_is_not_lost_when_the_close_fails_too() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        async with headrace.open(FULL, "w") as file:
            await file.write("x")
            raise ZeroDivisionError
    context: BaseException | None = caught.value
    seen = []
    while context is not None:
        seen.append(type(context))
        context = context.__context__
    assert ZeroDivisionError in seen


@needs_full
async def test_second_close_after_a_failed_one_does_nothing() -> None:
    file = await headrace.open(FULL, "wb")
    await file.write(b"x")
    with pytest.raises(OSError, match="No space left"):
        await file.close()
    await file.close()


@needs_full
@pytest.mark.parametrize("name", ["write_bytes", "write_text", "append_text"])
async def test_full_device_is_reported_by_one_shots(name: str) -> None:
    data: Any = b"x" if "bytes" in name else "x"
    with pytest.raises(OSError, match="No space left") as caught:
        await getattr(headrace, name)(FULL, data)
    assert caught.value.filename == FULL


# -- RLIMIT_FSIZE: the kernel writes a part, then refuses --

LIMITED = """
    import asyncio, errno, resource, sys
    import headrace

    path, mode = sys.argv[1:3]
    LIMIT = 20_000
    data = content = bytes(range(256)) * 200
    text = {}
    if "b" not in mode:
        data = content.decode("latin-1")
        text = {"encoding": "latin-1", "newline": ""}

    async def refused(awaitable):
        try:
            await awaitable
        except OSError as error:
            assert error.errno == errno.EFBIG, error
            assert error.filename == path, error.filename
        else:
            raise AssertionError("nothing was said")

    async def main():
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
        file = await headrace.open(path, mode, **text)
        await file.write(data)
BODY
    asyncio.run(main())
    with open(path, "rb") as file:
        assert file.read() == EXPECTED
"""

RETRY = """
        await refused(file.flush())
        await refused(file.flush())
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await file.flush()
        assert await file.tell() == len(content)
        await file.close()
"""

CLOSE = """
        await refused(file.flush())
        await refused(file.close())
        assert file.closed
        await file.close()
"""


def limited(body: str, expected: str) -> str:
    return LIMITED.replace("BODY", body).replace("EXPECTED", expected)


@pytest.mark.parametrize("mode", ["wb", "w+b", "ab", "w", "a+"])
def test_flush_after_the_limit_was_lifted_completes_the_file(
    tmp_path: Path, mode: str
) -> None:
    # The kernel takes the first 20,000 bytes and refuses the rest.
    passes(limited(RETRY, "content"), tmp_path / "file", mode)


@pytest.mark.parametrize("mode", ["wb", "w+b", "ab", "w"])
def test_close_beyond_the_limit_raises_closes_and_keeps_what_fits(
    tmp_path: Path, mode: str
) -> None:
    passes(limited(CLOSE, "content[:LIMIT]"), tmp_path / "file", mode)


def test_raw_write_beyond_the_limit_says_how_much_it_wrote(tmp_path: Path) -> None:
    body = """
        assert await file.tell() == LIMIT
        await refused(file.write(data))
        await file.close()
"""
    source = limited(body, "content[:LIMIT]").replace("**text)", "buffering=0)")
    passes(source, tmp_path / "file", "wb")


# -- A file system of 1 MiB --


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is refused here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


CONTENT = bytes(range(256)) * 2000  # half a MiB


@pytest.mark.root
@pytest.mark.parametrize("mode", ["wb", "ab", "r+b"])
@pytest.mark.parametrize("piece", [100, 5_000, 200_000, 600_000])
async def test_full_disk_then_room_then_everything_is_there(
    small_disk: Path, mode: str, piece: int
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    path = small_disk / "file"
    path.touch()
    file = await headrace.open(path, mode)
    errors = []
    for place in range(0, len(CONTENT), piece):
        data = CONTENT[place : place + piece]
        try:
            await file.write(data)
        except OSError as error:
            errors.append(error.errno)
            ballast.unlink()
            # Taken whole, and tried again by the next flush, or not at all.
            taken = await file.tell() - place
            assert taken in (0, len(data))
            if not taken:
                await file.write(data)
    try:
        await file.flush()
    except OSError as error:
        errors.append(error.errno)
        ballast.unlink()
        await file.flush()
    assert errors == [errno.ENOSPC]
    await file.close()
    assert path.read_bytes() == CONTENT


@pytest.mark.root
@pytest.mark.parametrize("mode", ["w", "a", "r+"])
async def test_text_on_a_full_disk_is_there_after_room_was_made(
    small_disk: Path, mode: str
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_040_000)
    path = small_disk / "file"
    path.touch()
    lines = [f"line number {number}\n" for number in range(3_000)]
    async with headrace.open(path, mode) as file:
        for line in lines:
            await file.write(line)
        with pytest.raises(OSError, match="No space left"):
            await file.flush()
        ballast.unlink()
        await file.flush()
    assert path.read_text() == "".join(lines)


@pytest.mark.root
async def test_close_on_a_full_disk_raises_and_closes(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 1_040_000)
    path = small_disk / "file"
    file = await headrace.open(path, "wb")
    fd = file.fileno()
    await file.write(b"y" * 60_000)
    with pytest.raises(OSError, match="No space left") as caught:
        await file.close()
    assert os.fspath(caught.value.filename) == str(path)
    assert file.closed
    assert not is_open(fd)


@pytest.mark.root
async def test_raw_write_on_a_full_disk_is_short_as_with_open(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 800_000)
    path = small_disk / "file"
    data = b"y" * 500_000
    with builtins.open(path, "wb", buffering=0) as sync:
        expected = sync.write(data)
    path.unlink()
    async with headrace.open(path, "wb", buffering=0) as file:
        assert await file.write(data) == expected < len(data)
        with pytest.raises(OSError, match="No space left"):
            await file.write(data)


@pytest.mark.root
async def test_disk_full_write_bytes_reports(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 900_000)
    with pytest.raises(OSError, match="No space left") as caught:
        await headrace.write_bytes(small_disk / "file", CONTENT)
    assert caught.value.errno == errno.ENOSPC
