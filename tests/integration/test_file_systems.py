"""The same round trip on each file system that can be mounted here, by each engine.

Images on loop devices, as root; what is missing (a tool, a module of the kernel) is a
skip that says so.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import _settings
from tests import tasks

pytestmark = [pytest.mark.root, pytest.mark.slow]

IMAGE_SIZE = 320 * 1024 * 1024  # bytes; XFS takes no less than 300 MiB
IMAGES = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}


def run(*command: object) -> None:
    """Run *command*, or skip the test saying why it cannot be."""
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(words)}: {done.stderr.strip()}")


@pytest.fixture(scope="module", params=[*IMAGES, "tmpfs", "overlay", "fuse"])
def mounted(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Mount a new file system; gives the folder it is on."""
    name: str = request.param
    base = Path(tempfile.mkdtemp(prefix="headrace-"))
    folder = base / "mounted"
    folder.mkdir()
    try:
        if name in IMAGES:
            image = base / "image"
            with image.open("wb") as file:
                file.truncate(IMAGE_SIZE)
            run(*IMAGES[name], image)
            run("mount", "-o", "loop", image, folder)
        elif name == "tmpfs":
            run("mount", "-t", "tmpfs", "none", folder)
        elif name == "fuse":
            (base / "behind").mkdir()
            run("bindfs", base / "behind", folder)
        else:
            layers = {layer: base / layer for layer in ("lower", "upper", "work")}
            for layer in layers.values():
                layer.mkdir()
            options = ",".join(f"{kind}dir={path}" for kind, path in layers.items())
            run("mount", "-t", "overlay", "none", "-o", options, folder)
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        shutil.rmtree(base)


@pytest.fixture(params=["uring", "workers", "threads"])
def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.setattr(_settings, "_current", None)
    monkeypatch.setattr(_settings, "_told", set())
    headrace.configure(engine=request.param)
    yield request.param
    monkeypatch.undo()
    headrace.configure(engine="auto")
    monkeypatch.setattr(_settings, "_current", None)


def make_cold(file: Any) -> None:
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_is_the_file_system_it_says(
    mounted: Path, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["mounted"]
    shown = subprocess.run(
        ["stat", "--file-system", "--format=%T", mounted],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    words = {"ext4": "ext2/ext3", "overlay": "overlayfs", "fuse": "fuseblk"}
    assert shown == words.get(name, name)


async def test_round_trip(mounted: Path, engine: str) -> None:
    path = mounted / f"file-{engine}"
    data = random.Random(1).randbytes(300_000)
    async with headrace.open(path, "wb") as file:
        for start in range(0, len(data), 7000):
            await file.write(data[start : start + 7000])
        await file.sync()
    assert path.read_bytes() == data
    async with headrace.open(path, "rb") as reading:
        make_cold(reading)
        assert await reading.read(5) == data[:5]
        assert await reading.read() == data[5:]
        assert await reading.pread(100, 4090) == data[4090:4190]
    async with headrace.open(path, "r+b", buffering=0) as raw:
        assert await raw.pwrite(b"new", 70_000) == 3
        await raw.sync(data_only=True)
        make_cold(raw)
        assert (
            await raw.pread(5, 69_999)
            == data[69_999:70_000] + b"new" + (data[70_003:70_004])
        )
        await raw.truncate(100_001)
    async with headrace.open(path, "ab") as appending:
        await appending.write(b"end")
    assert await headrace.read_bytes(path) == (
        data[:70_000] + b"new" + data[70_003:100_001] + b"end"
    )
    await headrace.os.remove(path)
    assert not path.exists()


async def test_text_and_whole_files(mounted: Path, engine: str) -> None:
    path = mounted / f"text-{engine}"
    lines = [f"line {number} é\n" for number in range(5000)]
    await headrace.write_text(path, "".join(lines), encoding="utf-8")
    async with headrace.open(path, encoding="utf-8") as file:
        make_cold(file)
        assert [line async for line in file] == lines
    await headrace.append_bytes(path, b"more")
    assert (await headrace.read_text(path, encoding="utf-8")).endswith("\nmore")


async def test_trees_and_temporary_files(mounted: Path, engine: str) -> None:
    folder = mounted / f"tree-{engine}"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "file").write_bytes(b"x" * 100_000)
    (folder / "a" / "link").symlink_to("file")
    copy = mounted / f"copy-{engine}"
    await headrace.shutil.copytree(folder, copy, symlinks=True)
    walked = [entry async for entry in headrace.os.walk(copy)]
    assert [top for top, _, _ in walked] == [str(copy / x) for x in ("", "a", "a/b")]
    assert sorted(walked[1][2]) == ["file", "link"]
    assert (copy / "a" / "link").read_bytes() == b"x" * 100_000
    assert await headrace.os.path.getsize(copy / "a" / "file") == 100_000
    async with headrace.tempfile.NamedTemporaryFile(dir=copy) as file:
        await file.write(b"data")
        await file.flush()
        assert Path(file.name).read_bytes() == b"data"
    assert sorted(os.listdir(copy)) == ["a"]
    for tree in (folder, copy):
        await headrace.shutil.rmtree(tree)
        assert not tree.exists()


async def test_many_reads_at_a_time(mounted: Path, engine: str) -> None:
    path = mounted / f"many-{engine}"
    data = random.Random(3).randbytes(1 << 20)
    path.write_bytes(data)
    async with headrace.open(path, "rb", buffering=0) as file:
        make_cold(file)
        offsets = [random.Random(n).randrange(len(data) - 4096) for n in range(200)]
        found = await tasks.gather(*[file.pread(4096, offset) for offset in offsets])
    assert list(found) == [data[offset : offset + 4096] for offset in offsets]
    path.unlink()


async def test_direct_io(mounted: Path, engine: str) -> None:
    path = mounted / f"direct-{engine}"
    data = random.Random(2).randbytes(100_001)
    try:
        file = await headrace.open(path, "w+b", direct=True)
    except OSError as error:
        pytest.skip(f"no direct I/O here: {error}")
    async with file:
        await file.write(data)
        await file.seek(0)
        assert await file.read() == data
    assert path.read_bytes() == data
