"""Imports stand at the top of a file, where the floors are seen; what is heavy is found by name (importlib)."""

import ast
from collections.abc import Iterator

from tests.house.project import faults, files


def late_imports(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield f"line {node.lineno}: {ast.unparse(node)}"


def test_no_function_imports() -> None:
    assert faults(files("drorch", "migrations", "tests"), late_imports) == []


def test_the_rule_bites() -> None:
    assert list(late_imports(ast.parse("def f():\n    import os"))) == ["line 2: import os"]
