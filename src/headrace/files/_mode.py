"""A mode string, parsed and validated once into a record and open flags."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from headrace._platform import O_BINARY, O_CLOEXEC, O_NOINHERIT


@dataclass(frozen=True, slots=True)
class Mode:
    """What a mode string asks for."""

    text: bool
    reading: bool
    writing: bool
    appending: bool
    updating: bool
    flags: int
    """For open(2): access, O_CREAT, O_TRUNC, O_APPEND, O_EXCL, O_CLOEXEC."""
    raw: str
    """The mode as `io.FileIO` reports it: "rb", "rb+", "wb", "ab+", "xb", ..."""
    inline: bool
    """Opens an existing file for reading only, which can be done inline."""


@functools.cache
def parse_mode(mode: str) -> Mode:
    """Parse *mode* as builtin `open()` does.

    Raises:
        ValueError: With the words of `open()`, for what is not a mode.
    """
    letters = set(mode)
    if letters - set("axrwb+t") or len(mode) > len(letters):
        raise ValueError(f"invalid mode: {mode!r}")
    if "t" in letters and "b" in letters:
        raise ValueError("can't have text and binary mode at once")
    kinds = letters & set("axrw")
    if len(kinds) != 1:
        raise ValueError(
            "must have exactly one of create/read/write/append mode"
            if kinds
            else "Must have exactly one of create/read/write/append mode and at "
            "most one plus"
        )
    kind = kinds.pop()
    updating = "+" in letters
    reading = kind == "r" or updating
    writing = kind != "r" or updating
    access = os.O_RDWR if updating else os.O_RDONLY if kind == "r" else os.O_WRONLY
    creating = {
        "r": 0,
        "w": os.O_CREAT | os.O_TRUNC,
        "a": os.O_CREAT | os.O_APPEND,
        "x": os.O_CREAT | os.O_EXCL,
    }[kind]
    # io.FileIO says "rb+" for "w+" too: the file is there by then.
    shown = (
        f"{kind}b+" if updating and kind in "ax" else "rb+" if updating else kind + "b"
    )
    return Mode(
        text="b" not in letters,
        reading=reading,
        writing=writing,
        appending=kind == "a",
        updating=updating,
        flags=access | creating | O_BINARY | O_CLOEXEC | O_NOINHERIT,
        raw=shown,
        inline=kind == "r" and not updating,
    )
