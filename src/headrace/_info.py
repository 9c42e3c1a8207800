"""`info()`: what does the operations here, and why."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

from headrace import _native
from headrace._settings import Settings, settings
from headrace.engine import (
    Lane,
    engine_choice,
    host_name,
    known_devices,
    threads_alive,
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What was found out about one file system that files were opened on."""

    file_system: str
    """Its type ("ext", "xfs", ...), or its number in hexadecimal."""
    local: bool
    """Opening and closing there wait for no server."""
    nowait: bool
    """Reads that cannot wait (RWF_NOWAIT) have not been refused there."""


@dataclass(frozen=True, slots=True)
class Info:
    """What is in use, as `info()` found it."""

    engine: str
    """What does the operations that may wait: "uring", "workers" or "threads"."""
    reason: str
    """Why that engine."""
    host: str | None
    """What runs the event loop ("asyncio", "uvloop", "trio"); None outside one."""
    system: str
    """The operating system."""
    kernel: str
    """Its release."""
    core: str
    """What the hot paths are written in: "c" or "python"."""
    core_reason: str
    """Why."""
    workers: int
    """Worker threads that are alive, in both lanes."""
    settings: Settings
    """What was chosen by `configure()` or the environment."""
    devices: dict[int, DeviceInfo]
    """What is known of each file system in use so far, by st_dev."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts."""
        found = asdict(self)
        found["settings"]["engine"] = self.settings.engine.value
        return found


def info() -> Info:
    """Say what does the operations here, and why.

    Inside a running event loop it speaks of that loop's engine; outside, of the one
    that a loop would get. Nothing is started by asking.

    Returns:
        A snapshot; its attributes are also items (`info()["engine"]`).

    Raises:
        ValueError: An environment variable of headrace's holds what it must not.
    """
    engine, reason = engine_choice()
    return Info(
        engine=engine,
        reason=reason,
        host=host_name(),
        system=platform.system(),
        kernel=platform.release(),
        core="c" if _native.NATIVE else "python",
        core_reason=_native.NATIVE_REASON,
        workers=sum(threads_alive(lane) for lane in Lane),
        settings=settings(),
        devices={
            number: DeviceInfo(known.file_system, known.local, known.nowait)
            for number, known in known_devices().items()
        },
    )
