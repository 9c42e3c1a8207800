"""One operation after another on one file object, in the order of the calls."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from headrace._errors import FileInUseError
from headrace._typing import Signal
from headrace.engine import budget, current_engine, running_loop_key


class Turns:
    """The turn at one file object; whoever waits for it gets it in call order.

    Where each operation has to be a checkpoint, taking the turn and handing it on is
    one, unless the task waits for something in between anyway.

    `held` is a plain attribute, so that an operation that can be answered without
    waiting looks at it and takes no turn at all.
    """

    # Of the class, because each opening makes one: that has to be quick.

    held = False
    #: Made when somebody has to wait: most files are used by one task.
    _waiting: deque[Signal] | None = None
    #: The loop that the turn is held in; only while it is held, so that a file can be
    #: used in a later loop.
    _loop: object = None
    #: What `budget.grant` gave to who has the turn; or None.
    _grant: tuple[object, int] | None = None

    async def __aenter__(self) -> None:
        loop = running_loop_key()
        if not self.held:
            self.held = True
            self._loop = loop
            if budget.due:
                await self._begin()
            return
        if self._loop is not loop:
            raise FileInUseError(
                "this file is being used in another event loop: open it there, "
                "or wait until the operation in that loop has ended"
            )
        engine = current_engine()
        turn = engine.host.signal()
        if self._waiting is None:
            self._waiting = deque()
        waiting = self._waiting
        waiting.append(turn)
        try:
            await engine.wait(turn)
        except BaseException:
            if turn.is_set:
                self._hand_on()
            else:
                waiting.remove(turn)
            raise
        if budget.due:
            await self._begin()

    async def _begin(self) -> None:
        """Raise a cancellation before anything is done; the turn is taken."""
        try:
            await current_engine().host.check()
        except BaseException:
            self._hand_on()
            raise
        self._grant = budget.grant()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        grant, self._grant = self._grant, None
        self._hand_on()
        if grant is not None and budget.revoke(grant) and exc is None:
            await current_engine().host.turn()

    @property
    def contended(self) -> bool:
        """Whether somebody waits for the turn."""
        return bool(self._waiting)

    def _hand_on(self) -> None:
        """Give the turn to the next in line; it stays held meanwhile."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self.held = False
            self._loop = None
