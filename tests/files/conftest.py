"""What the tests of the file objects share: stepped jobs, and both ways of reading."""

from __future__ import annotations

import pytest

from tests.fakes import SteppedEngine, nothing_inline


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SteppedEngine:
    """The engine's threads, run by the test."""
    return SteppedEngine.install(monkeypatch)


@pytest.fixture
def by_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are opened from now on go by the engine in all they do."""
    nothing_inline(monkeypatch)


@pytest.fixture(params=["inline", "engine"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with reads made inline, and again with all made by the engine."""
    if request.param == "engine":
        nothing_inline(monkeypatch)
    return str(request.param)
