"""Where a path lay and what became of it, answered from path history. No target is touched."""

from dataclasses import dataclass

from drorch.app.catalogs import opened_catalog
from drorch.catalog.open import Catalog
from drorch.catalog.paths.values import (
    FoundPath,
    Match,
    PathHistory,
    PathQuery,
    PathState,
    PathVersion,
    RecordedSnapshot,
)
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError, UsageError

__all__ = [
    "Found",
    "FoundPath",
    "Match",
    "PathHistory",
    "PathQuery",
    "PathState",
    "PathVersion",
    "RecordedSnapshot",
    "find",
    "history",
]


@dataclass(frozen=True, slots=True)
class Found:
    """The paths that fit a query; `more` fit, or may fit, and are not told."""

    paths: tuple[FoundPath, ...]
    more: bool


def find(configuration: Configuration, query: PathQuery) -> Found:
    """Paths that fit, in order. Raises `CatalogError` where path history knows of no snapshot yet."""
    with opened_catalog(configuration) as catalog:
        paths = catalog.search.find(query)
        if not paths:
            _refuse_ignorance(catalog)
    return Found(tuple(paths), len(paths) == query.limit)


def history(configuration: Configuration, path: bytes, host: str | None, job: str | None) -> list[PathHistory]:
    """All versions of a path, for each job of each host that has or had it.

    Raises `UsageError` for a path that is not absolute or that nothing is known of, and `CatalogError` where path
    history knows of no snapshot yet.
    """
    shown = path.decode("utf-8", "surrogateescape")
    if not path.startswith(b"/") or not path.strip(b"/"):
        raise UsageError(f'"{shown}" is not a path in a snapshot', hint="It begins with a slash, for instance /etc.")
    with opened_catalog(configuration) as catalog:
        found = catalog.search.history(path.rstrip(b"/"), host, job)
        if not found:
            _refuse_ignorance(catalog)
            raise UsageError(f"no snapshot is known to hold {shown}", hint="Look for it with: drorch find PATTERN")
    return found


def _refuse_ignorance(catalog: Catalog) -> None:
    if not catalog.search.snapshots():
        raise CatalogError("path history knows of no snapshot yet", hint="Run a job, or type: drorch catalog rebuild")
