"""Class decorators that build async methods over a sync object: as in aiofiles.

The class needs an attribute `_file`, the sync object, and may have `_executor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from headrace.compat.aiofiles._face import face_of, native_of

__all__ = [
    "cond_delegate_to_executor",
    "delegate_to_executor",
    "proxy_method_directly",
    "proxy_property_directly",
]

C = TypeVar("C", bound=type)

# These give the sync layer below, so the sync object has to be there.
_LAYERS_BELOW = ("buffer", "raw")


def delegate_to_executor(*attrs: str) -> Callable[[C], C]:
    """Give the class coroutine methods that call those of the sync object."""
    return _with_attributes(attrs, _make_delegate_method)


def proxy_method_directly(*attrs: str) -> Callable[[C], C]:
    """Give the class plain methods that call those of the sync object."""
    return _with_attributes(attrs, _make_proxy_method)


def proxy_property_directly(*attrs: str) -> Callable[[C], C]:
    """Give the class properties that read those of the sync object."""
    return _with_attributes(attrs, _make_proxy_property)


def cond_delegate_to_executor(*attrs: str) -> Callable[[C], C]:
    """Give the class coroutine methods: at once while a spooled file is in memory."""
    # Delegating does that by itself.
    return delegate_to_executor(*attrs)


def _with_attributes(
    names: tuple[str, ...], make: Callable[[str], Any]
) -> Callable[[C], C]:
    def decorate(cls: C) -> C:
        for name in names:
            setattr(cls, name, make(name))
        return cls

    return decorate


def _make_delegate_method(attr_name: str) -> Callable[..., Any]:
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await face_of(self).call(attr_name, *args, **kwargs)

    method.__name__ = method.__qualname__ = attr_name
    return method


def _make_proxy_method(attr_name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._file, attr_name)(*args, **kwargs)

    method.__name__ = method.__qualname__ = attr_name
    return method


def _make_proxy_property(attr_name: str) -> property:
    def proxy_property(self: Any) -> Any:
        native = None if attr_name in _LAYERS_BELOW else native_of(self)
        return getattr(self._file if native is None else native, attr_name)

    return property(proxy_property)


_make_cond_delegate_method = _make_delegate_method
