"""Both implementations, so that one test says what both do."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

TWINS = (
    "batch",
    "buffer",
    "copy",
    "inline",
    "lines",
    "raw",
    "reader",
    "ready",
    "writer",
)


def core_in_python() -> SimpleNamespace:
    """Return what `_core` exports, from the twins."""
    found: dict[str, Any] = {}
    for name in TWINS:
        found.update(vars(importlib.import_module(f"headrace._native.py.{name}")))
    return SimpleNamespace(**found)


def core_in_c() -> Any:
    """Return the extension; skips the test where there is none."""
    return pytest.importorskip("headrace._native._core", exc_type=ImportError)


@pytest.fixture(params=["c", "py"])
def native(request: pytest.FixtureRequest) -> Any:
    """Give one implementation after the other."""
    return core_in_c() if request.param == "c" else core_in_python()
