"""Work that is finished whoever is cancelled; the cancellation comes afterwards."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType

from headrace._typing import ShieldedScope
from headrace.engine._hosts import new_scope, running_task

_current: ContextVar[Shield | None] = ContextVar("headrace_shield", default=None)


class Shield(AbstractContextManager["Shield"]):
    """Finish what is awaited inside through headrace; then comes the cancellation.

    Closing, rolling back and removing temporary files run inside one. asyncio raises
    a cancellation once: one that arrives meanwhile is kept and raised when the block
    ends; an error of the block itself then is its `__context__`. Trio raises it at
    each checkpoint: there, the block is a shielded scope, and the next checkpoint
    behind it raises.

    Shields nest: only the outermost counts. Tasks that are made inside are not
    shielded.
    """

    __slots__ = ("_scope", "_task", "_token", "cancellation")

    def __init__(self) -> None:
        self.cancellation: BaseException | None = None
        self._scope: ShieldedScope | None = None
        self._task: object = None
        self._token: Token[Shield | None] | None = None

    def __enter__(self) -> Shield:
        if current_shield() is None:
            self._task = running_task()
            self._scope = new_scope()
            if self._scope is not None:
                self._scope.__enter__()
            self._token = _current.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope, self._scope = self._scope, None
        if self._token is not None:
            try:
                _current.reset(self._token)
            except ValueError:
                # The coroutine is being dropped, and that in another context.
                scope = None
            self._task = self._token = None
        if scope is not None:
            # It swallows nothing: nobody cancels it but by what is around it.
            scope.__exit__(exc_type, exc, traceback)
        cancellation, self.cancellation = self.cancellation, None
        if cancellation is not None:
            try:
                raise cancellation
            finally:
                del cancellation

    def note(self, cancellation: BaseException) -> None:
        """Keep *cancellation* for the end of the block."""
        self.cancellation = cancellation

    @contextmanager
    def lifted(self) -> Generator[None, None, None]:
        """Let cancellations in: also the one that came before, which is raised."""
        if self.cancellation is not None:
            raise self.cancellation
        if self._scope is None:
            yield
            return
        self._scope.shield = False
        try:
            yield
        finally:
            self._scope.shield = True


def shield_variable() -> ContextVar[Shield | None]:
    """Return the variable that is None where nothing can be shielded."""
    return _current


def current_shield() -> Shield | None:
    """Return the outermost shield that this task is inside of."""
    shield = _current.get()
    # Tasks copy the context that they are made in: theirs may be their maker's.
    if shield is None or shield._token is None or shield._task is not running_task():
        return None
    return shield
