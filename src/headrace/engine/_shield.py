"""Work that is finished whoever is cancelled; the cancellation comes afterwards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType

_current: ContextVar[Shield | None] = ContextVar("headrace_shield", default=None)


class Shield(AbstractContextManager["Shield"]):
    """Finish what is awaited inside through headrace, then raise the cancellation.

    Closing, rolling back and removing temporary files run inside one. A
    cancellation that arrives meanwhile is kept and raised when the block ends; an
    error of the block itself then is its `__context__`. Shields nest: only the
    outermost raises.
    """

    __slots__ = ("_outer", "_token", "cancellation")

    def __init__(self) -> None:
        self.cancellation: BaseException | None = None
        self._outer: Shield | None = None
        self._token: Token[Shield | None] | None = None

    def __enter__(self) -> Shield:
        self._outer = _current.get()
        if self._outer is None:
            self._token = _current.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
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
    return _current.get()
