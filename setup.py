"""The C core: an extension that the package does without where it cannot be built.

Everything else about the package stands in pyproject.toml.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

SOURCES = Path("src/headrace/_native/c")

compile_args: list[str] = []
link_args: list[str] = []
macros: list[tuple[str, str | None]] = []

if sys.platform == "win32":
    compile_args += ["/std:c11"]
else:
    # Python's headers compare signs and leave parameters unused.
    compile_args += ["-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter"]
    compile_args += ["-Wno-missing-field-initializers", "-Wno-cast-function-type"]
    compile_args += ["-fvisibility=hidden", "-O3"]
    if sys.platform.startswith("linux"):
        # Calls into the interpreter go straight there: a tenth of a short write().
        compile_args += ["-fno-plt"]
if os.environ.get("HEADRACE_DEBUG"):
    compile_args += ["-O0", "-g3", "-UNDEBUG"] if sys.platform != "win32" else ["/Zi"]
if os.environ.get("HEADRACE_SANITIZE"):
    # "address,undefined": see `make test-asan`.
    flag = f"-fsanitize={os.environ['HEADRACE_SANITIZE']}"
    compile_args += [flag, "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-g"]
    link_args += [flag]
if os.environ.get("HEADRACE_WERROR"):
    compile_args += ["-Werror"]

core = Extension(
    "headrace._native._core",
    sources=sorted(str(path) for path in SOURCES.glob("*.c")),
    depends=sorted(str(path) for path in SOURCES.glob("*.h")),
    define_macros=macros,
    extra_compile_args=compile_args,
    extra_link_args=link_args,
    # A compiler that is missing or fails leaves a working installation in Python.
    optional=not os.environ.get("HEADRACE_WERROR"),
)

setup(ext_modules=[core])
