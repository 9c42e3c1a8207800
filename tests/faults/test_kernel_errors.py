"""D12, D20: errors that a kernel gives now and then, injected with strace."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from headrace import _native
from tests.faults.support import injecting, passes, strace

pytestmark = pytest.mark.usefixtures("tracer")


@pytest.fixture(scope="module")
def tracer() -> str:
    return strace()


READ = """
    import asyncio, sys
    import headrace

    path = sys.argv[1]
    with open(path, "rb") as file:
        content = file.read()

    async def main():
        async with headrace.open(path, "rb") as file:
            got = b""
            while piece := await file.read(1000):
                got += piece
            assert got == content, (len(got), len(content))
            await file.seek(0)
            assert await file.read() == content
            assert await file.pread(500, 100) == content[100:600]
            target = bytearray(700)
            await file.seek(50)
            assert await file.readinto(target) == 700
            assert target == content[50:750]
        async with headrace.open(path, "rb", buffering=0) as file:
            assert await file.read(4096) == content[:4096]
            assert await file.readall() == content[4096:]
        async with headrace.open(path, encoding="latin-1", newline="") as file:
            lines = [line async for line in file]
            assert "".join(lines).encode("latin-1") == content
        assert await headrace.read_bytes(path) == content
        stats = headrace.stats()
        print(stats.inline_calls, stats.engine_jobs)

    asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(bytes(range(256)) * 1000)
    return made


@pytest.mark.parametrize("when", ["1+", "2+2", "1", "5+"])
@pytest.mark.parametrize(
    "error", ["EAGAIN", "EOPNOTSUPP", "EIO", "ENOSYS", "EINVAL", "EPERM"]
)
def test_refused_inline_reads_are_made_by_the_engine(
    path: Path, error: str, when: str
) -> None:
    # Only the inline way uses preadv2(2): its errors never reach the caller.
    out = passes(READ, path, under=injecting(f"preadv2:error={error}:when={when}"))
    assert int(out.split()[1]) > 0


def test_interrupted_inline_reads_are_made_again(path: Path) -> None:
    passes(READ, path, under=injecting("preadv2:error=EINTR:when=1+2"))


@pytest.mark.parametrize("when", ["1+", "2+3"])
def test_inline_reads_that_find_nothing_before_the_end_are_not_believed(
    path: Path, when: str
) -> None:
    # What Linux 5.9 and 5.10 did now and then.
    passes(READ, path, under=injecting(f"preadv2:retval=0:when={when}"))


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EAGAIN", "EINVAL", "EXDEV"])
def test_refused_inline_opens_are_made_by_the_engine(path: Path, error: str) -> None:
    passes(READ, path, under=injecting(f"openat2:error={error}"))


def test_everything_inline_refused_at_once(path: Path) -> None:
    faults = injecting("preadv2:error=EOPNOTSUPP", "openat2:error=ENOSYS")
    passes(READ, path, under=faults)


def test_unsupported_inline_reads_are_not_tried_for_every_read(
    path: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    passes(READ, path, under=injecting("preadv2:error=EOPNOTSUPP", log=log))
    # Once for a device, but several operations may have been under way.
    assert log.read_text().count("preadv2(") <= 5


# -- Writes --

WRITE = """
    import asyncio, errno, sys
    import headrace

    path, mode, expected = sys.argv[1:4]
    data = bytes(range(256)) * 1000

    async def main():
        file = await headrace.open(path, mode)
        failures = []
        for place in range(0, len(data), 10_000):
            while True:
                before = await file.tell()
                try:
                    await file.write(data[place : place + 10_000])
                except OSError as error:
                    failures.append(errno.errorcode[error.errno])
                    assert error.filename == path
                    if await file.tell() == before:
                        continue
                break
        for _ in range(5):
            try:
                await file.flush()
                break
            except OSError as error:
                failures.append(errno.errorcode[error.errno])
                assert error.filename == path
        await file.close()
        # strace counts for each thread: the first write of every worker fails.
        assert set(failures) == ({expected} if expected else set()), failures

    asyncio.run(main())
    with open(path, "rb") as file:
        assert file.read() == data
"""


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
@pytest.mark.parametrize(("mode", "call"), [("wb", "pwrite64"), ("ab", "write")])
def test_write_error_is_raised_and_the_retry_completes_the_file(
    tmp_path: Path, error: str, mode: str, call: str
) -> None:
    path = tmp_path / "file"
    faults = injecting(f"{call}:error={error}:when=1")
    if call == "write":
        # write(2) also wakes the loop and speaks to the terminal: only ours.
        faults = (*faults[:-4], "-P", str(path), *faults[-4:])
    passes(WRITE, path, mode, error, under=faults)


@pytest.mark.parametrize("count", [1, 4096])
def test_short_writes_are_continued(tmp_path: Path, count: int) -> None:
    # Under a file size limit the kernel itself writes short; strace cannot.
    source = """
        import asyncio, errno, os, sys
        import headrace

        real = os.pwrite

        def short(fd, data, offset):
            return real(fd, bytes(data)[:COUNT], offset)

        os.pwrite = short
        data = bytes(range(256)) * 20

        async def main():
            async with headrace.open(sys.argv[1], "wb") as file:
                await file.write(data)
            assert open(sys.argv[1], "rb").read() == data
            await headrace.write_bytes(sys.argv[1], data[::-1])
            assert open(sys.argv[1], "rb").read() == data[::-1]

        asyncio.run(main())
    """
    passes(textwrap.dedent(source).replace("COUNT", str(count)), tmp_path / "file")


@pytest.mark.parametrize("call", ["pwrite64", "write", "pread64", "read"])
def test_interrupted_calls_are_made_again(
    path: Path, tmp_path: Path, call: str
) -> None:
    target = tmp_path / "target"
    faults = injecting(f"{call}:error=EINTR:when=1+2", "preadv2:error=EOPNOTSUPP")
    for name in (path, target):
        faults = (*faults[:1], "-P", str(name), *faults[1:])
    passes(READ, path, under=faults)
    passes(WRITE, target, "wb", "", under=faults)
    target.unlink()
    passes(WRITE, target, "ab", "", under=faults)


CLOSE = """
    import asyncio, errno, sys
    import headrace

    path, mode = sys.argv[1:3]

    async def main():
        file = await headrace.open(path, mode)
        if "w" in mode:
            await file.write(b"data")
        try:
            await file.close()
        except OSError as error:
            assert error.errno == errno.EIO, error
            assert error.filename == path, error.filename
        else:
            raise AssertionError("close() said nothing")
        assert file.closed
        await file.close()

    asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["wb", "rb"])
def test_error_of_close_is_raised_and_the_file_is_closed(path: Path, mode: str) -> None:
    faults = injecting("close:error=EIO")
    passes(CLOSE, path, mode, under=(*faults[:1], "-P", str(path), *faults[1:]))


def test_error_of_fsync_is_raised(path: Path) -> None:
    source = """
        import asyncio, errno, sys
        import headrace

        async def main():
            async with headrace.open(sys.argv[1], "wb") as file:
                await file.write(b"data")
                for options in ({}, {"data_only": True}):
                    try:
                        await file.sync(**options)
                    except OSError as error:
                        assert error.errno == errno.EIO
                        assert error.filename == sys.argv[1]
                    else:
                        raise AssertionError("sync() said nothing")

        asyncio.run(main())
    """
    # Not of a ring: its syncs are no system calls of their own.
    passes(
        source,
        path,
        under=injecting("fsync:error=EIO", "fdatasync:error=EIO"),
        env={"HEADRACE_ENGINE": "workers"},
    )


# -- The ring --

ring = pytest.mark.skipif(_native.Ring is None, reason="no ring in this build")

COLD_READS = """
    import asyncio, os, sys
    import headrace

    path = sys.argv[1]
    with open(path, "rb") as file:
        content = file.read()
        os.fsync(file.fileno())

    def forget(file):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    async def main():
        offsets = range(0, len(content), 4096)
        async with headrace.open(path, "rb", buffering=0) as file:
            for _ in range(4):
                forget(file)
                pieces = await asyncio.gather(*(file.pread(4096, at) for at in offsets))
                assert b"".join(pieces) == content
            forget(file)
            pieces = [await file.pread(4096, at) for at in offsets]
            assert b"".join(pieces) == content
            forget(file)
            reading = asyncio.ensure_future(file.pread(4096, 0))
            await asyncio.sleep(0)
            reading.cancel()
        assert await headrace.read_bytes(path) == content
        print(headrace.info().engine)

    asyncio.run(main())
"""


@ring
@pytest.mark.parametrize("when", ["1", "2+3", "1+2"])
@pytest.mark.parametrize("error", ["EAGAIN", "EBUSY", "ENOMEM", "EINTR"])
def test_ring_that_is_out_of_breath_loses_nothing(
    path: Path, error: str, when: str
) -> None:
    passes(
        COLD_READS,
        path,
        under=injecting(f"io_uring_enter:error={error}:when={when}"),
        env={"HEADRACE_ENGINE": "uring"},
    )


@ring
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "EINVAL", "EACCES"])
def test_ring_that_is_refused_at_its_first_use_is_not_used(
    path: Path, error: str
) -> None:
    engine = passes(
        COLD_READS,
        path,
        under=injecting(f"io_uring_enter:error={error}"),
        env={"HEADRACE_ENGINE": "uring"},
    )
    # Where nothing had to wait, there was no ring to be refused.
    assert engine.strip() in ("uring", "workers")
