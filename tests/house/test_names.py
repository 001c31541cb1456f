"""Names say what a thing is: no drawers for what did not fit elsewhere, in files, classes or functions."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.project import faults, files, shown

DRAWERS = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "manager", "handler", "mixin"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words(name: str) -> set[str]:
    """The words of a name in any case: `PackManager` and `pack_manager` are pack and manager."""
    return {word.lower() for word in _WORD.findall(name)}


def drawers(tree: ast.Module) -> Iterator[str]:
    """Names of functions and classes that hold a forbidden word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and words(node.name) & DRAWERS:
            yield node.name


def test_no_file_or_folder_is_a_drawer() -> None:
    named = files("drorch", "tests", "benchmarks", "scripts", suffixes=(".py", ".sh"))
    assert [shown(path) for path in named if words(shown(path)) & DRAWERS] == []


def test_no_class_or_function_is_a_drawer() -> None:
    assert faults(files("drorch", "tests", "benchmarks", "scripts"), drawers) == []


@pytest.mark.parametrize("name", ["PackManager", "path_utils", "SIGNALHandler", "TreeMixin", "common", "_helper2"])
def test_the_rule_bites(name: str) -> None:
    assert words(name) & DRAWERS


@pytest.mark.parametrize("name", ["handle_id", "permissions", "unmanaged", "Utility", "mixed"])
def test_the_rule_lets_other_names_be(name: str) -> None:
    assert not words(name) & DRAWERS
