"""Rules of the house that no linter knows, checked on the syntax of every module."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "src" / "tuneops"
MODULES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}

PURE = ("core", "spec", "costs", "render", "emulator")
"""Rooms to which the time is handed: they never ask what it is."""

CLOCKS = {"now", "utcnow", "today"}

LONGEST = 400

DOORS = {
    "click": {"cli"},
    "deepdiff": {"core/diff.py"},
    "filelock": {"cli", "store"},
    "google_crc32c": {
        "datasets/digest.py",
        "emulator/objects.py",
        "gcs/ranges.py",
        "gcs/uploads.py",
    },
    "google.auth": {"vertex/auth.py"},
    "httpx": {"cli/services.py", "gcs", "github", "http", "vertex"},
    "msgspec": {"datasets/plain.py", "store/lockfile.py"},
    "pydantic": {"spec", "store", "vertex"},
    "pytest": {"pytest_plugin.py"},
    "rich": {"cli/console.py"},
    "werkzeug": {"emulator"},
    "yaml": {"spec/parse.py"},
}
"""One door per dependency: the only modules and rooms that import it."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _inside(path: Path, places: set[str]) -> bool:
    name = _name(path)
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _third_party(tree: ast.AST) -> set[str]:
    found = set()
    for name in _imports(tree):
        for package in DOORS:
            if name == package or name.startswith(f"{package}."):
                found.add(package)
    return found


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_is_at_most_four_hundred_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_never_ask_what_time_it_is(room: str) -> None:
    asked = [
        f"{_name(path)}:{node.lineno}"
        for path, tree in TREES.items()
        if _inside(path, {room})
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    ]
    assert not asked


def test_nothing_is_printed_but_by_the_console() -> None:
    printed = [
        f"{_name(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not printed


def _dataclass(node: ast.expr) -> ast.Call | None:
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    named = isinstance(call.func, ast.Name) and call.func.id == "dataclass"
    return call if named else None


def test_every_value_of_the_core_is_frozen() -> None:
    thawed = []
    for path, tree in TREES.items():
        if not _inside(path, {"core"}):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                call = _dataclass(decorator)
                words = {word.arg: word.value for word in call.keywords} if call else {}
                frozen = words.get("frozen")
                if call and not (isinstance(frozen, ast.Constant) and frozen.value is True):
                    thawed.append(f"{_name(path)}: {node.name}")
    assert not thawed


def test_a_package_says_what_it_is_and_nothing_else() -> None:
    for path, tree in TREES.items():
        if path.name != "__init__.py":
            continue
        docstring, *rest = tree.body
        assert isinstance(docstring, ast.Expr), f"{_name(path)} has no docstring"
        if _name(path) == "__init__.py":
            (version,) = rest
            assert isinstance(version, ast.Assign)
            assert ast.unparse(version.targets[0]) == "__version__"
        elif _name(path) != "spec/rules/__init__.py":
            assert not rest, f"{_name(path)} does something"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_says_what_it_decides(path: Path) -> None:
    assert ast.get_docstring(TREES[path])


@pytest.mark.parametrize("package", DOORS)
def test_a_dependency_comes_in_by_its_door_only(package: str) -> None:
    used = {path for path, tree in TREES.items() if package in _third_party(tree)}
    strangers = sorted(_name(path) for path in used if not _inside(path, DOORS[package]))
    assert not strangers
    for door in DOORS[package]:
        assert any(_inside(path, {door}) for path in used), f"{door} does not use {package}"


def test_every_dependency_has_a_door() -> None:
    known = {"tuneops", "_typeshed", *(name.partition(".")[0] for name in DOORS)}
    found = {
        name.partition(".")[0]
        for tree in TREES.values()
        for name in _imports(tree)
        if name.partition(".")[0] not in sys.stdlib_module_names
    }
    assert found <= known


def test_no_decision_reads_a_reason() -> None:
    """Only what decides, what draws and what explains to people may speak of reasons."""
    deciding = {"core/plan.py", "core/planner.py", "core/excess.py", "core/purchase.py"}
    allowed = {*deciding, "core/gates.py", "core/promotion.py", "core/provenance.py"}
    allowed |= {"core/removal.py", "render"}
    readers = [
        _name(path)
        for path, tree in TREES.items()
        if not _inside(path, allowed) and "tuneops.core.plan.Reason" in set(_imports(tree))
    ]
    assert readers == []
