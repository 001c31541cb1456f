"""Which nodes of a snapshot are restored: those asked for, by path and by pattern."""

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.actions.listing import MAX_DEPTH, find_place
from drorch.actions.restore.request import RestoreRequest
from drorch.errors import IntegrityError
from drorch.ids import TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.repository import Repository
from drorch.sources.files.excludes import PatternList, text_of
from drorch.sources.files.placement import RelativePath

_EXPANSIONS = 1_000_000
_EXPANSIONS_PER_TREE = 20


@dataclass(frozen=True, slots=True)
class Chosen:
    """A node to restore and its path below the destination. `names` of a folder: all that its tree holds.

    A folder that is only on the way to something included has `on_the_way` set.
    """

    path: RelativePath
    node: Node
    names: frozenset[bytes] = frozenset()
    on_the_way: bool = False


class Patterns:
    """The include and exclude patterns of a request. Raises `UsageError` for one that is malformed."""

    def __init__(self, request: RestoreRequest) -> None:
        self._include = PatternList(request.include) if request.include else None
        self._exclude = PatternList(request.exclude) if request.exclude else None

    def excludes(self, prefix: str, name: str, *, is_folder: bool) -> bool:
        """Whether an exclude pattern names it. `prefix` as in `PatternList.match`."""
        return self._exclude is not None and self._exclude.match(prefix, name, is_folder=is_folder) is not None

    def includes(self, prefix: str, name: str, *, is_folder: bool) -> bool:
        """Whether it is asked for by itself; everything is, where there is no include pattern."""
        return self._include is None or self._include.match(prefix, name, is_folder=is_folder) is not None


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder being gone through: its nodes, where it is in both places, and whether all below it is included."""

    nodes: Iterator[Node]
    path: RelativePath
    prefix: str
    included: bool


class Chooser:
    """Walks a snapshot and yields what a request asks for: folders before what they hold.

    `root_names` are, once the walk has begun, all names right below the destination, asked for or not.
    """

    def __init__(self, repository: Repository, request: RestoreRequest) -> None:
        self._repository = repository
        self._patterns = Patterns(request)
        self._path = request.path
        self.root_names: frozenset[bytes] = frozenset()
        self._expansions = 0
        self._seen: set[TreeId] = set()

    def choose(self, root: TreeId) -> Iterator[Chosen]:
        """Everything asked for, on-the-way folders included even if nothing in them turns out to be wanted.

        Raises `UsageError` where the path is not in the snapshot, `IntegrityError` where a tree is damaged or the
        trees unfold beyond all measure.
        """
        place = find_place(self._repository, root, self._path)
        above = text_of(place.path.strip(b"/"))
        if place.tree is None:
            assert place.node is not None
            folder = above.rpartition("/")[0]
            yield from self._of(place.node, _Level(iter(()), (), f"{folder}/" if folder else "", included=True), [])
            return
        self.root_names, nodes = self._load(place.tree)
        stack = [_Level(nodes, (), f"{above}/" if above else "", included=False)]
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
        path = (*level.path, node.name)
        if not is_folder or node.subtree is None:
            if included:
                yield Chosen(path, node)
            return
        if len(stack) >= MAX_DEPTH:
            raise IntegrityError(f"the folders of this snapshot nest deeper than {MAX_DEPTH}")
        names, nodes = self._load(node.subtree)
        yield Chosen(path, node, names, on_the_way=not included)
        stack.append(_Level(nodes, path, f"{level.prefix}{name}/", included))

    def _load(self, tree: TreeId) -> tuple[frozenset[bytes], Iterator[Node]]:
        # Few trees that hold one another many times over unfold to more nodes than there are atoms.
        self._expansions += 1
        self._seen.add(tree)
        if self._expansions > max(_EXPANSIONS, _EXPANSIONS_PER_TREE * len(self._seen)):
            raise IntegrityError("the trees of this snapshot unfold beyond all measure", hint="Restore a part of it.")
        nodes = self._repository.load_tree(tree).nodes
        return frozenset(node.name for node in nodes), iter(nodes)
