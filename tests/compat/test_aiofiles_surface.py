"""`headrace.compat.aiofiles` beside aiofiles: modules, names and parameters."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import pytest

from tests.compat.test_install import MODULES

aiofiles = pytest.importorskip("aiofiles")

# Names of aiofiles that are only how it is made, or are there by accident of import.
NOT_MIRRORED = {
    "AbstractAsyncContextManager",
    "Awaitable",
    "_",
    "asyncio",
    "cond_delegate_to_executor",
    "functools",
    "get_running_loop",
    "os",
    "partial",
    "path",
    "singledispatch",
    "sys",
    "wraps",
}


def names_of(module: Any) -> list[str]:
    return [
        name
        for name in vars(module)
        if not name.startswith("__") and name not in NOT_MIRRORED
    ]


def pair(name: str) -> tuple[Any, Any]:
    return importlib.import_module(name), importlib.import_module(
        f"headrace.compat.{name}"
    )


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_there(name: str) -> None:
    theirs, ours = pair(name)
    assert [key for key in names_of(theirs) if not hasattr(ours, key)] == []


@pytest.mark.parametrize("name", MODULES)
def test_star_import_gives_the_same_names(name: str) -> None:
    theirs, ours = pair(name)
    if hasattr(theirs, "__all__"):
        assert sorted(ours.__all__) == sorted(theirs.__all__)


def parameters(function: Any) -> list[tuple[str, object, object]]:
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize(
    "name",
    [
        "open",
        "tempfile.NamedTemporaryFile",
        "tempfile.SpooledTemporaryFile",
        "tempfile.TemporaryDirectory",
        "tempfile.TemporaryFile",
    ],
)
def test_function_has_the_same_parameters(name: str) -> None:
    theirs, ours = pair("aiofiles")
    for part in name.split("."):
        theirs, ours = getattr(theirs, part), getattr(ours, part)
    expected = parameters(theirs)
    found = parameters(ours)
    if name == "tempfile.NamedTemporaryFile" and sys.version_info < (3, 12):
        found = [item for item in found if item[0] != "delete_on_close"]
    assert found == expected


CLASSES = [
    ("aiofiles.base", "AsyncBase"),
    ("aiofiles.base", "AsyncIndirectBase"),
    ("aiofiles.base", "AiofilesContextManager"),
    ("aiofiles.threadpool.binary", "AsyncBufferedIOBase"),
    ("aiofiles.threadpool.binary", "AsyncBufferedReader"),
    ("aiofiles.threadpool.binary", "AsyncFileIO"),
    ("aiofiles.threadpool.binary", "AsyncIndirectBufferedIOBase"),
    ("aiofiles.threadpool.binary", "AsyncIndirectBufferedReader"),
    ("aiofiles.threadpool.binary", "AsyncIndirectFileIO"),
    ("aiofiles.threadpool.text", "AsyncTextIOWrapper"),
    ("aiofiles.threadpool.text", "AsyncTextIndirectIOWrapper"),
    ("aiofiles.tempfile", "AiofilesContextManagerTempDir"),
    ("aiofiles.tempfile.temptypes", "AsyncSpooledTemporaryFile"),
    ("aiofiles.tempfile.temptypes", "AsyncTemporaryDirectory"),
]


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_class_has_the_same_attributes_and_parents(module: str, name: str) -> None:
    theirs, ours = (getattr(part, name) for part in pair(module))
    attributes = [key for key in dir(theirs) if not key.startswith("_")]
    assert [key for key in attributes if not hasattr(ours, key)] == []
    for key in attributes:
        one, other = (inspect.getattr_static(cls, key) for cls in (theirs, ours))
        assert inspect.iscoroutinefunction(other) == inspect.iscoroutinefunction(one)
        assert isinstance(other, property) == isinstance(one, property)
    parents = [cls.__name__ for cls in theirs.__mro__ if "aiofiles" in cls.__module__]
    assert [cls.__name__ for cls in ours.__mro__ if not cls.__name__.startswith("_")][
        : len(parents)
    ] == parents


@pytest.mark.parametrize("name", ["aiofiles.os", "aiofiles.ospath"])
def test_functions_are_coroutine_functions(name: str) -> None:
    theirs, ours = pair(name)
    for key in theirs.__all__:
        if key not in ("path", "wrap"):
            assert inspect.iscoroutinefunction(getattr(ours, key)), key
            assert getattr(ours, key).__name__ == key
