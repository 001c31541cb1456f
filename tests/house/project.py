"""The project as the house tests look at it: its files, its parsed sources, its floors."""

import ast
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "drorch"
_NOT_OURS = frozenset({".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__"})
_BUILT = frozenset({"dist", ".import_linter_cache"})


def files(*folders: str, suffixes: Sequence[str] = (".py",)) -> list[Path]:
    """All files below the folders (of the project where none is named) that end in one of the suffixes."""
    starts = [ROOT / folder for folder in folders] or [ROOT]
    return sorted(path for start in starts for path in _walk(start) if path.suffix in suffixes)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _NOT_OURS | _BUILT or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def settings() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def contracts() -> list[dict[str, Any]]:
    """The import-linter contracts."""
    found: list[dict[str, Any]] = settings()["tool"]["importlinter"]["contracts"]
    return found


def floors() -> list[list[str]]:
    """The names on each floor, from the top down."""
    layers: list[str] = next(contract["layers"] for contract in contracts() if contract["type"] == "layers")
    return [layer.replace("|", " ").replace(":", " ").split() for layer in layers]


def shown(path: Path) -> str:
    """A path as messages name it."""
    return str(path.relative_to(ROOT))


def faults(paths: Iterable[Path], rule: Callable[[ast.Module], Iterable[str]]) -> list[str]:
    """What a rule finds wrong in any of these Python files, each fault with the file's path."""
    return [f"{shown(path)}: {fault}" for path in paths for fault in rule(parsed(path))]
