"""Tests are of the product as it is: nothing patches it, and their rooms are its rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.project import PRODUCT, ROOT, faults, files, parsed, shown

ROOMS_OF_THEIR_OWN = frozenset({"house", "interop", "crash", "machine", "servers", "systemd", "cli/databases"})
_PATCHERS = frozenset({"setattr", "delattr", "patch", "object"})
_MODULES = frozenset({"unittest.mock", "mock", "pytest_mock"})


def names_of_the_product(tree: ast.Module) -> set[str]:
    """What a file calls the things it imports from drorch."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours = (alias for alias in node.names if alias.name.split(".")[0] == "drorch")
            names |= {alias.asname or "drorch" for alias in ours}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "drorch":
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def root_of(node: ast.expr) -> str:
    """The leftmost name of an expression such as `a.b.c`; "" where there is none."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def patches(tree: ast.Module) -> Iterator[str]:
    """Every place where a file replaces a part of the product, or takes the tools to do so."""
    ours = names_of_the_product(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and called(node) in _PATCHERS and is_ours(node.args[0], ours):
            yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
            if any(isinstance(target, ast.Attribute) and root_of(target) in ours for target in targets):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Import | ast.ImportFrom) and imports_mock(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else root_of(call.func)


def is_ours(argument: ast.expr, ours: set[str]) -> bool:
    """Whether an argument names a part of the product, as an object or as a dotted string."""
    if isinstance(argument, ast.Constant):
        return isinstance(argument.value, str) and argument.value.split(".")[0] == "drorch"
    return root_of(argument) in ours


def imports_mock(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether this imports a module that replaces parts of others, or something out of it."""
    origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    names = {origin.rstrip("."), *(origin + alias.name for alias in node.names)}
    return not names.isdisjoint(_MODULES)


def test_nothing_patches_the_product() -> None:
    assert faults(files("tests"), patches) == []


@pytest.mark.parametrize(
    "code",
    [
        "monkeypatch.setattr('drorch.clock.local_offset_seconds', None)",
        "import drorch.clock\nmonkeypatch.setattr(drorch.clock, 'x', None)",
        "from drorch import clock as time\nmonkeypatch.delattr(time, 'x')",
        "from drorch import clock\nclock.SystemClock.now = None",
        "from drorch.clock import SystemClock\nsetattr(SystemClock, 'now', None)",
        "from drorch import clock\ndel clock.SystemClock",
        "from unittest import mock",
        "from unittest.mock import patch",
        "import unittest.mock",
        "mock.patch('drorch.clock.SystemClock')",
    ],
)
def test_the_rule_bites(code: str) -> None:
    assert list(patches(ast.parse(code)))


@pytest.mark.parametrize("code", ["monkeypatch.setenv('DRORCH_X', '1')", "import os\nmonkeypatch.setattr(os, 'x', 1)"])
def test_the_rule_lets_the_world_be_set_up(code: str) -> None:
    assert list(patches(ast.parse(code))) == []


def rooms_of(folder: Path) -> set[str]:
    """Relative paths of all packages below a folder that hold modules of their own."""
    return {str(path.parent.relative_to(folder)) for path in files(str(folder.relative_to(ROOT)))} - {"."}


def test_rooms_of_tests_are_rooms_of_the_product() -> None:
    rooms = {one for one in rooms_of(ROOT / "tests") if not {one, one.split("/")[0]} & ROOMS_OF_THEIR_OWN}
    stones = {path.stem for path in files("drorch") if path.parent == PRODUCT}
    assert rooms - rooms_of(PRODUCT) - stones == set()


def test_every_room_with_code_has_tests() -> None:
    lived_in = {shown(path.parent).split("/")[1] for path in files("drorch") if is_code(path)}
    tests = [path for path in files("tests") if path.name.startswith("test_") and path.parent != ROOT / "tests"]
    tested = {shown(path.parent).split("/")[1] for path in tests}
    assert lived_in - tested == set()


def is_code(path: Path) -> bool:
    """Whether a file of a room holds more than its docstring."""
    return path.parent != PRODUCT and path.name != "__init__.py" and len(parsed(path).body) > 1


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in files("tests")}
    assert [shown(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []
