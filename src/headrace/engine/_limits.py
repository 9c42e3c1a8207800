"""Jobs that wait for a token of a capacity limiter before they begin.

A limiter is what the host library has: `CapacityLimiter` of anyio or Trio, or a
semaphore of any. `Limited` stands where an executor may stand, so that it goes
wherever one is handed on; the engine asks it for a token. Knows no event loop.
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = ["Limited", "Limiter", "checked_limiter", "limited", "limiter_of"]


@runtime_checkable
class CapacityLimiter(Protocol):
    """What is needed of anyio's and of Trio's."""

    async def acquire_on_behalf_of(self, borrower: Any, /) -> None:
        """Wait for a token."""

    def release_on_behalf_of(self, borrower: Any, /) -> None:
        """Give it back."""


@runtime_checkable
class Semaphore(Protocol):
    """What is needed of a semaphore: asyncio's, anyio's, Trio's."""

    async def acquire(self) -> Any:
        """Wait for a permit."""

    def release(self) -> None:
        """Give it back."""


Limiter: TypeAlias = CapacityLimiter | Semaphore


class Limited(Executor):
    """Where jobs run (*executor*, or headrace's threads), once *limiter* lets them."""

    def __init__(self, limiter: Limiter, executor: Executor | None = None) -> None:
        self.limiter = limiter
        self.executor = executor

    async def acquire(self, job: object) -> None:
        """Wait for a token for *job*.

        On its own behalf: the task that waits may hold a token itself.
        """
        if isinstance(self.limiter, CapacityLimiter):
            await self.limiter.acquire_on_behalf_of(job)
        else:
            await self.limiter.acquire()

    def release(self, job: object) -> None:
        """Give the token of *job* back."""
        if isinstance(self.limiter, CapacityLimiter):
            self.limiter.release_on_behalf_of(job)
        else:
            self.limiter.release()


def limited(limiter: Limiter | None, executor: Executor | None) -> Executor | None:
    """Return what jobs are handed to: *executor*, behind *limiter* if there is one.

    Raises:
        TypeError: *limiter* is no limiter.
    """
    if limiter is None:
        return executor
    checked_limiter(limiter)
    return Limited(limiter, executor)


def checked_limiter(limiter: Limiter | None) -> Limiter | None:
    """Return *limiter*; TypeError if it is none."""
    if limiter is None or isinstance(limiter, CapacityLimiter | Semaphore):
        return limiter
    raise TypeError(
        "limiter must be a CapacityLimiter, a semaphore or None, "
        f"not {type(limiter).__name__}"
    )


def limiter_of(executor: Executor | None) -> Limiter | None:
    """Return the limiter that stands before *executor*."""
    return executor.limiter if isinstance(executor, Limited) else None
