"""Copying and moving for `Path`, as Python 3.14 does: what `shutil` does otherwise.

The data, the trees that are deleted and the running in steps are those of
`headrace.shutil`; here is which file goes where, and what is refused.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from io import FileIO

from headrace.fs._copy import copy_data
from headrace.fs._rmtree import remove_tree
from headrace.fs._steps import Tally, Work

__all__ = ["copied", "moved"]


def copied(
    source: str, target: str, follow_symlinks: bool, preserve_metadata: bool
) -> Work[None]:
    """Copy a file, a link or a tree."""
    _refuse_overlap(source, target)
    yield from _copy(source, target, follow_symlinks, preserve_metadata)


def moved(source: str, target: str) -> Work[None]:
    """Rename; where that is another file system, copy and delete."""
    _refuse_same_file(source, target)
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return
    yield from copied(source, target, False, True)
    if os.path.isdir(source) and not _is_link(source):
        yield from remove_tree(source, None, None)
    else:
        os.unlink(source)


def _is_link(path: str) -> bool:
    # (os.path.isjunction came with 3.12.)
    is_junction: Callable[[str], bool] = getattr(os.path, "isjunction", _no_junction)
    return os.path.islink(path) or is_junction(path)


def _no_junction(path: str) -> bool:
    return False


def _copy(
    source: str, target: str, follow_symlinks: bool, preserve_metadata: bool
) -> Work[None]:
    if not follow_symlinks and os.path.islink(source):
        os.symlink(os.readlink(source), target, os.path.isdir(source))
    elif os.path.isdir(source):
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        os.mkdir(target)
        for name in names:
            inner = os.path.join(source, name), os.path.join(target, name)
            yield from _copy(*inner, follow_symlinks, preserve_metadata)
    else:
        _refuse_same_file(source, target)
        with FileIO(source, "rb") as reader, FileIO(target, "wb") as writer:
            fds = reader.fileno(), writer.fileno()
            try:
                yield from copy_data(*fds, os.fstat(fds[0]), Tally(None))
            except OSError as error:
                error.filename, error.filename2 = source, target
                raise
    if preserve_metadata:
        shutil.copystat(source, target, follow_symlinks=follow_symlinks)
    yield None


# -- What is refused ---------------------------------------------------------------


def _refuse_overlap(source: str, target: str) -> None:
    """Refuse to copy a path onto itself or into itself."""
    if source == target:
        text = "Source and target are the same path"
    elif target.startswith(os.path.join(source, "")):
        text = "Source path is a parent of target path"
    else:
        return
    raise OSError(errno.EINVAL, text, source, None, target)


def _refuse_same_file(source: str, target: str) -> None:
    try:
        same = os.path.samestat(os.stat(source), os.stat(target))
    except OSError:
        return
    if same:
        text = "Source and target are the same file"
        raise OSError(errno.EINVAL, text, source, None, target)
