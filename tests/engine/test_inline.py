"""Policy of the inline way: which device, which path, and what is remembered."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import _native
from headrace._native.py import inline
from headrace._native.py.raw import Raw
from headrace._settings import INLINE_LIMIT, configure
from headrace._stats import stats
from headrace.engine import UNKNOWN, Device, device_of, opens_inline
from headrace.engine import _inline as policy

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux opens and reads without waiting"
)

LOCAL = Device(local=True, nowait=True, file_system="ext")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(b"contents")
    return made


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> dict[int, Device]:
    """Nothing is known of any device yet."""
    devices: dict[int, Device] = {}
    monkeypatch.setattr(policy, "_devices", devices)
    monkeypatch.setattr(policy, "_root", None)
    return devices


@pytest.fixture
def root(fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch) -> Device:
    """The root mount is known to be local."""
    device = Device(local=True, nowait=True, file_system="ext")
    monkeypatch.setattr(policy, "_root", device)
    return device


class Kernel:
    """Answers of openat2(2): the errno that each kind of attempt is refused with."""

    def __init__(self) -> None:
        self.refuses: dict[str, int] = {}
        self.asked: list[tuple[bytes, str]] = []

    def open_cached(self, path: bytes, flags: int, resolve: int = 0) -> int:
        kind = "probe" if flags & os.O_PATH else "read"
        if resolve & _native.RESOLVE_NO_XDEV:
            kind += " on root"
        self.asked.append((path, kind))
        refused = self.refuses.get(kind)
        return os.open(path, flags) if refused is None else -refused

    def open_regular(self, path: bytes, resolve: int) -> tuple[int, ...]:
        fd = self.open_cached(path, os.O_RDONLY | os.O_NONBLOCK, resolve)
        if fd < 0:
            return fd, 0, 0, 0, 0
        status = os.fstat(fd)
        return fd, status.st_dev, status.st_mode, status.st_nlink, status.st_size

    @property
    def kinds(self) -> list[str]:
        return [kind for _, kind in self.asked]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(_native, "open_cached", made.open_cached)
    monkeypatch.setattr(_native, "open_regular", made.open_regular)
    # What the twins do with the answers is the same in C.
    monkeypatch.setattr(inline, "open_cached", made.open_cached)
    monkeypatch.setattr(inline, "open_regular", made.open_regular)
    monkeypatch.setattr(_native, "status_cached", inline.status_cached)
    return made


class File(Raw):
    """A raw file over the twin, so that the kernel's answers can be made up."""


def open_for_reading(path: str | bytes) -> tuple[int, Any, Device] | None:
    """Return descriptor, status and device of what was opened inline."""
    found = policy.open_for_reading(File, path, None, os.O_RDONLY)
    if not isinstance(found, File):
        return found
    found.closed = True
    return found._fd, os.fstat(found._fd), found._device


@pytest.fixture
def opened() -> Iterator[list[int]]:
    """Descriptors that are closed when the test has ended."""
    fds: list[int] = []
    yield fds
    for fd in fds:
        os.close(fd)


# -- Devices --


def test_local_file_system_is_known_by_its_type(
    path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "file_system_type", lambda fd: 0x58465342)
    with path.open() as file:
        device = device_of(file.fileno(), path.stat())
    assert (device.local, device.file_system) == (True, "xfs")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(0x6969, id="nfs"),
        pytest.param(0xFF534D42, id="cifs"),
        pytest.param(0x65735546, id="fuse"),
        pytest.param(0x01021997, id="9p"),
        pytest.param(0x9FA0, id="proc"),
        pytest.param(0, id="unknown"),
    ],
)
def test_other_file_systems_are_not_local(
    kind: int, path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "file_system_type", lambda fd: kind)
    with path.open() as file:
        device = device_of(file.fileno(), path.stat())
    assert (device.local, device.file_system) == (False, f"{kind:#x}")


def test_device_is_looked_at_once(
    path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    with path.open() as file:
        first = device_of(file.fileno(), path.stat())
        monkeypatch.setattr(_native, "file_system_type", lambda fd: 1 / 0)
        assert device_of(file.fileno(), path.stat()) is first


def test_first_look_at_any_device_learns_the_root_mount(
    path: Path, fresh: dict[int, Device]
) -> None:
    assert not opens_inline()
    with path.open() as file:
        device_of(file.fileno(), path.stat())
    assert policy._root is fresh[os.stat("/").st_dev]


def test_limit_of_zero_turns_everything_inline_off(
    path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy.limits, "inline", 0)
    with path.open() as file:
        device = device_of(file.fileno(), path.stat())
    assert (device.local, device.nowait, opens_inline()) == (False, False, False)


def test_kernel_with_wrong_inline_reads_gets_none(
    path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "inline_reads", lambda: "wrong on 5.9 and 5.10")
    with path.open() as file:
        assert not device_of(file.fileno(), path.stat()).nowait


def test_android_opens_nothing_inline(
    path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "is_android", lambda: True)
    with path.open() as file:
        device_of(file.fileno(), path.stat())
    assert policy._root is UNKNOWN


def test_change_of_the_limit_has_devices_looked_at_again(
    path: Path, fresh: dict[int, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    with path.open() as file:
        assert device_of(file.fileno(), path.stat()).nowait
        try:
            configure(inline_limit=0)
            assert not device_of(file.fileno(), path.stat()).nowait
        finally:
            configure(inline_limit=INLINE_LIMIT)
        assert device_of(file.fileno(), path.stat()).nowait


# -- Opening --


def test_root_is_looked_at_again_when_there_was_no_descriptor_left(
    fresh: dict[int, Device], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(name: Any, *arguments: Any, **keywords: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), name)

    with path.open("rb") as file:
        fd = file.fileno()
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", none_left)
            assert device_of(fd, os.fstat(fd)) is fresh[os.fstat(fd).st_dev]
        assert policy._root is None
        device_of(fd, os.fstat(fd))
    assert policy._root is fresh[os.stat("/").st_dev]


def test_nothing_is_opened_inline_before_the_root_is_known(
    path: Path, fresh: dict[int, Device], kernel: Kernel
) -> None:
    assert open_for_reading(str(path)) is None
    assert kernel.asked == []


def test_nothing_is_opened_inline_if_the_root_is_not_local(
    path: Path, root: Device, kernel: Kernel
) -> None:
    root.local = False
    assert open_for_reading(str(path)) is None
    assert kernel.asked == []


@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_cached_path_is_opened(
    kind: type, path: Path, root: Device, kernel: Kernel, opened: list[int]
) -> None:
    found = open_for_reading(kind(path))
    assert found is not None
    opened.append(found[0])
    assert (found[1].st_dev, found[1].st_size) == (
        path.stat().st_dev,
        path.stat().st_size,
    )
    assert kernel.kinds == ["read on root"]


def test_inline_opening_is_counted(
    path: Path, root: Device, kernel: Kernel, opened: list[int]
) -> None:
    before = stats()
    found = open_for_reading(str(path))
    assert found is not None
    opened.append(found[0])
    cost = stats() - before
    assert (cost.inline_calls, cost.engine_jobs) == (1, 0)


def test_unknown_device_of_the_root_mount_is_as_the_root(
    path: Path,
    root: Device,
    fresh: dict[int, Device],
    kernel: Kernel,
    opened: list[int],
) -> None:
    """As on btrfs, where each subvolume has a device number of its own."""
    found = open_for_reading(str(path))
    assert found is not None
    opened.append(found[0])
    assert found[2] == root
    assert fresh[path.stat().st_dev] is found[2]


def test_relative_path_is_opened_from_the_current_folder(
    path: Path,
    root: Device,
    kernel: Kernel,
    opened: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(path.parent)
    found = open_for_reading(path.name)
    assert found is not None
    opened.append(found[0])
    assert kernel.asked[0][0] == bytes(path)


def test_relative_path_in_a_folder_that_is_gone_is_left_to_the_engine(
    tmp_path: Path, root: Device, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert open_for_reading("file") is None


def test_path_with_a_nul_is_left_to_the_engine(root: Device, kernel: Kernel) -> None:
    assert open_for_reading("/a\0b") is None
    assert kernel.asked == []


def test_missing_file_that_the_kernel_knows_of_is_an_error(
    tmp_path: Path, root: Device, kernel: Kernel
) -> None:
    missing = str(tmp_path / "missing")
    kernel.refuses["read on root"] = errno.ENOENT
    with pytest.raises(FileNotFoundError) as caught:
        open_for_reading(missing)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, missing)


def test_missing_relative_path_is_left_to_the_engine(
    root: Device, kernel: Kernel
) -> None:
    """Joining the folder's name is not quite what the kernel does with it."""
    kernel.refuses["read on root"] = errno.ENOENT
    assert open_for_reading("missing") is None


@pytest.mark.parametrize(
    "error", [errno.EACCES, errno.ELOOP, errno.ENOTDIR, errno.EMFILE]
)
def test_other_errors_are_left_to_the_engine(
    error: int, path: Path, root: Device, kernel: Kernel
) -> None:
    kernel.refuses["read on root"] = error
    assert open_for_reading(str(path)) is None
    assert opens_inline()


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EINVAL])
def test_kernel_that_refuses_is_asked_once(
    error: int, path: Path, root: Device, kernel: Kernel
) -> None:
    kernel.refuses["read on root"] = error
    assert open_for_reading(str(path)) is None
    assert open_for_reading(str(path)) is None
    assert kernel.kinds == ["read on root"]
    assert not opens_inline()


def test_file_that_may_not_be_opened_does_not_end_opening_inline(
    path: Path, root: Device, kernel: Kernel
) -> None:
    kernel.refuses["read on root"] = errno.EPERM
    assert open_for_reading(str(path)) is None
    assert kernel.kinds == ["read on root", "probe on root"]
    assert opens_inline()


def test_filter_that_refuses_even_the_root_is_asked_once(
    path: Path, root: Device, kernel: Kernel
) -> None:
    kernel.refuses = {"read on root": errno.EPERM, "probe on root": errno.EPERM}
    assert open_for_reading(str(path)) is None
    assert not opens_inline()


# -- Opening on another mount --

# A walk that may not wait answers EAGAIN where it meets a mount that it may not
# cross; EXDEV is the answer of one that may wait.
crossing = pytest.mark.parametrize("error", [errno.EXDEV, errno.EAGAIN])


@crossing
def test_path_on_another_local_device_is_opened(
    error: int,
    path: Path,
    root: Device,
    fresh: dict[int, Device],
    kernel: Kernel,
    opened: list[int],
) -> None:
    kernel.refuses["read on root"] = error
    fresh[path.stat().st_dev] = LOCAL
    found = open_for_reading(str(path))
    assert found is not None
    opened.append(found[0])
    assert found[2] is LOCAL
    assert kernel.kinds == ["read on root", "probe", "read"]


@crossing
@pytest.mark.parametrize(
    "device",
    [
        pytest.param(None, id="not-looked-at-yet"),
        pytest.param(Device(local=False, nowait=True), id="server"),
    ],
)
def test_path_on_another_device_that_is_not_local_is_left_to_the_engine(
    error: int,
    device: Device | None,
    path: Path,
    root: Device,
    fresh: dict[int, Device],
    kernel: Kernel,
) -> None:
    kernel.refuses["read on root"] = error
    if device is not None:
        fresh[path.stat().st_dev] = device
    assert open_for_reading(str(path)) is None
    assert kernel.kinds == ["read on root", "probe"]


@crossing
def test_what_is_no_regular_file_elsewhere_is_left_to_the_engine(
    error: int,
    tmp_path: Path,
    root: Device,
    fresh: dict[int, Device],
    kernel: Kernel,
) -> None:
    kernel.refuses["read on root"] = error
    fresh[tmp_path.stat().st_dev] = LOCAL
    assert open_for_reading(str(tmp_path)) is None
    assert kernel.kinds == ["read on root", "probe"]


@crossing
def test_path_elsewhere_that_is_not_cached_is_left_to_the_engine(
    error: int, path: Path, root: Device, kernel: Kernel
) -> None:
    kernel.refuses = {"read on root": error, "probe": errno.EAGAIN}
    assert open_for_reading(str(path)) is None


def test_path_elsewhere_whose_kind_cannot_be_told_is_left_to_the_engine(
    path: Path,
    root: Device,
    fresh: dict[int, Device],
    kernel: Kernel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel.refuses["read on root"] = errno.EXDEV
    fresh[path.stat().st_dev] = LOCAL
    monkeypatch.setattr(_native, "cached_kind", lambda fd: None)
    assert open_for_reading(str(path)) is None


def test_real_file_on_another_mount_is_opened_inline_when_its_device_is_known(
    opened: list[int],
) -> None:
    folder = Path("/dev/shm")
    if not folder.is_dir() or folder.stat().st_dev == os.stat("/").st_dev:
        pytest.skip("/dev/shm is no mount of its own here")
    path = folder / f"headrace-test-{os.getpid()}"
    path.write_bytes(b"contents")
    try:
        with path.open() as file:
            device_of(file.fileno(), path.stat())
        if not opens_inline():
            pytest.skip("nothing is opened inline here")
        found = open_for_reading(str(path))
        assert found is not None
        opened.append(found[0])
        assert stat.S_ISREG(found[1].st_mode)
        assert found[2].file_system == "tmpfs"
    finally:
        path.unlink()
