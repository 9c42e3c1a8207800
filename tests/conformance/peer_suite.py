"""Fetching and running the test suite of another library, in place.

The suite comes from the library's source distribution, fetched with pip into a cache
of this user's, and is run from a temporary directory: nothing of it is copied into
the repository, and not a line of it is changed. A plugin that is loaded before
collection puts headrace's names in the place of the library's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
PLUGIN_NAME = "headrace_in_its_place"


def pip(*arguments: str) -> None:
    """Run pip of this interpreter, quietly."""
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", *arguments, *quiet], check=True)


@dataclass(frozen=True)
class Suite:
    """The tests of one library, of one version."""

    project: str
    version: str
    plugin: str
    """The source of the plugin that replaces names."""
    tests: Sequence[str]
    """Files or folders, from the root of the source distribution."""
    requirements: Sequence[str] = ()
    """What the tests need, beside pytest; installed where only they see it."""
    options: Sequence[str] = ()
    """Of pytest."""
    settings: str | None = None
    """A pytest.ini, in the place of the library's own settings."""
    packages: str | None = None
    """The folder of the library itself, if it is to be imported from there."""
    excluded: Mapping[str, str] | None = None
    """Tests that are left out, and why: the ends of their names."""

    @property
    def cache(self) -> Path:
        """A folder for each user, who alone can write there."""
        user = os.getuid() if hasattr(os, "getuid") else ""
        name = f"headrace-{self.project}-{self.version}-{user}"
        path = Path(tempfile.gettempdir(), name)
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def fetch(self) -> Path:
        """Return the source distribution, from the cache or with pip."""
        archive = self.cache / f"{self.project}-{self.version}.tar.gz"
        if not archive.exists():
            wanted = f"{self.project}=={self.version}"
            only_source = ("--no-binary=:all:", "--no-deps", f"--dest={self.cache}")
            pip("download", *only_source, wanted)
        return archive

    def fetch_requirements(self) -> Path:
        """Return a folder with what the tests need."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        folder = self.cache / f"plugins-{version}"
        if self.requirements and not folder.exists():
            pip("install", f"--target={folder}", *self.requirements)
        return folder

    def run(
        self,
        arguments: Sequence[str] = (),
        prepare: Callable[[], None] | None = None,
    ) -> int:
        """Run the tests and return pytest's exit status.

        Args:
            arguments: More of them, for pytest: "-k name".
            prepare: Called in the child before it begins.
        """
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(self.fetch()) as archive:
                archive.extractall(folder, filter="data")
            root = Path(folder, f"{self.project}-{self.version}")
            plugin = Path(folder, f"{PLUGIN_NAME}.py")
            plugin.write_text(textwrap.dedent(self.plugin) + self._leaving_out())
            command = [sys.executable, "-m", "pytest", "-p", PLUGIN_NAME]
            if self.settings is not None:
                own = Path(folder, "pytest.ini")
                own.write_text(textwrap.dedent(self.settings))
                command += ["-c", str(own), f"--rootdir={root}"]
            command += ["-p", "no:cacheprovider", *self.options]
            paths = [str(SOURCE), folder, str(self.fetch_requirements())]
            if self.packages is not None:
                paths.append(str(root / self.packages))
            return subprocess.run(
                [*command, *self.tests, *arguments],
                cwd=root,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                preexec_fn=prepare,
                check=False,
            ).returncode

    def _leaving_out(self) -> str:
        """Return the part of the plugin that leaves out what is excluded."""
        if not self.excluded:
            return ""
        return textwrap.dedent(f"""
            _EXCLUDED = {dict(self.excluded)!r}


            def pytest_collection_modifyitems(config, items):
                left_out = [
                    item
                    for item in items
                    if any(
                        item.nodeid.partition("[")[0].endswith(name)
                        for name in _EXCLUDED
                    )
                ]
                config.hook.pytest_deselected(items=left_out)
                items[:] = [item for item in items if item not in left_out]
        """)
