"""The plan of a restore: a value that says what would be written, kept, removed and fetched. `--dry-run` shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.actions.restore.choice import Chooser, Chosen, Patterns
from drorch.actions.restore.extras import ExtrasFinder
from drorch.actions.restore.request import RestoreRequest
from drorch.actions.restore.survey import Content, FolderPlace, Survey, Way
from drorch.errors import Problem, UsageError
from drorch.ids import BlobId, TreeId
from drorch.repository.fetch import FetchPlan, plan_fetch
from drorch.repository.index import Index
from drorch.repository.node import Node, NodeType, permissions
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import Extra, Kind, Metadata, RelativePath, shown

_RESTORABLE = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A regular file to restore. `offsets` are where its blobs begin; `wanted` are the numbers of those to fetch."""

    path: RelativePath
    metadata: Metadata
    content: tuple[BlobId, ...]
    offsets: tuple[int, ...]
    wanted: tuple[int, ...]
    way: Way


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A folder, link, fifo or device to restore."""

    path: RelativePath
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class PlannedLink:
    """Another name of a file that is restored, too: `original` is its number among the plan's files."""

    path: RelativePath
    original: int


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """All that a restore will do. `problems` are nodes that cannot be restored, `skipped` those left as they are."""

    folders: tuple[PlannedNode, ...]
    files: tuple[PlannedFile, ...]
    specials: tuple[PlannedNode, ...]
    links: tuple[PlannedLink, ...]
    extras: tuple[Extra, ...]
    problems: tuple[Problem, ...]
    skipped: int
    fetch: FetchPlan

    @property
    def total_bytes(self) -> int:
        """Bytes of all files of the plan, whether fetched or there already."""
        return sum(file.metadata.size for file in self.files)


def plan_restore(
    repository: Repository, root: TreeId, request: RestoreRequest, destination: Destination | None
) -> RestorePlan:
    """Plan to restore a snapshot with this root tree. Reads trees and the destination; changes nothing.

    `destination` is None where there is none yet. Raises `UsageError` for a path that is not in the snapshot, for
    patterns that include nothing, and for deleting whatever a whole machine has beside the snapshot;
    `IntegrityError` where the first tree cannot be read. Other damaged trees are problems of the plan.
    """
    if request.delete and not (request.include or request.exclude) and _is_root(destination):
        raise UsageError(
            "deleting all of / that is not in the snapshot would take this machine down",
            hint="Say with --include or --exclude what --delete is about.",
        )
    patterns, survey = Patterns(request), Survey(destination, request.overwrite)
    planner = _Planner(repository.index, survey, keep_names=request.delete)
    chooser = Chooser(repository, request, patterns)
    for chosen in chooser.choose(root):
        planner.take(chosen)
    if request.include and not planner.took_any:
        raise UsageError(
            f"nothing in this snapshot matches {', '.join(map(repr, request.include))}",
            hint="To see what it holds, type: drorch ls SNAPSHOT",
        )
    if request.delete:
        planner.find_extras(ExtrasFinder(survey, patterns), chooser.root_names, included=patterns.include_all)
    return planner.plan()


def _is_root(destination: Destination | None) -> bool:
    status, root = destination.existing(()) if destination is not None else None, Path("/").stat()
    return status is not None and (status.st_dev, status.st_ino) == (root.st_dev, root.st_ino)


class _Planner:
    def __init__(self, index: Index, survey: Survey, *, keep_names: bool) -> None:
        self._index = index
        self._survey = survey
        self._keep_names = keep_names
        self._folders: list[PlannedNode] = []
        self._ways: dict[RelativePath, Chosen] = {}
        self._entered: list[Chosen] = []
        self._files: list[PlannedFile] = []
        self._specials: list[PlannedNode] = []
        self._links: list[PlannedLink] = []
        self._linked: dict[tuple[int, int, tuple[BlobId, ...]], int] = {}
        self._shut: set[RelativePath] = set()
        self._extras: list[Extra] = []
        self._problems: list[Problem] = []
        self._skipped = 0

    @property
    def took_any(self) -> bool:
        """Whether anything was asked for, be it restored, left alone or beyond repair."""
        return bool(self._folders or self._files or self._specials or self._links or self._problems or self._skipped)

    def take(self, chosen: Chosen) -> None:
        """Plan what becomes of one node; folders come before what they hold."""
        path, node = chosen.path, chosen.node
        if path[:-1] in self._shut:
            self._shut.add(path)
        elif chosen.fault:
            self._problem(path, chosen.fault)
        elif node.type == NodeType.DIR:
            self._take_folder(chosen)
        elif node.type == NodeType.SOCKET or self._survey.leaves_alone(path, node):
            self._skipped += 1
        elif node.type not in _RESTORABLE:
            self._problem(path, f"a node of type {node.type!r:.40} cannot be restored")
        elif node.type == NodeType.FILE and node.content is None and node.size:
            self._problem(path, "the snapshot does not hold its content")
        else:
            self._settle_ways(path)
            if node.type == NodeType.FILE:
                self._take_file(path, node)
            else:
                self._specials.append(PlannedNode(path, metadata_of(node)))

    def _take_folder(self, chosen: Chosen) -> None:
        if chosen.node.subtree is None:
            self._problem(chosen.path, "a folder without a tree cannot be restored")
            return
        place = self._survey.enter(chosen.path, chosen.node)
        if place is not FolderPlace.FREE:
            self._shut.add(chosen.path)
            if place is FolderPlace.LEFT_ALONE:
                self._skipped += 1
            else:
                self._problem(chosen.path, "what it holds cannot be seen, so it is left alone with all below it")
        elif chosen.on_the_way:
            self._ways[chosen.path] = chosen
        else:
            self._settle_ways(chosen.path)
            self._add_folder(chosen)

    def _settle_ways(self, path: RelativePath) -> None:
        """Plan the folders above a path that were passed on the way to it."""
        above: list[Chosen] = []
        while (folder := path[: len(path) - 1 - len(above)]) in self._ways:
            above.append(self._ways.pop(folder))
        for chosen in reversed(above):
            self._add_folder(chosen)

    def _add_folder(self, chosen: Chosen) -> None:
        self._folders.append(PlannedNode(chosen.path, metadata_of(chosen.node)))
        if self._keep_names:
            self._entered.append(chosen)

    def _take_file(self, path: RelativePath, node: Node) -> None:
        content = node.content or ()
        key = (node.device_id, node.inode, content)
        if node.links > 1 and node.inode and key in self._linked:
            self._links.append(PlannedLink(path, self._linked[key]))
            return
        lengths = [self._length_of(blob) for blob in content]
        if None in lengths:
            missing = content[lengths.index(None)]
            self._problem(path, f"data blob {missing.hex()[:16]} is not in the index")
            return
        offsets = _offsets([length or 0 for length in lengths])
        metadata = metadata_of(node, size=offsets[-1])
        there = self._survey.of(path, metadata, Content(content, offsets))
        wanted = tuple(number for number in range(len(content)) if number not in there.right)
        if node.links > 1 and node.inode:
            self._linked[key] = len(self._files)
        self._files.append(PlannedFile(path, metadata, content, offsets, wanted, there.way))

    def _length_of(self, blob: BlobId) -> int | None:
        locations = self._index.locations(blob, BlobType.DATA)
        return locations[0].blob.plaintext_length if locations else None

    def find_extras(self, finder: ExtrasFinder, root_names: frozenset[bytes] | None, *, included: bool) -> None:
        """Find what the restored folders hold at the destination and the snapshot does not.

        `root_names` and `included` are about the destination itself, where a folder is restored.
        """
        if root_names is not None:
            self._extras.extend(finder.find((), root_names, included=included))
        for folder in self._entered:
            self._extras.extend(finder.find(folder.path, folder.names, included=not folder.on_the_way))

    def _problem(self, path: RelativePath, message: str) -> None:
        self._problems.append(Problem(shown(path), message))

    def plan(self) -> RestorePlan:
        wanted = ((file.content[number], BlobType.DATA) for file in self._files for number in file.wanted)
        return RestorePlan(
            folders=tuple(self._folders),
            files=tuple(self._files),
            specials=tuple(self._specials),
            links=tuple(self._links),
            extras=tuple(self._extras),
            problems=tuple(self._problems),
            skipped=self._skipped,
            fetch=plan_fetch(self._index, wanted),
        )


def _offsets(lengths: Sequence[int]) -> tuple[int, ...]:
    """Where each blob begins, and at last where the file ends."""

    def running() -> Iterator[int]:
        position = 0
        yield position
        for length in lengths:
            position += length
            yield position

    return tuple(running())


def metadata_of(node: Node, size: int = 0) -> Metadata:
    """A node's metadata as the destination takes it. The size is that of the content: a node may lie."""
    return Metadata(
        kind=node.type,
        permissions=permissions(node.mode),
        mtime_ns=node.mtime,
        atime_ns=node.atime,
        uid=node.uid,
        gid=node.gid,
        user=node.user,
        group=node.group,
        xattrs=node.xattrs,
        linktarget=node.linktarget,
        device=node.device,
        size=size,
    )
