"""What a backup would do: the walk of a backup without reading, storing or locking anything."""

import os
import stat as posix
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from drorch.errors import Problem
from drorch.ids import TreeId
from drorch.repository.pipeline.changes import ChangeRules, is_unchanged
from drorch.repository.pipeline.entries import Entry, Source
from drorch.repository.pipeline.previous import NOTHING, Previous, previous_folder
from drorch.repository.repository import Repository


class Fate(StrEnum):
    """What would become of an entry."""

    NEW = "new"
    CHANGED = "changed"
    UNMODIFIED = "unmodified"


@dataclass(frozen=True, slots=True)
class Preview:
    """One entry of a source. `size` is 0 for all but regular files."""

    path: bytes
    fate: Fate
    size: int
    is_folder: bool


def preview(
    repository: Repository, source: Source, parent: TreeId | None, rules: ChangeRules
) -> Iterator[Preview | Problem]:
    """Every entry in the order of a backup, compared with the parent snapshot by its metadata alone."""
    stack: list[tuple[Previous, Iterator[Entry]]] = [(previous_folder(repository, parent), iter(source.roots()))]
    while stack:
        previous, entries = stack[-1]
        try:
            entry = next(entries, None)
        except OSError as fault:
            yield Problem("", (fault.strerror or str(fault)).lower())
            entry = None
        if entry is None:
            stack.pop()
            continue
        old = previous.nodes.get(entry.name)
        is_folder = posix.S_ISDIR(entry.stat.st_mode)
        fate = Fate.NEW if old is None else Fate.CHANGED
        if old is not None and is_unchanged(old, entry.stat, rules):
            fate = Fate.UNMODIFIED
        size = entry.stat.st_size if posix.S_ISREG(entry.stat.st_mode) else 0
        yield Preview(entry.path, fate, size, is_folder)
        if is_folder:
            below = previous_folder(repository, old.subtree) if old is not None else NOTHING
            children, problem = _children(entry)
            if problem is not None:
                yield problem
            stack.append((below, iter(children)))


def _children(entry: Entry) -> tuple[Iterable[Entry], Problem | None]:
    try:
        return entry.children(), None
    except OSError as fault:
        return (), Problem(os.fsdecode(entry.path), (fault.strerror or str(fault)).lower())
