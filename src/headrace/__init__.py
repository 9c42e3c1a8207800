"""Async file I/O with the semantics and the speed of builtin `open()`.

    import headrace

    async with headrace.open("notes.txt") as f:
        async for line in f:
            ...

`open()` takes the arguments of builtin `open()`; the methods of its files are
coroutines. `read_bytes()`, `read_text()`, `write_bytes()` and `write_text()` handle a
whole file at once. `headrace.Path` is `pathlib.Path` with coroutines; `headrace.os`,
`headrace.ospath`, `headrace.glob`, `headrace.pathlib`, `headrace.shutil` and
`headrace.tempfile` are the async faces of the modules of those names. `configure()`
chooses how operations are done, `info()` and `stats()` say how they were.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headrace._errors import FileInUseError, NotAwaitedError, UnsupportedOperation
from headrace._info import DeviceInfo, Info, info
from headrace._settings import Engine, Settings, configure
from headrace._stats import Stats, stats
from headrace.files._buffered import (
    DEFAULT_BUFFER_SIZE,
    AsyncBufferedRandom,
    AsyncBufferedReader,
    AsyncBufferedWriter,
)
from headrace.files._oneshot import (
    append_bytes,
    append_text,
    read_bytes,
    read_text,
    write_bytes,
    write_text,
)
from headrace.files._open import open
from headrace.files._protocols import AsyncBinaryFile, AsyncFile, AsyncTextFile
from headrace.files._raw import AsyncFileIO
from headrace.files._stdio import (
    stderr,
    stderr_bytes,
    stdin,
    stdin_bytes,
    stdout,
    stdout_bytes,
)
from headrace.files._text import AsyncTextIOWrapper
from headrace.files._wrap import wrap

if TYPE_CHECKING:
    from headrace import glob, os, ospath, pathlib, shutil, tempfile
    from headrace.fs._pathlib import Path

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_BUFFER_SIZE",
    "AsyncBinaryFile",
    "AsyncBufferedRandom",
    "AsyncBufferedReader",
    "AsyncBufferedWriter",
    "AsyncFile",
    "AsyncFileIO",
    "AsyncTextFile",
    "AsyncTextIOWrapper",
    "DeviceInfo",
    "Engine",
    "FileInUseError",
    "Info",
    "NotAwaitedError",
    "Path",
    "Settings",
    "Stats",
    "UnsupportedOperation",
    "append_bytes",
    "append_text",
    "configure",
    "glob",
    "info",
    "open",
    "os",
    "ospath",
    "pathlib",
    "read_bytes",
    "read_text",
    "shutil",
    "stats",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
    "tempfile",
    "wrap",
    "write_bytes",
    "write_text",
]

#: Submodules that are imported when first used: tempfile alone takes milliseconds.
_DOORS = {"glob", "os", "ospath", "pathlib", "shutil", "tempfile"}


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return importlib.import_module(f"headrace.{name}")
    if name == "Path":
        return importlib.import_module("headrace.fs._pathlib").Path
    raise AttributeError(f"module 'headrace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_DOORS, "Path"})
