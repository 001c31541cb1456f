"""Which nodes of a snapshot are restored: those asked for, by path and by pattern."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from drorch.actions.listing import MAX_DEPTH, find_place
from drorch.actions.restore.request import RestoreRequest
from drorch.actions.restore.unfolding import Unfolding, too_deep
from drorch.errors import IntegrityError
from drorch.ids import TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.repository import Repository
from drorch.sources.files.excludes import PatternList, text_of
from drorch.sources.files.placement import Refused, RelativePath, require_safe

_LONGEST_NAME = 1024
"""Bytes. No file system of Linux takes more; most take 255."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A node to restore and its path below the destination. `names` of a folder: all that its tree holds.

    A folder that is only on the way to something included has `on_the_way` set. `fault` says why a node, with all
    below it, cannot be restored.
    """

    path: RelativePath
    node: Node
    names: frozenset[bytes] = frozenset()
    on_the_way: bool = False
    fault: str = ""


class Patterns:
    """The include and exclude patterns of a request. Raises `UsageError` for one that is malformed.

    They are matched against paths below the destination, as in restic.
    """

    def __init__(self, request: RestoreRequest) -> None:
        self._include = PatternList(request.include) if request.include else None
        self._exclude = PatternList(request.exclude) if request.exclude else None
        self.include_all = self._include is None
        self.exclude_any = self._exclude is not None

    def excludes(self, prefix: str, name: str, *, is_folder: bool) -> bool:
        """Whether an exclude pattern names it. `prefix` as in `PatternList.match`."""
        return self._exclude is not None and self._exclude.match(prefix, name, is_folder=is_folder) is not None

    def includes(self, prefix: str, name: str, *, is_folder: bool) -> bool:
        """Whether it is asked for by itself; everything is, where there is no include pattern."""
        return self._include is None or self._include.match(prefix, name, is_folder=is_folder) is not None

    def prefix_below(self, prefix: str, name: str) -> str:
        """The prefix for what a folder holds; empty where nobody will ask, since a hostile path may be very long."""
        return "" if self.include_all and not self.exclude_any else f"{prefix}{name}/"


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder being gone through: its nodes, where it is, and whether all below it is included.

    `met` are the names met so far in a folder that has some twice.
    """

    nodes: Iterator[Node]
    path: RelativePath = ()
    prefix: str = ""
    included: bool = False
    met: set[bytes] | None = field(default=None)

    def fault_of(self, node: Node) -> str:
        """Why this node of the folder cannot be restored; empty where it can."""
        try:
            require_safe(node.name)
        except Refused as refusal:
            return str(refusal)
        if len(node.name) > _LONGEST_NAME:
            return f"its name has {len(node.name)} bytes, which no file system takes"
        if self.met is not None and node.name in self.met:
            return "its folder has another node of this name"
        return ""


class Chooser:
    """Walks a snapshot and yields what a request asks for: folders before what they hold.

    `root_names` are, once the walk has begun, all names right below the destination, asked for or not; None where
    no folder but a single node is restored.
    """

    def __init__(self, repository: Repository, request: RestoreRequest, patterns: Patterns) -> None:
        self._repository = repository
        self._patterns = patterns
        self._path = request.path
        self._unfolding = Unfolding(repository)
        self.root_names: frozenset[bytes] | None = None

    def choose(self, root: TreeId) -> Iterator[Chosen]:
        """Everything asked for, on-the-way folders included even if nothing in them turns out to be wanted.

        A folder whose tree is damaged is yielded with that fault. Raises `UsageError` where the path is not in the
        snapshot, `IntegrityError` where the first tree is damaged or the trees unfold beyond all measure.
        """
        place = find_place(self._repository, root, self._path)
        if place.tree is None:
            assert place.node is not None
            yield from self._of(place.node, _Level(iter(()), included=True), [])
            return
        self.root_names, level = self._load(place.tree, (), "", included=False)
        self._unfolding.enter(place.tree, len(self.root_names))
        stack = [level]
        while stack:
            node = next(stack[-1].nodes, None)
            if node is None:
                stack.pop()
            else:
                yield from self._of(node, stack[-1], stack)

    def _of(self, node: Node, level: _Level, stack: list[_Level]) -> Iterator[Chosen]:
        name, is_folder = text_of(node.name), node.type == NodeType.DIR
        if self._patterns.excludes(level.prefix, name, is_folder=is_folder):
            return
        included = level.included or self._patterns.includes(level.prefix, name, is_folder=is_folder)
        path, fault = (*level.path, node.name), level.fault_of(node)
        if level.met is not None:
            level.met.add(node.name)
        if fault or not is_folder or node.subtree is None:
            if included:
                yield Chosen(path, node, fault=fault)
            return
        if len(stack) >= MAX_DEPTH:
            raise too_deep()
        prefix = self._patterns.prefix_below(level.prefix, name)
        try:
            names, below = self._load(node.subtree, path, prefix, included=included)
        except IntegrityError as damage:
            yield Chosen(path, node, fault=f"what it holds cannot be restored: {damage.message}")
            return
        self._unfolding.enter(node.subtree, len(names))
        yield Chosen(path, node, names, on_the_way=not included)
        stack.append(below)

    def _load(
        self, tree: TreeId, path: RelativePath, prefix: str, *, included: bool
    ) -> tuple[frozenset[bytes], _Level]:
        nodes = self._repository.load_tree(tree).nodes
        names = frozenset(node.name for node in nodes)
        met: set[bytes] | None = None if len(names) == len(nodes) else set()
        return names, _Level(iter(nodes), path, prefix, included, met)
