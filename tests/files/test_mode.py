"""Mode strings: what builtin `open()` takes, refuses, and makes of them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from headrace.files._mode import Mode, parse_mode

LETTERS = "rwaxbt+U"
ALL_MODES = [
    "".join(letters)
    for count in range(5)
    for letters in itertools.product(LETTERS, repeat=count)
]


def builtin_mode(mode: str, folder: Path) -> str:
    """Say what builtin `open()` makes of *mode*, or how it refuses it."""
    path = folder / ("new" if "x" in mode else "there")
    try:
        with open(path, mode) as file:
            buffer: Any = getattr(file, "buffer", file)
            raw = buffer.raw
            return f"{raw.mode} {type(file).__name__} {raw.readable()} {raw.writable()}"
    except ValueError as error:
        return f"ValueError: {error}"
    finally:
        if "x" in mode:
            path.unlink(missing_ok=True)


def own_mode(mode: str) -> str:
    """Say the same of `parse_mode`."""
    try:
        parsed = parse_mode(mode)
    except ValueError as error:
        return f"ValueError: {error}"
    kind = (
        "TextIOWrapper"
        if parsed.text
        else "BufferedRandom"
        if parsed.updating
        else "BufferedReader"
        if parsed.reading
        else "BufferedWriter"
    )
    return f"{parsed.raw} {kind} {parsed.reading} {parsed.writing}"


@pytest.mark.filterwarnings("ignore::EncodingWarning")
@pytest.mark.parametrize("count", range(5), ids=lambda count: f"{count}-letters")
def test_every_mode_string_is_taken_or_refused_as_by_open(
    count: int, tmp_path: Path
) -> None:
    (tmp_path / "there").touch()
    modes = [mode for mode in ALL_MODES if len(mode) == count]
    different = {
        mode: (own, wanted)
        for mode in modes
        if (own := own_mode(mode)) != (wanted := builtin_mode(mode, tmp_path))
    }
    assert different == {}


def flags_of_open(mode: str, path: Path) -> int:
    """Return the flags that builtin `open()` asks the system for."""
    seen: list[int] = []

    def opener(name: str, flags: int) -> int:
        seen.append(flags)
        return os.open(name, flags)

    with open(path, mode, opener=opener):
        pass
    return seen[0]


VALID = sorted(
    {
        "".join(sorted(mode, key="rwax+bt".index))
        for mode in ALL_MODES
        if not own_mode(mode).startswith("ValueError")
    }
)


@pytest.mark.filterwarnings("ignore::EncodingWarning")
@pytest.mark.parametrize("mode", VALID)
def test_flags_are_those_of_open(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if "x" not in mode:
        path.touch()
    assert parse_mode(mode).flags == flags_of_open(mode, path)


@pytest.mark.parametrize("mode", VALID)
def test_only_plain_reading_can_be_opened_inline(mode: str) -> None:
    assert parse_mode(mode).inline == (set(mode) <= set("rbt"))


@pytest.mark.parametrize("mode", VALID)
def test_only_append_mode_appends(mode: str) -> None:
    assert parse_mode(mode).appending == ("a" in mode)


def test_mode_is_parsed_once() -> None:
    assert parse_mode("rb") is parse_mode("rb")


def test_record_cannot_be_changed() -> None:
    mode: Mode = parse_mode("rb")
    with pytest.raises(AttributeError):
        mode.text = True  # type: ignore[misc]
