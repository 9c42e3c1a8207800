"""How native threads make the calls that jobs consist of.

A job is a Python function and its arguments. For some functions there is a
description beside it: what a native thread is asked in its place, and what its answer
means. An engine that has such threads looks here; the others call the function.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple, Protocol, TypeAlias

from headrace._native import Call

#: (With a type that says what it is given here: anything.)
_fspath: Callable[[Any], Any] = os.fspath

#: Answers that are no errno.
SPECIAL = -1 if Call is None else Call.SPECIAL
TOO_LARGE = -1 if Call is None else Call.TOO_LARGE


class Answer(Protocol):
    """What a native thread did; `_core.Call`."""

    @property
    def errno(self) -> int: ...
    @property
    def count(self) -> int: ...
    def data(self) -> bytes: ...
    def take_descriptor(self) -> int: ...
    def status(self) -> tuple[int | float, ...]: ...
    def brief(self) -> tuple[int, int, int, int]: ...


class Request(NamedTuple):
    """What a native thread is asked; the fields are those of `_core.Call.start`."""

    kind: str
    """The name of one of `_core.Call`'s kinds."""
    fd: int = -1
    path: bytes | None = None
    path2: bytes | None = None
    buffer: Any = None
    """What is written, or read into; None makes room for `size` bytes."""
    size: int = 0
    offset: int = -1
    flags: int = 0
    mode: int = 0


Encode: TypeAlias = Callable[..., "tuple[Request, Any] | None"]
"""From a function's arguments to the request, and what `Decode` has to know of them
(never a buffer); None for arguments that only the function can take."""
Decode: TypeAlias = Callable[[Answer, Any], Any]
"""From the answer to the function's result, or its error."""

_table: dict[object, tuple[Encode, Decode]] = {}


def natively(func: Callable[..., Any], encode: Encode, decode: Decode) -> None:
    """Have native threads make the call of *func*."""
    _table[func] = encode, decode


def described(
    func: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[Request, Any, Decode] | None:
    """Return how native threads call ``func(*args)``; None if they cannot.

    Raises:
        BaseException: What an audit hook raises (PEP 578).
    """
    kwargs: dict[str, Any] = {}
    if type(func) is partial:
        whole: Any = func
        args, kwargs, func = (*whole.args, *args), whole.keywords, whole.func
    if type(func) is not FunctionType and type(func) is not BuiltinFunctionType:
        return None
    found = _table.get(func)
    if found is None:
        return None
    try:
        encoded = found[0](*args, **kwargs)
    except TypeError:
        # Other arguments than most people pass: the function knows.
        return None
    return None if encoded is None else (*encoded, found[1])


# -- Parts of descriptions ----------------------------------------------------


def path_name(path: Any) -> bytes | None:
    """Return *path* as the kernel takes it; None if it takes no such path."""
    try:
        name = os.fsencode(path)
    except (TypeError, UnicodeEncodeError):
        return None
    return None if b"\0" in name else name


def error_of(answer: Answer, *names: Any) -> OSError | None:
    """Return the error that the kernel reported, with the files' *names*; or None."""
    number = answer.errno
    if not number:
        return None
    if not names:
        return OSError(number, os.strerror(number))
    first, *second = names
    if second:
        return OSError(number, os.strerror(number), first, None, *second)
    return OSError(number, os.strerror(number), first)


def check(answer: Answer, names: Any) -> None:
    """Raise the error that the kernel reported; *names* is a tuple of files."""
    error = error_of(answer, *names)
    if error is not None:
        raise error


def is_special(answer: Answer) -> bool:
    """Tell whether it is a FIFO or a device, and was not opened: that may wait."""
    return answer.errno == SPECIAL


def is_too_large(answer: Answer) -> bool:
    """Tell whether a whole file was opened and left to be read with room for it."""
    return answer.errno == TOO_LARGE


def read_bytes(answer: Answer, names: Any) -> bytes:
    """Return what was read."""
    check(answer, names)
    return answer.data()


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_fd(value: Any) -> bool:
    # What is too large for a C int is an error of the function; cut off, it would be
    # another descriptor.
    return type(value) is int and -1 << 31 <= value < 1 << 31


# -- Functions of `os` --------------------------------------------------------


def _on_fd(kind: str) -> Encode:
    def encode(fd: int) -> tuple[Request, Any] | None:
        return (Request(kind, fd), ()) if _is_fd(fd) else None

    return encode


def _on_file(kind: str) -> Encode:
    def encode(fd: int) -> tuple[Request, Any] | None:
        # What is no descriptor is an error of another kind here: ValueError.
        return (Request(kind, fd), ()) if _is_fd(fd) and fd >= 0 else None

    return encode


def _truncate(fd: int, length: int) -> tuple[Request, Any] | None:
    if not _is_fd(fd) or not _is_int(length) or not 0 <= length < 1 << 63:
        return None
    sys.audit("os.truncate", fd, length)
    return Request("FTRUNCATE", fd, offset=length), ()


#: fstatat(2)'s flag, <linux/fcntl.h>.
_AT_SYMLINK_NOFOLLOW = 0x100


def _stat(path: Any, *, follow_symlinks: bool = True) -> tuple[Request, Any] | None:
    if _is_int(path):
        if not follow_symlinks or not _is_fd(path):
            return None
        return Request("FSTAT", path), (path,)
    path = _fspath(path)
    name = path_name(path)
    if name is None:
        return None
    flags = 0 if follow_symlinks else _AT_SYMLINK_NOFOLLOW
    return Request("STAT", path=name, flags=flags), (path,)


def _lstat(path: Any) -> tuple[Request, Any] | None:
    return None if _is_int(path) else _stat(path, follow_symlinks=False)


def _stat_result(answer: Answer, names: Any) -> os.stat_result:
    check(answer, names)
    return os.stat_result(answer.status())


def _access(path: Any, mode: int) -> tuple[Request, Any] | None:
    name = path_name(path)
    if name is None or not _is_int(mode) or not 0 <= mode <= 7:
        return None
    return Request("ACCESS", path=name, mode=mode), ()


def _allowed(answer: Answer, _: Any) -> bool:
    return answer.errno == 0


def _on_path(kind: str, event: str) -> Encode:
    def encode(path: Any) -> tuple[Request, Any] | None:
        path = _fspath(path)
        name = path_name(path)
        if name is None:
            return None
        sys.audit(event, path, -1)
        return Request(kind, path=name), (path,)

    return encode


def _mkdir(path: Any, mode: int = 0o777) -> tuple[Request, Any] | None:
    path = _fspath(path)
    name = path_name(path)
    if name is None or not _is_int(mode) or not 0 <= mode <= 0o7777:
        return None
    sys.audit("os.mkdir", path, mode, -1)
    return Request("MKDIR", path=name, mode=mode), (path,)


def _on_two_paths(kind: str, event: str, *directories: int) -> Encode:
    def encode(src: Any, dst: Any) -> tuple[Request, Any] | None:
        # Errors and events name a path object by its string, as posixmodule.c does.
        src, dst = _fspath(src), _fspath(dst)
        first, second = path_name(src), path_name(dst)
        if first is None or second is None:
            return None
        if isinstance(src, bytes) is not isinstance(dst, bytes):
            return None  # os does as it likes with a mixture
        sys.audit(event, src, dst, *directories)
        return Request(kind, path=first, path2=second), (src, dst)

    return encode


if sys.platform == "linux":
    natively(os.close, _on_fd("CLOSE"), check)
    natively(os.fsync, _on_file("FSYNC"), check)
    natively(os.fdatasync, _on_file("FDATASYNC"), check)
    natively(os.ftruncate, _truncate, check)
    natively(os.fstat, _on_fd("FSTAT"), _stat_result)
    natively(os.stat, _stat, _stat_result)
    natively(os.lstat, _lstat, _stat_result)
    natively(os.access, _access, _allowed)
    natively(os.remove, _on_path("UNLINK", "os.remove"), check)
    natively(os.unlink, _on_path("UNLINK", "os.remove"), check)
    natively(os.rmdir, _on_path("RMDIR", "os.rmdir"), check)
    natively(os.mkdir, _mkdir, check)
    natively(os.rename, _on_two_paths("RENAME", "os.rename", -1, -1), check)
    natively(os.replace, _on_two_paths("RENAME", "os.rename", -1, -1), check)
    natively(os.symlink, _on_two_paths("SYMLINK", "os.symlink", -1), check)
    if hasattr(os, "link"):
        natively(os.link, _on_two_paths("LINK", "os.link", -1, -1), check)
