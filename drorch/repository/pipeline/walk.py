"""A backup's way through its source: every entry visited once, in the source's order, deepest trees stored first.

What is unchanged costs a stat; files go to the crew; everything else becomes a node at once. There is no recursion:
a source may be deeper than Python's stack.
"""

import os
import stat as posix
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from drorch.errors import Problem
from drorch.ids import TreeId
from drorch.repository.node import Node, encode_node
from drorch.repository.pack import BlobType
from drorch.repository.pipeline.assembly import Assembly, Child, Folder
from drorch.repository.pipeline.changes import ChangeRules, as_seen, is_unchanged
from drorch.repository.pipeline.crew import Crew, default_workers
from drorch.repository.pipeline.entries import Entry, Source, Stat
from drorch.repository.pipeline.filework import build_node, describe
from drorch.repository.pipeline.messages import FileResult, FileTask
from drorch.repository.pipeline.previous import NOTHING, StoredNode, previous_folder
from drorch.repository.writer import Writer


class Progress(Protocol):
    """Who is told how far the walk is."""

    def advance(self, files: int, size: int) -> None:
        """So many more files and bytes are done."""
        ...

    def at(self, path: str) -> None:
        """This path is being worked on."""
        ...


@dataclass(slots=True)
class Counts:
    """What a walk met, regular files and folders. New and changed are told by the parent snapshot."""

    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    dirs_new: int = 0
    dirs_changed: int = 0
    dirs_unmodified: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class StoredTree:
    """The root tree of what was read, with counts, and the faults of the source that did not stop it."""

    root: TreeId
    counts: Counts
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class WalkOptions:
    """How to walk: what counts as changed, and how many worker processes may help (0: none)."""

    rules: ChangeRules = field(default_factory=ChangeRules)
    workers: int = field(default_factory=default_workers)


def store_tree(
    source: Source, writer: Writer, parent: TreeId | None, options: WalkOptions, progress: Progress
) -> StoredTree:
    """Read a source into the repository; nothing is committed yet.

    Raises `RepositoryError` and `TargetError` where the repository's side fails, `SourceError` where the source
    refuses altogether. Single entries that cannot be read are problems in the result.
    """
    with Crew(writer, source.reader, options.workers) as crew:
        return _Walk(writer, crew, options.rules, progress).through(source, parent)


@dataclass(frozen=True, slots=True)
class _Ordered:
    """A file that is being read, and where its node belongs."""

    folder: Folder
    place: int
    path: bytes
    known: bool


@dataclass(frozen=True, slots=True)
class _NoDetails:
    """Stands in for the details of a folder that went while we looked: its children may still be told of."""

    user: str = ""
    group: str = ""
    linktarget: bytes | None = None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    problems: tuple[str, ...] = ()


class _Walk:
    def __init__(self, writer: Writer, crew: Crew, rules: ChangeRules, progress: Progress) -> None:
        self._writer = writer
        self._crew = crew
        self._rules = rules
        self._progress = progress
        self._assembly = Assembly(writer)
        self._ordered: dict[int, _Ordered] = {}
        self._tickets = 0
        self._linked: set[tuple[int, int]] = set()
        self._counts = Counts()
        self._problems: list[Problem] = []

    def through(self, source: Source, parent: TreeId | None) -> StoredTree:
        root = Folder(None, previous_folder(self._writer.repository, parent), lambda _: None)
        stack: list[tuple[Folder, Iterator[Entry]]] = [(root, iter(source.roots()))]
        while stack:
            folder, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                self._assembly.close(folder)
                self._collect(self._crew.results())
            elif posix.S_ISDIR(entry.stat.st_mode):
                stack.append((self._enter(folder, entry), self._children(entry)))
            else:
                self._visit(folder, entry)
        self._collect(self._crew.finish())
        assert self._assembly.root is not None
        return StoredTree(self._assembly.root, self._counts, tuple(self._problems))

    def _children(self, entry: Entry) -> Iterator[Entry]:
        try:
            yield from entry.children()
        except OSError as fault:
            self._problem(entry.path, describe(fault))

    def _enter(self, folder: Folder, entry: Entry) -> Folder:
        old = folder.previous.nodes.get(entry.name)
        if old is not None and old.type != "dir":
            old = None
        seen = as_seen(old, entry.stat) if old is not None and is_unchanged(old, entry.stat, self._rules) else None
        known = seen if isinstance(seen, StoredNode) else None
        base = known.node if known is not None else self._node_of_folder(entry)
        counts = self._counts

        def as_child(tree: TreeId) -> Child:
            if known is not None and known.subtree == tree:
                counts.dirs_unmodified += 1
                return known
            if old is None:
                counts.dirs_new += 1
            else:
                counts.dirs_changed += 1
            return encode_node(replace(base, subtree=tree))

        previous = previous_folder(self._writer.repository, old.subtree) if old is not None else NOTHING
        return Folder(folder, previous, as_child, entry.rank)

    def _node_of_folder(self, entry: Entry) -> Node:
        gone = build_node(entry.name, entry.stat, _NoDetails(), with_atime=self._rules.with_atime)
        return self._node(entry) or gone

    def _visit(self, folder: Folder, entry: Entry) -> None:
        stat = entry.stat
        old = folder.previous.nodes.get(entry.name)
        if not posix.S_ISREG(stat.st_mode):
            self._assembly.fill(folder, folder.reserve(entry.rank), self._special(old, entry))
            return
        ambiguous = self._is_ambiguous(stat.st_dev, stat.st_ino, stat.st_nlink)
        if old is not None and not entry.streamed and not ambiguous and self._is_unchanged(old, stat):
            self._counts.files_unmodified += 1
            self._done(old.size)
            self._assembly.fill(folder, folder.reserve(entry.rank), as_seen(old, stat))
        else:
            self._order(_Ordered(folder, folder.reserve(entry.rank), entry.path, old is not None), entry, ambiguous)

    def _special(self, old: StoredNode | None, entry: Entry) -> Child:
        # Read again even where nothing changed: other clients lose targets and xattrs of symlinks.
        node = self._node(entry)
        if node is None or (old is not None and old.type == node.type and old.node == node):
            return old if node is not None else None
        return encode_node(node)

    def _is_unchanged(self, old: StoredNode, stat: Stat) -> bool:
        try:
            return is_unchanged(old, stat, self._rules) and all(
                self._writer.knows(blob, BlobType.DATA) for blob in old.content
            )
        except (ValueError, TypeError):
            return False

    def _order(self, ordered: _Ordered, entry: Entry, ambiguous: bool) -> None:
        stat = entry.stat
        self._tickets += 1
        self._ordered[self._tickets] = ordered
        task = FileTask(
            ticket=self._tickets,
            locator=entry.locator,
            name=entry.name,
            device_id=stat.st_dev,
            inode=stat.st_ino,
            links=stat.st_nlink,
            omit_inode=ambiguous,
            with_atime=self._rules.with_atime,
        )
        self._progress.at(os.fsdecode(entry.path))
        if entry.streamed:
            self._crew.read_here(task)
        else:
            self._crew.submit(task, stat.st_size)

    def _is_ambiguous(self, device: int, inode: int, links: int) -> bool:
        """Whether a single file has the inode of one with several links: it was reused while we walked."""
        if links > 1:
            self._linked.add((device, inode))
            return False
        return (device, inode) in self._linked

    def _node(self, entry: Entry) -> Node | None:
        try:
            details = entry.details()
        except OSError as fault:
            self._problem(entry.path, describe(fault))
            return None
        for problem in details.problems:
            self._problem(entry.path, problem)
        return build_node(entry.name, entry.stat, details, with_atime=self._rules.with_atime)

    def _collect(self, results: Iterator[FileResult]) -> None:
        for result in results:
            ordered = self._ordered.pop(result.ticket)
            for problem in result.problems:
                self._problem(ordered.path, problem)
            if result.node is not None:
                self._read(result.size, known=ordered.known)
            self._assembly.fill(ordered.folder, ordered.place, result.node)

    def _read(self, size: int, *, known: bool) -> None:
        if known:
            self._counts.files_changed += 1
        else:
            self._counts.files_new += 1
        self._done(size)

    def _done(self, size: int) -> None:
        self._counts.files += 1
        self._counts.bytes += size
        self._progress.advance(1, size)

    def _problem(self, path: bytes, message: str) -> None:
        self._problems.append(Problem(os.fsdecode(path), message))
