"""Work that is finished whoever is cancelled; the cancellation comes afterwards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType

from headrace.engine._asyncio import running_task

_current: ContextVar[Shield | None] = ContextVar("headrace_shield", default=None)


class Shield(AbstractContextManager["Shield"]):
    """Finish what is awaited inside through headrace, then raise the cancellation.

    Closing, rolling back and removing temporary files run inside one. A
    cancellation that arrives meanwhile is kept and raised when the block ends; an
    error of the block itself then is its `__context__`. Shields nest: only the
    outermost raises. Tasks that are made inside are not shielded.
    """

    __slots__ = ("_task", "_token", "cancellation")

    def __init__(self) -> None:
        self.cancellation: BaseException | None = None
        self._task: object = None
        self._token: Token[Shield | None] | None = None

    def __enter__(self) -> Shield:
        if current_shield() is None:
            self._task = running_task()
            self._token = _current.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            try:
                _current.reset(self._token)
            except ValueError:
                # The coroutine is being dropped, and that in another context.
                pass
            self._task = self._token = None
        cancellation, self.cancellation = self.cancellation, None
        if cancellation is not None:
            try:
                raise cancellation
            finally:
                del cancellation

    def note(self, cancellation: BaseException) -> None:
        """Keep *cancellation* for the end of the block."""
        self.cancellation = cancellation


def current_shield() -> Shield | None:
    """Return the outermost shield that this task is inside of."""
    shield = _current.get()
    # Tasks copy the context that they are made in: theirs may be their maker's.
    if shield is None or shield._token is None or shield._task is not running_task():
        return None
    return shield
