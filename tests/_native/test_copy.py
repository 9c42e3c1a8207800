"""`copy_new`: a small file to where there is nothing, or a reason why not."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ENOSYS elsewhere")

LONG_AGO_NS = 10**18 + 123_456_789


def copied(native: Any, source: Path, target: Path, limit: int, metadata: int) -> int:
    answer: int = native.copy_new(
        os.fsencode(source), os.fsencode(target), limit, metadata
    )
    return answer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"data" * 10)
    path.chmod(0o4640)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


@pytest.mark.parametrize("size", [0, 1, 40, 256 * 1024])
def test_data_is_copied_and_counted(native: Any, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    assert copied(native, source, tmp_path / "new", 256 * 1024, 0) == size
    assert (tmp_path / "new").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("metadata", [0, 1, 2])
def test_metadata_is_what_was_asked_for(
    native: Any, source: Path, tmp_path: Path, metadata: int
) -> None:
    assert copied(native, source, tmp_path / "new", 40, metadata) == 40
    seen = (tmp_path / "new").stat()
    assert (stat.S_IMODE(seen.st_mode) == 0o4640) is (metadata > 0)
    assert (seen.st_mtime_ns == LONG_AGO_NS) is (metadata > 1)


def test_existing_target_is_left_alone(
    native: Any, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(b"kept")
    assert copied(native, source, tmp_path / "new", 40, 2) == -errno.EEXIST
    assert (tmp_path / "new").read_bytes() == b"kept"


def test_dangling_link_is_an_existing_target(
    native: Any, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "new").symlink_to("elsewhere")
    assert copied(native, source, tmp_path / "new", 40, 2) == -errno.EEXIST
    assert not (tmp_path / "elsewhere").exists()


def test_larger_file_is_refused_and_nothing_made(
    native: Any, source: Path, tmp_path: Path
) -> None:
    assert copied(native, source, tmp_path / "new", 39, 2) == -errno.EAGAIN
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_what_is_no_regular_file_is_refused(
    native: Any, source: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(source)
    assert copied(native, path, tmp_path / "new", 40, 2) in (
        -errno.EAGAIN, -errno.ELOOP,
    )  # fmt: skip
    assert not (tmp_path / "new").exists()


def test_file_that_hides_its_size_is_refused(native: Any, tmp_path: Path) -> None:
    # In /proc sizes are 0.
    answer = copied(native, Path("/proc/self/status"), tmp_path / "new", 10_000, 0)
    assert answer == -errno.EAGAIN
    assert not (tmp_path / "new").exists()


def test_attributes_are_left_to_the_other_way(
    native: Any, source: Path, tmp_path: Path
) -> None:
    try:
        os.setxattr(source, "user.headrace", b"1")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    assert copied(native, source, tmp_path / "new", 40, 2) == -errno.EAGAIN
    assert copied(native, source, tmp_path / "new", 40, 1) == 40


@pytest.mark.parametrize(("path", "target"), [("missing", "new"), ("source", "no/new")])
def test_errors_are_told_by_errno(
    native: Any, source: Path, tmp_path: Path, path: str, target: str
) -> None:
    answer = copied(native, tmp_path / path, tmp_path / target, 40, 2)
    assert answer == -errno.ENOENT
