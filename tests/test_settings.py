"""`configure()`, the environment, and what `info()` makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import headrace
from headrace import Engine, Settings, _settings, configure, info
from headrace._platform import worker_limit

DEFAULTS: dict[str, Any] = {
    "engine": "auto",
    "max_workers": worker_limit(),
    "max_waiting": 64,
    "idle_timeout": 10.0,
    "ring_entries": 64,
    "busy_poll": 100e-6,
    "inline_limit": 256 * 1024,
}

OTHERS: dict[str, Any] = {
    "engine": "threads",
    "max_workers": 3,
    "max_waiting": 7,
    "idle_timeout": 1.5,
    "ring_entries": 8,
    "busy_poll": 0,
    "inline_limit": 4096,
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was configured, the environment is empty, and nobody listens."""
    monkeypatch.setattr(_settings, "_current", None)
    monkeypatch.setattr(_settings, "_told", set())
    monkeypatch.setattr(_settings, "_listeners", [])
    for variable in _settings.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


def test_defaults() -> None:
    assert _settings.as_dict(configure()) == DEFAULTS


@pytest.mark.parametrize("name", OTHERS)
def test_each_setting_can_be_configured_alone(name: str) -> None:
    chosen = configure(**{name: OTHERS[name]})
    assert _settings.as_dict(chosen) == DEFAULTS | {name: OTHERS[name]}
    assert _settings.source(name) == "asked for by headrace.configure()"


@pytest.mark.parametrize("name", OTHERS)
def test_each_setting_has_an_environment_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HEADRACE_{name.upper()}", str(OTHERS[name]))
    assert _settings.as_dict(configure()) == DEFAULTS | {name: OTHERS[name]}
    assert _settings.source(name) == f"asked for by HEADRACE_{name.upper()}"


def test_configure_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_MAX_WORKERS", "3")
    assert configure(max_workers=5).max_workers == 5


def test_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_MAX_WORKERS", "")
    assert configure().max_workers == worker_limit()


def test_engine_may_be_named_by_its_enum() -> None:
    assert configure(engine=Engine.WORKERS).engine is Engine.WORKERS
    assert Engine.WORKERS == "workers"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        pytest.param(
            {"engine": "fast"},
            ValueError,
            "engine must be one of 'auto', 'uring', 'workers', 'threads', not 'fast'",
            id="engine",
        ),
        pytest.param({"max_workers": 0}, ValueError, "1 or more, not 0", id="none"),
        pytest.param({"max_workers": "3"}, TypeError, "an int, not 'str'", id="str"),
        pytest.param({"max_workers": True}, TypeError, "not 'bool'", id="bool"),
        pytest.param({"max_waiting": -1}, ValueError, "max_waiting must", id="waiting"),
        pytest.param({"ring_entries": 0}, ValueError, "1 to 32768", id="ring"),
        pytest.param({"inline_limit": -1}, ValueError, "0 to 262144", id="negative"),
        pytest.param({"inline_limit": 1 << 20}, ValueError, "0 to 262144", id="large"),
        pytest.param({"idle_timeout": 0}, ValueError, "more than 0 s", id="no-time"),
        pytest.param({"idle_timeout": float("inf")}, ValueError, "inf", id="for-ever"),
        pytest.param({"idle_timeout": "1"}, TypeError, "seconds", id="time-as-text"),
        pytest.param({"busy_poll": -1e-6}, ValueError, "0 to 0.001", id="poll"),
        pytest.param({"busy_poll": 0.1}, ValueError, "0 to 0.001", id="long-poll"),
        pytest.param({"busy_poll": float("nan")}, ValueError, "nan", id="poll-nan"),
    ],
)
def test_wrong_value_is_refused_and_nothing_changes(
    given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        configure(**{"max_workers": 2} | given)
    assert str(caught.value).startswith("configure(): ")
    assert _settings.as_dict(configure()) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ENGINE", "fast", "HEADRACE_ENGINE must be one of 'auto'"),
        ("MAX_WORKERS", "many", "HEADRACE_MAX_WORKERS must be a number, not 'many'"),
        ("MAX_WORKERS", "0", "HEADRACE_MAX_WORKERS must be 1 or more"),
        ("INLINE_LIMIT", "99999999", "HEADRACE_INLINE_LIMIT must be 0 to 262144"),
        ("IDLE_TIMEOUT", "nan", "HEADRACE_IDLE_TIMEOUT must be more than 0"),
    ],
)
def test_wrong_variable_is_named(
    name: str, text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HEADRACE_{name}", text)
    with pytest.raises(ValueError, match=words):
        configure()


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        configure().max_workers = 1  # type: ignore[misc]


def test_listeners_hear_of_changes_only() -> None:
    heard: list[Settings] = []
    _settings.on_change(heard.append)
    configure()
    chosen = configure(max_workers=4)
    assert heard == [chosen]


# -- info() --


def test_info_speaks_of_a_loop_that_would_begin() -> None:
    found = info()
    assert found.host is None
    assert found.engine in ("uring", "workers", "threads")
    assert found.reason
    assert found.settings == configure()
    assert found["engine"] == found.engine
    with pytest.raises(KeyError):
        found["as_dict"]


async def test_info_speaks_of_the_running_loop() -> None:
    await headrace.os.getcwd()
    found = info()
    assert found.host in ("asyncio", "uvloop", "trio")
    assert found.core in ("c", "python")
    assert found.workers >= 1


async def test_info_tells_of_devices_that_files_were_opened_on(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    async with headrace.open(path, "rb") as file:
        await file.read()
    device = info().devices[path.stat().st_dev]
    assert device.file_system


def test_info_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(info().as_dict()))["settings"]["engine"] == "auto"


# -- Before the first use --

FIRST_USE = """
import asyncio, headrace
headrace.configure(engine="threads", max_workers=2)

async def main():
    await asyncio.gather(*(headrace.os.getcwd() for _ in range(50)))
    found = headrace.info()
    print(found.engine, found.workers <= 2, found.reason)

asyncio.run(main())
"""


def test_configure_is_honoured_before_the_first_operation() -> None:
    result = subprocess.run(
        [sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=True
    )
    assert result.stdout == "threads True asked for by headrace.configure()\n"
