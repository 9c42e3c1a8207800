"""What worker threads do for `Path`: pathlib's methods, and what older Pythons lack.

The running Python's `pathlib.Path` answers wherever it knows the arguments, so that
results and errors are its own; what came later stands here. Blocking, all of it.
"""

from __future__ import annotations

import os
import pathlib
import stat
import sys
from collections.abc import Callable
from errno import EBADF, ELOOP, ENOENT, ENOTDIR
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from headrace._typing import WAIT, StrPath, Wait
from headrace.engine import learn, status_of

__all__ = [
    "call",
    "group",
    "is_junction",
    "is_kind",
    "kind_now",
    "owner",
    "status",
    "uri_path",
]

#: By the names of the questions: what they ask of a mode.
KINDS: Final[dict[str, Callable[[int], bool]]] = {
    "exists": lambda mode: True,
    "is_block_device": stat.S_ISBLK,
    "is_char_device": stat.S_ISCHR,
    "is_dir": stat.S_ISDIR,
    "is_fifo": stat.S_ISFIFO,
    "is_file": stat.S_ISREG,
    "is_socket": stat.S_ISSOCK,
    "is_symlink": stat.S_ISLNK,
}

#: Errors that say that there is no such file; pathlib until 3.13.
_ABSENT: Final = {ENOENT, ENOTDIR, EBADF, ELOOP}


def call(name: str, path: str, *args: Any, **kwargs: Any) -> Any:
    """Call the method *name* of `pathlib.Path`."""
    return getattr(pathlib.Path(path), name)(*args, **kwargs)


# -- Kinds of files ----------------------------------------------------------------


def kind_now(name: str, path: str, follow_symlinks: bool) -> bool | Wait:
    """Answer a question of `KINDS` from the kernel's caches, or WAIT."""
    try:
        found = status_of(path, follow_symlinks)
    except FileNotFoundError:
        return False
    return WAIT if found is None else KINDS[name](found.st_mode)


def status(path: str, follow_symlinks: bool) -> os.stat_result:
    """Return stat(2) of *path*; the next look at that file system may need no job."""
    try:
        return os.stat(path, follow_symlinks=follow_symlinks)
    finally:
        learn(path)


def is_kind(name: str, path: str, follow_symlinks: bool) -> bool:
    """Answer a question of `KINDS`; see `status`."""
    try:
        return _is_kind(name, path, follow_symlinks)
    finally:
        learn(path)


def _is_kind(name: str, path: str, follow_symlinks: bool) -> bool:
    if follow_symlinks or name == "is_symlink":
        return bool(call(name, path))
    since = (3, 12) if name == "exists" else (3, 13)
    if sys.version_info >= since:
        return bool(call(name, path, follow_symlinks=False))
    try:
        return KINDS[name](os.lstat(path).st_mode)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    except ValueError:
        # No path at all: an embedded null.
        return False


def is_junction(path: StrPath) -> bool:
    """Tell whether *path* is a junction; there are some on Windows."""
    if sys.version_info >= (3, 12):
        return os.path.isjunction(path)
    try:
        tag = getattr(os.lstat(path), "st_reparse_tag", 0)
    except (OSError, ValueError):
        return False
    return bool(tag and tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None))


# -- Owners ------------------------------------------------------------------------


def owner(path: str, follow_symlinks: bool) -> str:
    """Return the login name of the file's owner."""
    if follow_symlinks or sys.version_info >= (3, 13) or sys.platform == "win32":
        return _owned("owner", path, follow_symlinks)
    import pwd

    return pwd.getpwuid(os.lstat(path).st_uid).pw_name


def group(path: str, follow_symlinks: bool) -> str:
    """Return the name of the file's group."""
    if follow_symlinks or sys.version_info >= (3, 13) or sys.platform == "win32":
        return _owned("group", path, follow_symlinks)
    import grp

    return grp.getgrgid(os.lstat(path).st_gid).gr_name


def _owned(name: str, path: str, follow_symlinks: bool) -> str:
    options = {} if follow_symlinks else {"follow_symlinks": False}
    return str(call(name, path, **options))


# -- URIs --------------------------------------------------------------------------


def uri_path(uri: str) -> str:
    """Return the path of a ``file:`` URI; touches no file.

    Raises:
        ValueError: It is none, or the path is not absolute.
    """
    if sys.version_info >= (3, 13):
        return str(pathlib.Path.from_uri(uri))
    scheme, colon, path = uri.partition(":")
    if not colon or scheme != "file":
        raise ValueError(f"URI does not start with 'file:': {uri!r}")
    if path.startswith("///"):
        path = path[2:]
    elif path.startswith("//localhost/"):
        path = path.removeprefix("//localhost")
    if path.startswith("///") or (path[:1] == "/" and path[2:3] in (":", "|")):
        # The slash before a drive or a share.
        path = path[1:]
    if path[1:2] == "|":
        path = f"{path[:1]}:{path[2:]}"
    found = pathlib.PurePath(os.fsdecode(unquote_to_bytes(path)))
    if not found.is_absolute():
        raise ValueError(f"URI is not absolute: {uri!r}")
    return str(found)
