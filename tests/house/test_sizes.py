"""Nothing outgrows a reader: files, functions, classes and parameter lists."""

import ast
from collections.abc import Iterator

from tests.house.project import faults, files, shown

MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_CLASS = 250
MOST_PARAMETERS = 6

SOURCES = files("drorch", "tests", "benchmarks", "scripts")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines_of(node: Function | ast.ClassDef) -> int:
    """Lines from the name to the end; decorators are not counted."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parameters_of(function: Function) -> list[str]:
    """Names of all parameters but self and cls."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def too_much(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            if lines_of(node) > MOST_LINES_OF_A_FUNCTION:
                yield f"{node.name} has {lines_of(node)} lines"
        elif isinstance(node, ast.ClassDef) and lines_of(node) > MOST_LINES_OF_A_CLASS:
            yield f"{node.name} has {lines_of(node)} lines"


def too_many(tree: ast.Module) -> Iterator[str]:
    """Functions with too many parameters; commands of the command line get one for each of their options."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and not node.decorator_list and len(parameters_of(node)) > MOST_PARAMETERS:
            yield f"{node.name} has {len(parameters_of(node))} parameters"


def test_no_file_is_too_long() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_no_function_or_class_is_too_long() -> None:
    assert faults(SOURCES, too_much) == []


def test_no_function_takes_too_much() -> None:
    assert faults(files("drorch"), too_many) == []


def test_the_rules_bite() -> None:
    long_body = "\n    ".join(["pass"] * MOST_LINES_OF_A_FUNCTION)
    assert list(too_much(ast.parse(f"def long():\n    {long_body}"))) == ["long has 61 lines"]
    long_class = "\n    ".join(f"a{number} = 1" for number in range(MOST_LINES_OF_A_CLASS))
    assert list(too_much(ast.parse(f"class Long:\n    {long_class}"))) == ["Long has 251 lines"]
    assert list(too_many(ast.parse("def f(self, a, b, c, /, d, e, *, f, g): ..."))) == ["f has 7 parameters"]
