"""The async face of the sync object behind one of aiofiles' classes."""

from __future__ import annotations

from typing import Any, Protocol

from headrace.files._wrap import WrappedFile


class Face(Protocol):
    """What calls go through; `WrappedFile` is one."""

    wrapped: Any

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the sync object."""


def face_of(owner: Any) -> Face:
    """Return the face of ``owner._file``, whichever object that is by now."""
    file: object = owner._file
    state = _state_of(owner)
    face: Face | None = state.get("_face")
    if face is None or face.wrapped is not file:
        made: WrappedFile[Any] = WrappedFile(file, state.get("_executor"))
        state["_face"] = face = made
    return face


def native_of(owner: object) -> Any:
    """Return the headrace file that *owner* stands on; None if on a sync object."""
    return _state_of(owner).get("_native")


def _state_of(owner: object) -> dict[str, Any]:
    return vars(owner)


class StreamFace:
    """The face of a stream of `sys`, which headrace's own stream speaks for."""

    def __init__(self, stream: Any, owner: Any) -> None:
        self._stream = stream
        self._owner = owner

    @property
    def wrapped(self) -> Any:
        """The stream of `sys` that there is now."""
        return self._owner._file

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of headrace's stream."""
        return await getattr(self._stream, name)(*args, **kwargs)
