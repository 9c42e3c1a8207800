"""Synchronous faces over `headrace.os`, `shutil` and `tempfile`; see `sync_face.py`.

A face is a module with the names of the real one. Those that headrace has are run on
the private loop; what is private in the real one is as it was.

What lives here: the translation, and nothing that would repair a difference.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
import tempfile
import types
from collections.abc import Callable, Iterable
from typing import Any

import sync_face
import sync_path

import headrace.os
import headrace.shutil
import headrace.tempfile


class _Face(types.ModuleType):
    """A module that is the real one, but for the names that are set as `_own`."""

    _real: types.ModuleType
    _own: set[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Tests replace private parts, and variables such as `tempfile.tempdir`.
        if name.startswith("__") or name in vars(self) or name in self._own:
            super().__setattr__(name, value)
        else:
            setattr(self._real, name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self):
            super().__delattr__(name)
        else:
            delattr(self._real, name)


def _face_of(real: types.ModuleType, ours: Any, names: Iterable[str]) -> Any:
    face = _Face(real.__name__)
    vars(face).update(_real=real, _own=set(names))
    for name in face._own:
        found = getattr(ours, name)
        waits = inspect.iscoroutinefunction(found)
        setattr(face, name, _waited(found) if waits else found)
    return face


def _waited(function: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return sync_face.run(function(*args, **kwargs))

    return call


# -- shutil ------------------------------------------------------------------------


def shutil_module() -> Any:
    """Return `shutil` with headrace's functions."""
    return _face_of(shutil, headrace.shutil, shutil.__all__)


def put_in_place(module: types.ModuleType, real: types.ModuleType, face: Any) -> None:
    """Let the globals of a test module mean *face* where they meant *real*."""
    value: Any
    theirs = [name for name in vars(real) if not name.startswith("_")]
    for name, value in list(vars(module).items()):
        if value is real:
            setattr(module, name, face)
        elif name in theirs and callable(value) and value is getattr(real, name):
            setattr(module, name, getattr(face, name))


# -- os ----------------------------------------------------------------------------


def _iterated(function: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return sync_path.drawn(function(*args, **kwargs))

    return call


class _Entry:
    """A `DirEntry` of headrace whose `stat()` does not have to be awaited."""

    def __init__(self, entry: Any) -> None:
        self._inner = entry

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        status: os.stat_result = sync_face.run(
            self._inner.stat(follow_symlinks=follow_symlinks)
        )
        return status

    def __fspath__(self) -> Any:
        return self._inner.__fspath__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return repr(self._inner)


class _Scan:
    def __init__(self, path: Any = None) -> None:
        self._inner = sync_face.run(headrace.os.scandir(path))

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            return _Entry(sync_face.run(anext(self._inner)))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        sync_face.run(self._inner.aclose())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def os_module() -> Any:
    """Return `os` with headrace's functions."""
    names = [
        name
        for name, value in vars(headrace.os).items()
        if name in vars(os) and inspect.iscoroutinefunction(value)
    ]
    face = _face_of(os, headrace.os, names)
    own = vars(face)
    own["walk"] = _iterated(headrace.os.walk)
    own["fwalk"] = _iterated(headrace.os.fwalk)
    own["scandir"] = _Scan
    for name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks"):
        ability: set[Any] = getattr(os, name)
        own[name] = {getattr(face, str(f.__name__), f) for f in ability} | ability
    in_path = [
        name
        for name, value in vars(headrace.ospath).items()
        if inspect.iscoroutinefunction(value)
    ]
    own["path"] = _face_of(os.path, headrace.ospath, in_path)
    return face


# -- tempfile ----------------------------------------------------------------------


class _Temporary:
    """A temporary file of headrace: a synchronous file with its attributes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return _waited_or_plain(value) if callable(value) else value

    @property
    def _rolled(self) -> bool:
        return self._inner._file is not None

    @property
    def _file(self) -> Any:
        return _Temporary(self._inner._current)

    def __iter__(self) -> Any:
        return sync_path.drawn(self._inner)

    def __next__(self) -> Any:
        try:
            return sync_face.run(anext(self._inner))
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> Any:
        sync_face.run(self._inner.__aenter__())
        return self

    def __exit__(self, *exc_info: object) -> Any:
        return sync_face.run(self._inner.__aexit__(*exc_info))


def _waited_or_plain(method: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        value = method(*args, **kwargs)
        return sync_face.run(value) if inspect.isawaitable(value) else value

    return call


def _made(function: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _Temporary(sync_face.run(function(*args, **kwargs)))

    return call


class _Directory:
    """`tempfile.TemporaryDirectory` over that of headrace."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._inner = sync_face.run(
            headrace.tempfile.TemporaryDirectory(*args, **kwargs)
        )
        self.name = self._inner.name

    def cleanup(self) -> None:
        sync_face.run(self._inner.cleanup())

    def __enter__(self) -> Any:
        return self.name

    def __exit__(self, *exc_info: object) -> None:
        sync_face.run(self._inner.__aexit__(*exc_info))


def tempfile_module() -> Any:
    """Return `tempfile` with headrace's functions."""
    names = ("gettempdir", "gettempdirb", "mkdtemp", "mkstemp", "mktemp")
    face = _face_of(tempfile, headrace.tempfile, names)
    for name in ("NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryFile"):
        vars(face)[name] = _made(getattr(headrace.tempfile, name))
    vars(face)["TemporaryDirectory"] = _Directory
    return face
