"""Fixtures of the fault tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace import _native
from headrace.engine import limits


@pytest.fixture
def uncached(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have each read meet pages that are not cached, so that the engine makes it.

    Gives a function that lets so many reads be made at once before that is so again.
    """
    real_read, real_read_into = _native.read_at, _native.read_into_at
    left = 0

    def allow(count: int) -> None:
        nonlocal left
        left = count

    def cached() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    monkeypatch.setattr(
        _native, "read_at", lambda *args: real_read(*args) if cached() else None
    )
    monkeypatch.setattr(
        _native,
        "read_into_at",
        lambda *args: real_read_into(*args) if cached() else -1,
    )
    # The C core makes no inline read by itself, and so asks here.
    monkeypatch.setattr(limits, "core", -1)
    return allow
