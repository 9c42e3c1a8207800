"""The life of one operation: submitted, in flight, completed; or withdrawn.

A job holds everything that its call uses (the file, the buffers) until the call
has come back, whoever was cancelled. It knows no event loop: it is handed a
`deliver` to pass itself to when done.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, Protocol

from headrace._typing import Signal


class Operation(Protocol):
    """What is in flight, whichever engine does it; `Job` says what each means."""

    @property
    def signal(self) -> Signal | None: ...
    @property
    def completed(self) -> bool: ...
    @property
    def withdrawn(self) -> bool: ...
    @property
    def discards(self) -> bool: ...
    def withdraw(self) -> bool: ...
    def abandon(self) -> bool: ...
    def drop_result(self) -> None: ...
    def outcome(self) -> Any: ...
    def leftover(self) -> Any: ...


class Job:
    """One call of *func* by an engine, and the place for its outcome."""

    __slots__ = (
        "_abandoned",
        "_args",
        "_claim",
        "_context",
        "_deliver",
        "_discard",
        "_func",
        "_keep",
        "_settling",
        "completed",
        "error",
        "result",
        "signal",
        "withdrawn",
    )

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        signal: Signal,
        deliver: Callable[[Job], None],
        discard: Callable[[Any], object] | None = None,
        keep: object = None,
    ) -> None:
        # What the call uses and does not name: the owner of a descriptor.
        self._keep = keep
        self._func: Callable[..., Any] | None = func
        self._args = args
        self._context = contextvars.copy_context()
        self._deliver = deliver
        self._discard = discard
        # Taken once: by the worker that starts the job, or by who withdraws it.
        self._claim = threading.Lock()
        # Guards the meeting of "it is done" and "nobody wants it any more".
        self._settling = threading.Lock()
        self._abandoned = False
        self.signal = signal
        self.completed = False
        self.withdrawn = False
        self.result: Any = None
        self.error: BaseException | None = None

    # -- In the worker's thread ---------------------------------------------

    def __call__(self) -> None:
        """Run the job and deliver it, unless it has been withdrawn."""
        if not self._claim.acquire(blocking=False):
            return
        func, args = self._func, self._args
        assert func is not None
        try:
            self.result = self._context.run(func, *args)
        except BaseException as error:  # noqa: BLE001 - it is raised in the loop
            self.error = error
        self._forget_call()
        del func, args
        with self._settling:
            self.completed = True
            late = self._abandoned
        if late:
            self.drop_result()
        self._deliver(self)

    def _forget_call(self) -> None:
        self._func = None
        self._args = ()
        self._keep = None

    @property
    def discards(self) -> bool:
        """Whether an unwanted result has to be undone."""
        return self._discard is not None

    def drop_result(self) -> None:
        """Undo a success that came too late (close the descriptor, ...)."""
        discard, self._discard = self._discard, None
        if discard is None:
            # Who abandoned the job may come back for its result.
            return
        result, self.result = self.result, None
        if self.error is None:
            discard(result)

    # -- On the loop's thread -----------------------------------------------

    def withdraw(self) -> bool:
        """Take the job back if no worker has begun it; tell whether that worked."""
        if not self._claim.acquire(blocking=False):
            return False
        self.withdrawn = True
        self._forget_call()
        return True

    def abandon(self) -> bool:
        """Give the outcome up.

        Returns:
            True if the job had completed already: its result is then the caller's
            to drop (`drop_result`, not on the loop's thread).
        """
        with self._settling:
            self._abandoned = True
            return self.completed

    def outcome(self) -> Any:
        """Return the result or raise the error of a completed job."""
        if self.error is None:
            return self.result
        try:
            raise self.error
        finally:
            # The traceback holds this frame, and so the error: break the cycle.
            self.error = None

    def leftover(self) -> Any:
        """Return the result of a completed job that was given up; None if it failed."""
        return None if self.error is not None else self.result
