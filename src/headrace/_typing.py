"""Types where the layers meet: path and buffer aliases, mode literals, protocols.

Leaf module: standard library only.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import (
    Any,
    Final,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    runtime_checkable,
)

StrPath: TypeAlias = str | os.PathLike[str]
BytesPath: TypeAlias = bytes | os.PathLike[bytes]
StrOrBytesPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
FileDescriptorOrPath: TypeAlias = int | StrOrBytesPath
Opener: TypeAlias = Callable[[str, int], int]

# Whatever exports a buffer. `collections.abc.Buffer` came with 3.12 (PEP 688), and
# the package supports 3.11, so the concrete types that people pass are named.
ReadableBuffer: TypeAlias = Any
WriteableBuffer: TypeAlias = Any


class _Wait(enum.Enum):
    """The type of `WAIT`; an enum so that type checkers narrow on `is WAIT`."""

    WAIT = "would wait"

    def __repr__(self) -> str:
        return "WAIT"


WAIT: Final = _Wait.WAIT
Wait: TypeAlias = Literal[_Wait.WAIT]

OpenTextModeReading: TypeAlias = Literal["r", "rt", "tr"]
OpenTextModeUpdating: TypeAlias = Literal[
    "r+", "+r", "rt+", "r+t", "+rt", "tr+", "t+r", "+tr",
    "w+", "+w", "wt+", "w+t", "+wt", "tw+", "t+w", "+tw",
    "a+", "+a", "at+", "a+t", "+at", "ta+", "t+a", "+ta",
    "x+", "+x", "xt+", "x+t", "+xt", "tx+", "t+x", "+tx",
]  # fmt: skip
OpenTextModeWriting: TypeAlias = Literal[
    "w", "wt", "tw", "a", "at", "ta", "x", "xt", "tx"
]
OpenTextMode: TypeAlias = (
    OpenTextModeReading | OpenTextModeUpdating | OpenTextModeWriting
)
OpenBinaryModeReading: TypeAlias = Literal["rb", "br"]
OpenBinaryModeUpdating: TypeAlias = Literal[
    "rb+", "r+b", "+rb", "br+", "b+r", "+br",
    "wb+", "w+b", "+wb", "bw+", "b+w", "+bw",
    "ab+", "a+b", "+ab", "ba+", "b+a", "+ba",
    "xb+", "x+b", "+xb", "bx+", "b+x", "+bx",
]  # fmt: skip
OpenBinaryModeWriting: TypeAlias = Literal["wb", "bw", "ab", "ba", "xb", "bx"]
OpenBinaryMode: TypeAlias = (
    OpenBinaryModeReading | OpenBinaryModeUpdating | OpenBinaryModeWriting
)


class TaskFunctions(NamedTuple):
    """What asyncio's tasks are met by."""

    loop: object
    running_loop: Callable[[], object]
    """Returns the loop that runs in this thread."""
    current_task: Callable[[Any], object]
    """Returns the task of that loop which runs; None outside one."""
    cancelled: type[BaseException]


@runtime_checkable
class Host(Protocol):
    """What the engine needs of an event loop; `engine/_asyncio.py` has the first."""

    name: str
    cancelled: tuple[type[BaseException], ...]
    """What is raised in a task that is cancelled while it waits."""

    @property
    def closed(self) -> bool:
        """Whether the loop has ended for good."""
        ...

    def watch(
        self,
        fd: int,
        callback: Callable[[], object],
        ended: Callable[[], object],
    ) -> bool:
        """Call *callback* on the loop's thread whenever *fd* can be read.

        As long as the loop lives; *fd* may be closed once the loop runs no more.
        Must not keep the loop alive by what it holds.

        Args:
            fd: A descriptor that can be waited for.
            callback: Must not raise.
            ended: Called when the loop watches no more, if that can be told.

        Returns:
            False if the loop cannot watch descriptors.
        """
        ...

    def idle(self) -> bool:
        """Tell whether no task is known to be ready besides the running one."""
        ...

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run *callback* on the loop's thread, which this is, in its next turn."""

    def call_threadsafe(self, callback: Callable[[], object]) -> None:
        """Run *callback* on the loop's thread; RuntimeError if the loop is closed."""

    def signal(self) -> Signal:
        """Return a new one-time signal of this loop."""
        ...

    def task_functions(self) -> TaskFunctions | None:
        """Return what the core needs to suspend a task itself; None where it cannot."""
        ...

    async def checkpoint(self) -> None:
        """Let every other ready task run once."""

    async def check(self) -> None:
        """Raise the cancellation of a task that is cancelled by level."""

    async def turn(self) -> None:
        """Let every other ready task run once, and raise no cancellation."""

    def calm(self) -> AbstractContextManager[object]:
        """Keep a cancellation that was raised once from being raised over and over."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for *seconds*."""

    async def wait_readable(self, fd: int) -> bool:
        """Wait until *fd* can be read; False if the loop cannot watch it."""
        ...

    async def wait_writable(self, fd: int) -> bool:
        """Wait until *fd* can be written; False if the loop cannot watch it."""
        ...


class Signal(Protocol):
    """A one-time event for one waiting task, set on the loop's own thread."""

    is_set: bool

    def set(self) -> None:
        """Wake the waiting task, now or when it comes."""

    def wait(
        self, leave: Callable[[], bool] | None = None
    ) -> Coroutine[Any, Any, None]:
        """Suspend until set; raises the loop's cancellation.

        Args:
            leave: Whether the task may be cancelled now; for hosts that can ask.
        """
        ...


class ShieldedScope(Protocol):
    """Keeps cancellations away from what is awaited inside, while `shield` is set."""

    @property
    def shield(self) -> bool:
        """Whether it does."""
        ...

    @shield.setter
    def shield(self, value: bool, /) -> None: ...

    def __enter__(self) -> object: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool: ...


class SupportsLines(Protocol):
    """What batches of lines are handed out through: a list iterator."""

    def __next__(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __length_hint__(self) -> int: ...
