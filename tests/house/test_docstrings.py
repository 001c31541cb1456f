"""Every file says what it is for, and everything public says what it promises."""

import ast
from collections.abc import Iterator

from tests.house.project import faults, files

Described = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def silent(tree: ast.Module) -> Iterator[str]:
    """Public functions and classes of a module without a docstring, and public methods longer than a stub."""
    for node in tree.body:
        if isinstance(node, Described) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{name}" for name in silent_methods(node))


def silent_methods(owner: ast.ClassDef) -> Iterator[str]:
    """Public methods without a docstring; a property of a Protocol may speak for itself by name and type."""
    for node in owner.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            stub = isinstance(node.body[-1], ast.Expr) and ast.unparse(node.body[-1]) == "..."
            if ast.get_docstring(node) is None and not stub and not is_overload(node):
                yield node.name


def is_overload(function: ast.FunctionDef) -> bool:
    """Whether this is one of several signatures, or the setter of a property described at its getter."""
    return any(ast.unparse(one).endswith(("overload", ".setter", "override")) for one in function.decorator_list)


def nameless(tree: ast.Module) -> Iterator[str]:
    """Complains of a module without a docstring."""
    if ast.get_docstring(tree) is None:
        yield "has no docstring"


def test_what_is_public_is_described() -> None:
    assert faults(files("drorch", "benchmarks", "scripts"), silent) == []


def test_every_file_says_what_it_is_for() -> None:
    assert faults(files("drorch", "benchmarks", "scripts"), nameless) == []


def test_the_rule_bites() -> None:
    code = '"""M."""\ndef f():\n    return 1\nclass C:\n    def m(self):\n        return 1\n    def _n(self): ...\n'
    assert list(silent(ast.parse(code))) == ["f", "C", "C.m"]
