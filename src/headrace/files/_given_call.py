"""One call on a sync file that was given, and what becomes of one nobody waits for."""

from __future__ import annotations

import os
from typing import Any

from headrace.files._given import CHANGING, READING, Place, lines_in_memory


class Call:
    """One call on the wrapped object, and what came of it."""

    __slots__ = (
        "_args",
        "_file",
        "_kwargs",
        "_name",
        "begun",
        "done",
        "error",
        "lines",
        "result",
    )

    def __init__(
        self,
        file: Any,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._file = file
        self._name = name
        self._args = args
        self._kwargs = kwargs or {}
        self.begun = False
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.lines = 0
        """After a `readline()`: what `lines_in_memory()` says."""

    def run(self, place: Place) -> Any:
        """Make the call on an object whose data is at *place*."""
        try:
            if self._name == "__next__":
                self.result = next(self._file, b"")
            else:
                method = getattr(self._file, self._name)
                self.result = method(*self._args, **self._kwargs)
            if self._name == "readline" and self.result:
                self.lines = lines_in_memory(self._file, self.result, place)
        except BaseException as error:
            self.error = error
            raise
        return self.result

    @property
    def changes(self) -> bool:
        """Whether it changes the file."""
        return self._name in CHANGING or self._name == "__exit__"

    def can_take_over(self, late: Call) -> bool:
        """Tell whether *late* is a read just like this one."""
        return (
            self._name in READING
            and self._name == late._name
            and len(self._args) == len(late._args)
            and all(map(_same, self._args, late._args))
            and not (self._kwargs or late._kwargs)
        )

    def outcome(self) -> Any:
        """Return the result or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result

    @property
    def taken(self) -> int:
        """How many bytes a read took from a binary object."""
        if self._name not in READING or self.error is not None:
            return 0
        if self._name.startswith("readinto"):
            return self.result or 0
        pieces: list[Any] = self.result if self._name == "readlines" else [self.result]
        return sum(len(piece) for piece in pieces if isinstance(piece, bytes))

    def undo(self) -> None:
        """Put back what was taken, if the object can seek back."""
        try:
            self._file.seek(-self.taken, os.SEEK_CUR)
        except (OSError, ValueError):
            pass  # It cannot, or has been closed: the bytes are gone.


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) is int and one == other)
