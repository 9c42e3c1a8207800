"""D5-D8: io_uring refused in every way; the program sees no error, and is not killed.

Each case runs in a process of its own, under a seccomp filter or a resource limit.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from headrace import _native
from tests.faults import seccomp

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or _native.Ring is None,
    reason="there is no io_uring in this build",
)

ROOT = Path(__file__).parent.parent.parent

#: Does what would go to the ring, and says what did it.
WORK = """
import asyncio, logging, os, resource, sys

sys.path[:0] = sys.argv[2:4]
folder = sys.argv[1]

{before}

import headrace

said = []


class Keep(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


logging.getLogger("headrace").addHandler(Keep())
logging.getLogger("headrace").setLevel(logging.DEBUG)


def make_cold(file):
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def main():
    path = os.path.join(folder, f"file{{os.getpid()}}")
    data = os.urandom(1 << 18)
    async with headrace.open(path, "wb") as file:
        await file.write(data)
        await file.sync()
    before = headrace.stats()
    async with headrace.open(path, "rb", buffering=0) as file:
        for _ in range(3):
            make_cold(file)
            places = range(0, len(data), 4096)
            pieces = await asyncio.gather(*(file.pread(4096, at) for at in places))
            assert b"".join(pieces) == data
    async with headrace.open(path, "r+b") as file:
        await file.write(b"new")
        await file.sync(data_only=True)
        await file.seek(0)
        assert await file.read() == b"new" + data[3:]
    os.unlink(path)
    return headrace.stats() - before


done = [asyncio.run(main()) for _ in range({loops})]
print(
    headrace.info().engine,
    sum(each.ring_jobs for each in done),
    sum(each.engine_jobs for each in done) > 0,
    sep="|",
)
print(headrace.info().reason)
print(len(said), *said, sep="\\n")
"""


def run(
    tmp_path: Path,
    before: str = "",
    *,
    loops: int = 1,
    engine: str = "auto",
) -> tuple[str, str, list[str]]:
    """Run WORK; returns the summary, the reason, and what was logged."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", WORK.format(before=before, loops=loops)),
            *map(str, (tmp_path, ROOT, ROOT / "src")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HEADRACE_ENGINE": engine},
        check=False,
    )
    if "no seccomp filter can be had" in done.stderr:
        pytest.skip("no seccomp filter can be had here")
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    summary, reason, _, *said = done.stdout.splitlines()
    return summary, reason, said


def refusing(error: int, *calls: int) -> str:
    """Return code that refuses io_uring, or some of its *calls*."""
    return textwrap.dedent(
        f"""
        from tests.faults import seccomp
        seccomp.refuse({error}, {calls or seccomp.ALL})
        """
    )


ERRORS = [
    pytest.param(getattr(errno, name), id=name)
    for name in ("EPERM", "ENOSYS", "EACCES", "EOPNOTSUPP", "ENOMEM", "EINVAL")
]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where the ring does not do the work even if nobody refuses it."""
    folder = tmp_path_factory.mktemp("works")
    summary, reason, _ = run(folder, engine="uring")
    name, ring_jobs, _ = summary.split("|")
    if name != "uring" or not int(ring_jobs):
        pytest.skip(f"io_uring is not in use here: {reason}")


@pytest.mark.usefixtures("works")
@pytest.mark.parametrize("engine", ["auto", "uring"])
@pytest.mark.parametrize("error", ERRORS)
def test_refused_altogether(tmp_path: Path, error: int, engine: str) -> None:
    summary, reason, said = run(tmp_path, refusing(error), loops=2, engine=engine)
    name, ring_jobs, worked = summary.split("|")
    assert name != "uring"
    assert (ring_jobs, worked) == ("0", "True")
    if engine == "uring":
        assert "refused" in reason
        assert os.strerror(error) in reason
        assert len(said) == 1, said
    if engine == "uring":
        assert os.strerror(error) in said[0]


@pytest.mark.usefixtures("works")
@pytest.mark.parametrize("error", ERRORS)
def test_setup_allowed_and_enter_refused(tmp_path: Path, error: int) -> None:
    summary, reason, _ = run(
        tmp_path, refusing(error, seccomp.ENTER), loops=2, engine="uring"
    )
    assert summary.split("|")[2] == "True"
    if error != errno.ENOMEM:  # which may pass
        assert "refused" in reason


@pytest.mark.usefixtures("works")
@pytest.mark.parametrize("error", ERRORS)
def test_setup_allowed_and_register_refused(tmp_path: Path, error: int) -> None:
    summary, reason, _ = run(
        tmp_path, refusing(error, seccomp.REGISTER), loops=2, engine="uring"
    )
    name, ring_jobs, worked = summary.split("|")
    assert (ring_jobs, worked) == ("0", "True")
    assert name != "uring"
    assert "refused" in reason


@pytest.mark.parametrize("engine", ["threads", "workers"])
def test_not_touched_when_another_engine_is_asked_for(
    tmp_path: Path, engine: str
) -> None:
    """Under a filter that kills: import and I/O survive."""
    summary, _, _ = run(tmp_path, refusing(seccomp.KILL), engine=engine)
    assert summary.split("|")[1:] == ["0", "True"]


def test_not_touched_by_import_or_by_configuring(tmp_path: Path) -> None:
    before = refusing(seccomp.KILL) + textwrap.dedent(
        """
        import headrace
        headrace.info(), headrace.stats()
        headrace.configure(engine="threads")
        """
    )
    summary, reason, _ = run(tmp_path, before, engine="uring")
    assert summary.split("|")[0] == "threads"
    assert "configure" in reason


def test_filter_really_kills(tmp_path: Path) -> None:
    """The tests above would see it: with the ring asked for, the process dies."""
    before = refusing(seccomp.KILL)
    with pytest.raises(AssertionError, match=r"^-31"):
        run(tmp_path, before, engine="uring")


# -- RLIMIT_MEMLOCK -------------------------------------------------------------

NOBODY = 65534


#: Becomes that user, whose memory is counted. What is imported late is imported before:
#: nobody may not be able to read the interpreter's files.
BECOME_NOBODY = """
import concurrent.futures.thread, importlib, pkgutil
import headrace, headrace.engine, headrace.files

for package in (headrace.engine, headrace.files):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.name.endswith("_trio"):
            importlib.import_module(module.name)

resource.setrlimit(resource.RLIMIT_MEMLOCK, ({limit}, {limit}))
os.setgroups([])
os.setresgid({user}, {user}, {user})
os.setresuid({user}, {user}, {user})
"""


@pytest.mark.root
@pytest.mark.parametrize("limit", [0, 64 * 1024])
def test_little_memory_may_be_locked(limit: int) -> None:
    before = BECOME_NOBODY.format(limit=limit, user=NOBODY)
    # Not tmp_path: pytest keeps the folders above it to its own user.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        for _ in range(30):
            summary, _, _ = run(Path(folder), before, engine="uring", loops=3)
            assert summary.split("|")[2] == "True"
