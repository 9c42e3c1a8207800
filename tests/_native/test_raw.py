"""Opening a raw file and closing what stands on it, without waiting."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace._native import RESOLVE_NO_XDEV, status_cached
from headrace._platform import O_CLOEXEC, O_NOFOLLOW, O_PATH
from headrace._typing import WAIT
from tests._native.test_ready import finish

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux opens without waiting"
)

LIMIT = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(b"contents")
    return made


def raw_type(native: Any) -> Any:
    class File(native.Raw):  # type: ignore[misc]
        dropped = 0

        def _dropped(self) -> None:
            type(self).dropped += 1
            os.close(self._fd)

    return File


def opened(kind: Any, path: Any, *, local: bool = True, known: bool = True) -> Any:
    device = SimpleNamespace(local=local, nowait=True)
    devices = {os.stat(path).st_dev: device} if known else {}
    found = kind._open_cached(os.fspath(path), "mode", os.O_RDONLY, 0, devices, LIMIT)
    if found == -errno.ENOSYS:
        pytest.skip("this kernel has no openat2(2)")
    return found


def test_regular_file_is_opened(native: Any, path: Path) -> None:
    raw = opened(raw_type(native), path)
    assert os.read(raw._fd, 100) == b"contents"
    assert not os.get_inheritable(raw._fd)
    assert os.get_blocking(raw._fd)
    assert (raw.name, raw._mode) == (str(path), "mode")
    assert (raw.closed, raw.can_read, raw.can_write) == (False, True, False)
    assert (raw._position, raw._size, raw._inline_limit) == (0, 8, LIMIT)
    assert (raw._inline, raw._closes, raw.closefd, raw.layers) == (True, True, True, 0)
    os.close(raw._fd)
    raw.closed = True


def test_relative_and_bytes_paths_are_opened(
    native: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    for given in ("file", b"file", os.fsencode(path)):
        raw = opened(raw_type(native), given)
        assert raw.name == given
        os.close(raw._fd)
        raw.closed = True


@pytest.mark.parametrize("wrong", ["/a\0b", "/\ud800" * 3, "x" * 5000])
def test_what_is_no_path_is_left_to_others(native: Any, wrong: str) -> None:
    kind = raw_type(native)
    found = kind._open_cached(wrong, None, os.O_RDONLY, 0, {}, LIMIT)
    assert found in (-errno.EAGAIN, -errno.ENAMETOOLONG, -errno.ENOENT, -errno.ENOSYS)


@pytest.mark.parametrize("kind", ["unknown", "fifo", "folder"])
def test_what_is_not_plain_is_described(native: Any, path: Path, kind: str) -> None:
    if kind == "fifo":
        path = path.with_name("fifo")
        os.mkfifo(path)
    elif kind == "folder":
        path = path.parent
    fd, device, mode, links, _size = opened(
        raw_type(native), path, known=kind != "unknown"
    )
    found = os.stat(path)
    assert (device, mode, links) == (found.st_dev, found.st_mode, found.st_nlink)
    assert os.get_blocking(fd) == stat.S_ISREG(mode)
    os.close(fd)


def test_audit_event_may_forbid_it(native: Any, path: Path) -> None:
    seen: list[Any] = []
    #: A hook cannot be taken away again.
    active = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if active and event == "open" and args[0] == str(path):
            seen.append(args)
            raise PermissionError("by the hook")

    sys.addaudithook(hook)
    before = len(os.listdir("/proc/self/fd"))
    try:
        with pytest.raises(PermissionError, match="by the hook"):
            opened(raw_type(native), path)
    finally:
        active = False
    assert seen == [(str(path), "r", os.O_RDONLY)]
    assert len(os.listdir("/proc/self/fd")) == before


def test_only_the_outermost_is_told_that_it_is_dropped(native: Any, path: Path) -> None:
    kind = raw_type(native)
    raw = opened(kind, path)
    raw.layers = 1
    os.close(raw._fd)
    del raw
    assert kind.dropped == 0
    raw = opened(kind, path)
    del raw
    assert kind.dropped == 1


# -- Closing ----------------------------------------------------------------------


def reader_over(native: Any, raw: Any) -> Any:
    class Reader(native.Reader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.asked: list[str] = []
            super().__init__(raw, 100, 50)

        def _close_now(self) -> Any:
            self.asked.append("now")
            return WAIT

        async def _close_wait(self) -> None:
            self.asked.append("wait")
            raw.closed = True
            os.close(raw._fd)

        def _dropped(self) -> None:
            assert raw.closed

    return Reader()


@pytest.mark.parametrize("leave", ["close", "__aexit__"])
@pytest.mark.parametrize(
    "hindrance",
    [None, "not local", "late", "owed", "in flight", "borrowed", "held", "shut"],
)
def test_what_hinders_closing_at_once(
    native: Any, path: Path, leave: str, hindrance: str | None
) -> None:
    raw = opened(raw_type(native), path, local=hindrance != "not local")
    file = reader_over(native, raw)
    assert (raw.layers, file._buffer_size, file._ahead) == (1, 100, 100)
    if hindrance == "late":
        raw._late = object()
    elif hindrance == "owed":
        raw._owed = b"data"
    elif hindrance == "in flight":
        raw._in_flight = {object()}
    elif hindrance == "borrowed":
        raw.closefd = False
    elif hindrance == "held":
        file._held = 1
    elif hindrance == "shut":
        file._limit = -1
    arguments = (None, None, None) if leave == "__aexit__" else ()
    assert finish(getattr(file, leave)(*arguments)) is None
    in_c = hasattr(native, "counts")
    assert file.asked == ([] if in_c and hindrance is None else ["now", "wait"])
    assert raw.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(raw._fd)


def test_deleted_file_is_closed_by_others(native: Any, path: Path) -> None:
    """Its blocks are freed by the last close, which takes its time."""
    raw = opened(raw_type(native), path)
    file = reader_over(native, raw)
    path.unlink()
    finish(file.close())
    assert file.asked == ["now", "wait"]


@pytest.mark.parametrize("size", [0, -1])
def test_buffer_has_a_size(native: Any, path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="invalid buffer size"):
        native.Reader(SimpleNamespace(layers=0, _turns=None, closed=True), size)


# -- Looking ------------------------------------------------------------------------


def test_status_is_that_of_os_stat(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    flags = O_PATH | O_CLOEXEC
    for _ in range(3):
        for name in (path, path.parent, link):
            for more in (0, O_NOFOLLOW):
                expected = os.stat(name, follow_symlinks=not more)
                found = status_cached(str(name), flags | more, 0)
                if found == -errno.ENOSYS:
                    pytest.skip("this kernel has no openat2(2)")
                if found == -errno.EAGAIN:
                    # What a link says may have to be read.
                    assert name == link
                    continue
                assert isinstance(found, os.stat_result)
                assert found.__reduce__() == expected.__reduce__()
    assert status_cached(str(path), flags, RESOLVE_NO_XDEV) is not None


@pytest.mark.parametrize("seconds", [0, -5.5, 1.25, 4e9, 2**33])
def test_times_are_those_of_os_stat(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))
    for _ in range(2):
        found = status_cached(str(path), O_PATH | O_CLOEXEC, 0)
        if not isinstance(found, os.stat_result):
            pytest.skip("this kernel has no openat2(2)")
        assert found.__reduce__() == os.stat(path).__reduce__()
