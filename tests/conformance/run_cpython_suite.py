#!/usr/bin/env python3
"""Run CPython's own file tests, from the interpreter's installation, on headrace.

The test modules are imported where they lie (`Lib/test`); nothing is copied. Their
base classes are subclassed at run time with `open`, `FileIO` and the buffered and
text classes of `sync_face`, and the modules' global `open` is replaced as well.

A test is excluded only for a reason written in `EXCLUDED`. `--excluded` runs exactly
those and lists which of them would pass.

Usage: run_cpython_suite.py [--fast] [--excluded] [-v] [NAME ...]
A NAME is a part of `test_module.Class.method`. Exit code: 0 when all passed.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import io
import os
import pathlib
import shutil
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import sync_face
import sync_modules
import sync_path

# -- Reasons --

_SUBCLASS = (
    "the test overrides methods in a subclass and counts on a finalizer that calls "
    "them; headrace's close() is a coroutine, which no finalizer can await"
)
_PATCHED_FLUSH = (
    "the test replaces flush() on the object by a plain function and counts on "
    "close() calling it; headrace's flush and close are one job of the engine"
)
_BASES = "tests the abstract base classes of io, which headrace does not replace"
_BY_HAND = (
    "puts the buffered and text classes on raw files of its own; headrace's stand on "
    "the raw files that open() makes"
)
_MEMORY = "tests BytesIO and StringIO, which headrace does not replace"
_SUBPROCESS = "runs a program text that imports the module under test by name"
_CLASS_NAME = "compares repr() with the name of the class in io"
_POSITION = (
    "the file's descriptor is moved or closed behind its back; headrace keeps the "
    "position of files that it opened itself, and asks the kernel nothing for it"
)

_PATH_CLASS = (
    "expects the class pathlib.PosixPath; headrace has one class for each platform"
)

_INTERNALS = "replaces or calls private parts of the module; headrace has its own"
_MOCKED_OPEN = "replaces open() in shutil or builtins; headrace opens by descriptor"
_REFCOUNT = (
    "counts on the last reference going at once; the worker thread that made the file "
    "may hold one for a moment longer"
)
_DIR_ENTRY = "expects the class os.DirEntry; that of headrace has a coroutine stat()"

# Patterns of fnmatch over `module.Class.method`, and why.
EXCLUDED: dict[str, str] = {
    # -- test_fileio, test_largefile --
    "test_fileio.AutoFileTests.testRepr*": _CLASS_NAME,
    "test_fileio.AutoFileTests.testRecursiveRepr": _CLASS_NAME,
    "test_fileio.AutoFileTests.testBlksize": "reads a private attribute of io.FileIO",
    "test_fileio.AutoFileTests.testErrnoOnClosedSeek": _POSITION,
    "test_fileio.AutoFileTests.testErrnoOnClosedTell": _POSITION,
    "test_largefile.TestFileMethods.test_lseek": _POSITION,
    "test_fileio.OtherFileTests.testUnclosedFDOnException": (
        "a subclass forbids the assignment of `name` inside the C constructor"
    ),
    "test_fileio.AutoFileTests.test_subclass_repr": _CLASS_NAME,
    "test_fileio.OtherFileTests.testBooleanFd": (
        "the warning must name the line of the call, and between that line and "
        "headrace.open() stands the face; test_open_arguments.py has this case"
    ),
    # -- test_io --
    "test_io.IOTest.test_destructor": _SUBCLASS,
    "test_io.IOTest.test_*Base_destructor": _BASES,
    "test_io.IOTest.test_flush_error_on_close": _PATCHED_FLUSH,
    "test_io.IOTest.test_readline_nonsizeable": _BASES,
    "test_io.IOTest.test_next_nonsizeable": _BASES,
    "test_io.IOTest.test_raw_bytes_io": _MEMORY,
    "test_io.IOTest.test_RawIOBase_*": _BASES,
    "test_io.IOTest.test_BufferedIOBase_*": _BASES,
    "test_io.IOTest.test_buffered_readinto_mixin": _BASES,
    "test_io.IOTest.test_types_have_dict": _BASES,
    "test_io.IOTest.test_close_assert": _BASES,
    "test_io.IOTest.test_optional_abilities": _BY_HAND,
    "test_io.IOTest.test_array_writes": _BY_HAND,
    "test_io.MiscIOTest.test___all__": "compares the names that the io module exports",
    "test_io.MiscIOTest.test_blockingioerror": "tests the exception class itself",
    "test_io.MiscIOTest.test_abcs": _BASES,
    "test_io.MiscIOTest.test_nonblock_pipe_write_*": (
        "expects BlockingIOError from a full pipe; headrace waits until it has room"
    ),
    "test_io.MiscIOTest.test_check_encoding_*": _SUBPROCESS,
    "test_io.MiscIOTest.test_text_encoding": _SUBPROCESS,
    # -- test_glob, test_pathlib --
    "test_glob.GlobTests.test_glob[01]": "calls private functions of glob",
    "test_pathlib*.test_concrete_class": _PATH_CLASS,
    "test_pathlib*.test_repr_common": _PATH_CLASS,
    "test_pathlib*.test_repr_roundtrips": _PATH_CLASS,
    "test_pathlib*.test_matches_pathbase_api": (
        "compares the names with those of 3.13; headrace's path has those of 3.14"
    ),
    "test_pathlib*.test_passing_kwargs_deprecated": (
        "expects that unknown keywords are passed over; headrace refuses them"
    ),
    "test_pathlib*.test_with": "uses a path in `with`, which pathlib deprecates",
    # -- test_shutil --
    "test_shutil.TestCopyFile.test_w_*": _MOCKED_OPEN,
    "test_shutil.TestRmTree.test_rmtree_uses_safe_fd_version*": _INTERNALS,
    "test_shutil.TestZeroCopySendfile.*": _INTERNALS,
    "test_shutil.TestZeroCopyMACOS.*": _INTERNALS,
    "test_shutil.PublicAPITests.*": "compares the names that shutil exports",
    # -- test_tempfile --
    "test_tempfile.TestNamedTemporaryFile.test_del_by_finalizer": _REFCOUNT,
    "test_tempfile.TestTemporaryDirectory.test_del_on_collection*": _REFCOUNT,
    "test_tempfile.TestTemporaryDirectory.test_warnings_on_cleanup": _REFCOUNT,
    "test_tempfile.*.test_unexpected_error": _INTERNALS,
    "test_tempfile.*.test_bad_encoding": _INTERNALS,
    "test_tempfile.*.test_bad_mode": _INTERNALS,
    "test_tempfile.TestSpooledTemporaryFile.test_class_getitem": (
        "subscribes the class; headrace's name is a function"
    ),
    "test_tempfile.TestSpooledTemporaryFile.test_del_*": "calls __del__ by name",
    "test_tempfile.TestSpooledTemporaryFile.test_i*_iobase": (
        "expects io.IOBase; headrace's files are asynchronous"
    ),
    "test_tempfile.TestSpooledTemporaryFile.test_iobase_interface": (
        "expects io.IOBase; headrace's files are asynchronous"
    ),
    # -- test_os --
    "test_os.TestDirEntry.test_unpickable": _DIR_ENTRY,
    "test_os.TestDirEntry.test_uninstantiable": _DIR_ENTRY,
    "test_os.TestScandir.test_attributes": _DIR_ENTRY,
    "test_os.TestScandir.test_uninstantiable": _DIR_ENTRY,
    "test_os.TestScandir.test_broken_symlink": (
        "a link is broken after the listing; headrace looks at links while it lists, "
        "so that nothing waits afterwards"
    ),
    "test_os.TestScandir.test_resource_warning": (
        "expects a warning for a listing that is dropped; headrace closes it silently"
    ),
}

# The tests of test_os for what touches files or descriptors; the others are about
# processes, the environment, times and the like, or (TestSendfile) call in threads of
# their own.
_OS_CLASSES = (
    "BytesFwalkTests",
    "BytesWalkTests",
    "ChownFileTests",
    "ExtendedAttributeTests",
    "FDInheritanceTests",
    "FileTests",
    "FwalkTests",
    "LinkTests",
    "MakedirTests",
    "NonLocalSymlinkTests",
    "PathTConverterTests",
    "RemoveDirsTests",
    "StatAttributeTests",
    "TestDirEntry",
    "TestFdopen",
    "TestScandir",
    "UtimeTests",
    "WalkTests",
)

# Takes seconds, or gigabytes of a (sparse) file: not in `--fast`.
SLOW = ("test_largefile.*", "test_io.IOTest.test_large_file_ops", "*.test_threads*")


def _namespace() -> dict[str, Any]:
    """Return what `self.<name>` is in the tests of test_io: `io` with our classes."""
    names = {name: getattr(io, name) for name in io.__all__}
    for name in ("FileIO", "BufferedReader", "BufferedWriter", "BufferedRandom"):
        names[name] = getattr(sync_face, name)
    names["TextIOWrapper"] = sync_face.TextIOWrapper
    names["open"] = staticmethod(sync_face.open)
    names["io"] = io
    names["is_C"] = True
    return names


def _mocks(module: ModuleType) -> dict[str, Any]:
    """Return the mock classes of test_io in their variant over the C io module."""
    return {
        name[1:]: value
        for name, value in vars(module).items()
        if name.startswith("C") and name[1:].startswith(("Mock", "Misbehaved", "Slow"))
    } | {"CloseFailureIO": module.CCloseFailureIO}


def _cases(module: ModuleType) -> Iterator[tuple[type, dict[str, Any]]]:
    """Yield the base classes of *module* to run, and what to set on each."""
    opener = {"open": staticmethod(sync_face.open)}
    raw = {"FileIO": sync_face.FileIO, "modulename": "_io"}
    match module.__name__:
        case "test.test_file":
            yield module.AutoFileTests, opener
            yield module.OtherFileTests, opener
        case "test.test_fileio":
            yield module.AutoFileTests, raw
            yield module.OtherFileTests, raw
        case "test.test_univnewlines":
            for name in ("CR", "LF", "CRLF", "Mixed"):
                yield getattr(module, f"Test{name}Newlines"), opener
        case "test.test_largefile":
            yield module.TestFileMethods, opener
        case "test.test_io":
            names = _namespace() | _mocks(module)
            yield module.IOTest, names
            yield module.MiscIOTest, names
        case "test.test_glob":
            module.glob = sync_path.glob_module()  # type: ignore[attr-defined]
            for cls in vars(module).values():
                if isinstance(cls, type) and issubclass(cls, unittest.TestCase):
                    yield cls, {}
        case "test.test_os" | "test.test_shutil" | "test.test_tempfile":
            yield from _module_cases(module)
        case "test.test_pathlib" | "test.test_pathlib.test_pathlib":
            yield from _path_cases(module)


def _module_cases(module: ModuleType) -> Iterator[tuple[type, dict[str, Any]]]:
    """Yield the tests of a module that headrace has a face of, put in its place."""
    name = module.__name__.removeprefix("test.test_")
    real = {"os": os, "shutil": shutil, "tempfile": tempfile}[name]
    # Its files are blocking ones, for worker threads: no faces.
    vars(module).pop("open", None)
    sync_modules.put_in_place(module, real, getattr(sync_modules, f"{name}_module")())
    for cls in list(vars(module).values()):
        if not isinstance(cls, type) or not issubclass(cls, unittest.TestCase):
            continue
        if name != "os" or cls.__name__ in _OS_CLASSES:
            yield cls, {}


def _path_cases(module: ModuleType) -> Iterator[tuple[type, dict[str, Any]]]:
    """Yield the tests of pathlib's concrete paths of this platform."""
    for cls in vars(module).values():
        tested = getattr(cls, "cls", None)
        if (
            isinstance(cls, type)
            and issubclass(cls, unittest.TestCase)
            and isinstance(tested, type)
            and issubclass(tested, pathlib.Path)
            and tested is not pathlib.WindowsPath
        ):
            yield cls, {"cls": sync_path.Path}


MODULES = (
    "test_file",
    "test_fileio",
    "test_univnewlines",
    "test_largefile",
    "test_io",
    "test_glob",
    "test_os",
    "test_shutil",
    "test_tempfile",
    # A package in 3.13.
    "test_pathlib.test_pathlib" if sys.version_info >= (3, 13) else "test_pathlib",
)


def _load(
    names: list[str], *, fast: bool, only_excluded: bool
) -> tuple[unittest.TestSuite, int]:
    """Return the tests to run and how many were left out by `EXCLUDED`."""
    suite = unittest.TestSuite()
    left_out = 0
    for short in MODULES:
        module = importlib.import_module(f"test.{short}")
        # Tests that say a bare `open` mean the implementation under test as well.
        module.open = sync_face.open  # type: ignore[attr-defined]
        for base, attributes in _cases(module):
            cls = type(
                base.__name__,
                (base,) if issubclass(base, unittest.TestCase) else
                (base, unittest.TestCase),
                {**attributes, "__module__": module.__name__},
            )  # fmt: skip
            for method in unittest.defaultTestLoader.getTestCaseNames(cls):
                name = f"{short}.{base.__name__}.{method}"
                if names and not any(part in name for part in names):
                    continue
                if fast and any(fnmatch.fnmatch(name, slow) for slow in SLOW):
                    continue
                excluded = any(fnmatch.fnmatch(name, rule) for rule in EXCLUDED)
                left_out += excluded
                if excluded == only_excluded:
                    suite.addTest(cls(method))
    return suite, left_out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="CPython's file tests on headrace")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--fast", action="store_true", help="leave out the slow ones")
    parser.add_argument("--excluded", action="store_true", help="run only those")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args(argv)

    with tempfile.TemporaryDirectory() as directory:
        before = os.getcwd()
        # Before the modules are imported: some note where they are.
        os.chdir(directory)
        try:
            suite, left_out = _load(
                options.names, fast=options.fast, only_excluded=options.excluded
            )
            runner = unittest.TextTestRunner(verbosity=1 + options.verbose)
            result = runner.run(suite)
        except ModuleNotFoundError as error:
            print(f"this interpreter came without its test package: {error}")
            return 77
        finally:
            os.chdir(before)
            sync_face.close_loop()
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(
        f"CPython {sys.version.split()[0]} file tests on headrace: "
        f"run {result.testsRun}, passed {result.testsRun - failed - skipped}, "
        f"skipped by themselves {skipped}, excluded {left_out}, failed {failed}"
    )
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
