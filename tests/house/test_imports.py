"""Imports stand at the top of a file, where the floors are seen; only the composition may import late."""

import ast
from collections.abc import Iterator

from tests.house.project import PRODUCT, faults, files

MAY_IMPORT_LATE = (PRODUCT / "app" / "__init__.py", PRODUCT / "cli" / "__init__.py")


def late_imports(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield f"line {node.lineno}: {ast.unparse(node)}"


def test_no_function_imports() -> None:
    bound = (path for path in files("drorch", "tests") if path not in MAY_IMPORT_LATE)
    assert faults(bound, late_imports) == []


def test_the_rule_bites() -> None:
    assert list(late_imports(ast.parse("def f():\n    import os"))) == ["line 2: import os"]
