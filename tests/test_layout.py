"""The shape of the source: imports go down, twins stand in pairs, files say what for.

The rules are those of docs/explanation/design.md ("Layers", "Layout"). Each is a
function from a source tree to a list of complaints, so that the tests below can also
show it a tree that breaks the rule.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "headrace"
SOURCE = Path(__file__).parent.parent / "src" / PACKAGE

LEAVES = {"_errors", "_platform", "_settings", "_stats", "_typing"}
# From the bottom up. What else lies beside them is a public door, and may import all.
LAYERS = ("_native", "engine", "files", "fs", "remote", "compat")
DOOR = len(LAYERS) + 1

# The files that may meet an event loop; all others are told about it by these.
LOOP_MODULES = {"asyncio", "trio", "uvloop", "anyio"}
LOOP_FILES = {"engine._asyncio", "engine._trio"}
# compat speaks to programs written for asyncio; doors (doctor, bench) run loops.
LOOPLESS_LAYERS = ("_native", "engine", "files", "fs", "remote")

TWINS = "_native.py."
# C files that have no Python twin: the module itself, the Python functions over those
# that hold no PyObject, and the ring (see the design); and the other way round.
C_ONLY = {
    *("module", "faces", "path", "status", "subclass"),
    *("calls", "inbox", "large", "work"),
    *("ring", "ring_await", "ring_face", "ring_operation", "ring_reads"),
}
PY_ONLY: set[str] = set()


# -- Reading the tree -----------------------------------------------------------


def modules(root: Path) -> dict[str, Path]:
    """Return every module below *root*: its dotted name inside the package, its file.

    The package itself has the name "".
    """
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


def is_typing_only(node: ast.If) -> bool:
    """Tell whether *node* is ``if TYPE_CHECKING:``."""
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def import_nodes(
    tree: ast.AST, *, typing_only: bool
) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports anywhere in *tree*, those for type checkers if asked for."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and is_typing_only(node) and not typing_only:
            for other in node.orelse:
                yield from import_nodes(other, typing_only=typing_only)
        else:
            yield from import_nodes(node, typing_only=typing_only)


def imported_modules(
    name: str, path: Path, known: dict[str, Path], *, typing_only: bool = True
) -> Iterator[str]:
    """Yield the absolute dotted names of what module *name* imports."""
    package = [PACKAGE, *name.split(".")] if name else [PACKAGE]
    if path.name != "__init__.py":
        package.pop()
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in import_nodes(tree, typing_only=typing_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            # `from headrace import _native` means the submodule, not the package.
            submodule = f"{base}.{alias.name}"
            inside = submodule.removeprefix(f"{PACKAGE}.")
            yield submodule if inside in known else base


def inner_name(absolute: str) -> str | None:
    """Return the name inside the package ("" for itself), None for other packages."""
    if absolute == PACKAGE:
        return ""
    if absolute.startswith(f"{PACKAGE}."):
        return absolute.removeprefix(f"{PACKAGE}.")
    return None


def layer_of(name: str) -> int:
    """Return how high module *name* stands: 0 for leaves, then LAYERS, then doors."""
    top = name.split(".", maxsplit=1)[0]
    if top in LEAVES:
        return 0
    return LAYERS.index(top) + 1 if top in LAYERS else DOOR


# -- The rules ------------------------------------------------------------------


def upward_imports(root: Path) -> list[str]:
    """Imports go down only; imports for type checkers count, as protocols replace them.

    Leaves import no other leaf's layer, twins import leaves and twins alone.
    """
    known = modules(root)
    complaints = []
    for name, path in known.items():
        is_twin = name.startswith("_native.py.")
        for absolute in imported_modules(name, path, known):
            target = inner_name(absolute)
            if target is None:
                continue
            if layer_of(target) > layer_of(name):
                complaints.append(
                    f"{name or PACKAGE} imports {absolute}, a layer above"
                )
            elif is_twin and layer_of(target) and not target.startswith(TWINS):
                complaints.append(f"{name} is a twin and imports {absolute}")
    return complaints


def seam_bypasses(root: Path) -> list[str]:
    """`_native/__init__.py` alone knows that there are two implementations."""
    known = modules(root)
    return [
        f"{name or PACKAGE} imports {absolute} past the seam"
        for name, path in known.items()
        if name != "_native" and not name.startswith(TWINS)
        for absolute in imported_modules(name, path, known)
        if absolute.startswith((f"{PACKAGE}._native.py", f"{PACKAGE}._native._core"))
    ]


def event_loop_imports(root: Path) -> list[str]:
    """The event loop is met in one place; type checkers may name it anywhere."""
    known = modules(root)
    return [
        f"{name} imports {absolute}"
        for name, path in known.items()
        if name.split(".")[0] in LOOPLESS_LAYERS and name not in LOOP_FILES
        for absolute in imported_modules(name, path, known, typing_only=False)
        if absolute.split(".")[0] in LOOP_MODULES
    ]


def lonely_twins(root: Path) -> list[str]:
    """Where there is C, `_native/py/x.py` stands beside `_native/c/x.c`."""
    c_folder = root / "_native" / "c"
    if not c_folder.is_dir():
        return []
    in_python = {path.stem for path in (root / "_native" / "py").glob("*.py")}
    in_c = {path.stem for path in c_folder.glob("*.c")}
    in_python.discard("__init__")
    return [
        *(
            f"py/{name}.py has no c/{name}.c"
            for name in sorted(in_python - in_c - PY_ONLY)
        ),
        *(
            f"c/{name}.c has no py/{name}.py"
            for name in sorted(in_c - in_python - C_ONLY)
        ),
    ]


def missing_docstrings(root: Path) -> list[str]:
    """Each file says in its first line what lives there."""
    return [
        f"{path.relative_to(root)} has no docstring"
        for path in modules(root).values()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]


# -- headrace keeps them --------------------------------------------------------


def test_imports_go_down_only() -> None:
    assert upward_imports(SOURCE) == []


def test_only_the_seam_knows_the_twins() -> None:
    assert seam_bypasses(SOURCE) == []


def test_event_loop_is_met_in_one_place() -> None:
    assert event_loop_imports(SOURCE) == []


def test_twins_stand_in_pairs() -> None:
    assert lonely_twins(SOURCE) == []


def test_every_module_says_what_lives_there() -> None:
    assert missing_docstrings(SOURCE) == []


# -- and the rules can be broken ------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        pytest.param(
            upward_imports, "engine/_x.py", "from headrace.files import _raw", id="up"
        ),
        pytest.param(
            upward_imports, "engine/_x.py", "from ..files._raw import f", id="relative"
        ),
        pytest.param(
            upward_imports, "engine/_x.py", "from headrace import files", id="package"
        ),
        pytest.param(
            upward_imports, "files/_x.py", "from headrace import stats", id="root"
        ),
        pytest.param(
            upward_imports, "files/_x.py", "import headrace.os", id="plain-import"
        ),
        pytest.param(
            upward_imports,
            "files/_x.py",
            "def f():\n    import headrace.fs",
            id="inside-a-function",
        ),
        pytest.param(
            upward_imports,
            "_errors.py",
            "if TYPE_CHECKING:\n    from headrace.engine import Engine",
            id="for-type-checkers",
        ),
        pytest.param(
            upward_imports,
            "_native/py/x.py",
            "from headrace._native import read_at",
            id="twin",
        ),
        pytest.param(
            seam_bypasses,
            "files/_x.py",
            "from headrace._native.py.reader import Reader",
            id="past-the-seam",
        ),
        pytest.param(event_loop_imports, "files/_x.py", "import asyncio", id="asyncio"),
        pytest.param(
            event_loop_imports,
            "fs/_x.py",
            "def f():\n    from trio import sleep",
            id="trio",
        ),
        pytest.param(lonely_twins, "_native/c/other.c", "", id="no-python-twin"),
        pytest.param(missing_docstrings, "files/_x.py", "x = 1", id="no-docstring"),
    ],
)
def test_rule_finds_what_breaks_it(
    rule: object, name: str, text: str, tmp_path: Path
) -> None:
    assert callable(rule)
    for present in ("", "engine", "files", "_native", "_native/py"):
        folder = tmp_path / present
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text('"""A package."""\n')
    assert rule(tmp_path) == []
    broken = tmp_path / name
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text(text)
    assert len(rule(tmp_path)) == 1


def test_twin_without_its_c_file_is_found(tmp_path: Path) -> None:
    for folder, name in (("py", "reader.py"), ("c", "reader.c"), ("py", "lines.py")):
        path = tmp_path / "_native" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "_native" / "c" / "module.c").touch()
    assert lonely_twins(tmp_path) == ["py/lines.py has no c/lines.c"]
