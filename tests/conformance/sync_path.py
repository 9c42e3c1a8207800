"""A synchronous face over `headrace.Path` and `headrace.glob`; see `sync_face.py`.

What lives here: the translation, and nothing that would repair a difference.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import sync_face

import headrace
import headrace.glob


def drawn(iterator: AsyncIterator[Any]) -> Iterator[Any]:
    """Yield what an asynchronous iterator gives, one step at a time."""
    while True:
        try:
            item = sync_face.run(anext(iterator))
        except StopAsyncIteration:
            return
        yield item


def _mine(path: Path, value: Any) -> Any:
    """Return *value* with headrace's paths in it as faces."""
    if isinstance(value, headrace.Path):
        return path.with_segments(value)
    if isinstance(value, tuple) and value and isinstance(value[0], headrace.Path):
        return (path.with_segments(value[0]), *value[1:])
    return value


def _waited(name: str) -> Any:
    function = inspect.getattr_static(headrace.Path, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        inner = headrace.Path(self)
        return _mine(self, sync_face.run(getattr(inner, name)(*args, **kwargs)))

    if isinstance(function, classmethod):

        def class_method(cls: Any) -> Any:
            return cls(sync_face.run(getattr(headrace.Path, name)()))

        return classmethod(class_method)
    return method


def _iterated(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = getattr(headrace.Path(self), name)(*args, **kwargs)
        if name == "walk":
            return (_mine(self, item) for item in drawn(found))
        # Errors come with the first item, and here with the call.
        items = drawn(found)
        first = list(_first(items))
        return (_mine(self, item) for part in (first, items) for item in part)

    return method


def _first(items: Iterator[Any]) -> Iterator[Any]:
    for item in items:
        yield item
        return


class Path(headrace.Path):
    """`headrace.Path`, whose coroutines are run to their end."""

    __slots__ = ()

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Open with headrace, and give the face of the file."""
        return sync_face.face(sync_face.run(headrace.Path(self).open(*args, **kwargs)))


for _name in vars(headrace.Path):
    if _name.startswith("_"):
        continue
    if inspect.iscoroutinefunction(getattr(headrace.Path, _name)):
        setattr(Path, _name, _waited(_name))
    elif _name in ("iterdir", "glob", "rglob", "walk"):
        setattr(Path, _name, _iterated(_name))


def glob_module() -> types.ModuleType:
    """Return a module like `glob`, over `headrace.glob`."""
    module = types.ModuleType("glob")
    for name in dir(headrace.glob):
        setattr(module, name, getattr(headrace.glob, name))

    def glob(*args: Any, **kwargs: Any) -> Any:
        return sync_face.run(headrace.glob.glob(*args, **kwargs))

    def iglob(*args: Any, **kwargs: Any) -> Any:
        return drawn(headrace.glob.iglob(*args, **kwargs))

    module.__dict__.update(glob=glob, iglob=iglob)
    return module
