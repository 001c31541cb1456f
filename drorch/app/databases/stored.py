"""The parts of a database that a snapshot holds, as a kind of database reads them on the way back.

Promise: every blob is verified before its bytes are given, and a part is exactly as long as its size says. A repository
is hostile input: names, depths and numbers of parts are bounded, and nothing but files in folders is a part.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from drorch.actions.listing import Place, find_place, walk
from drorch.actions.progress import NoProgress, Progress
from drorch.errors import IntegrityError, ObjectMissing, UsageError
from drorch.ids import BlobId, PackId, TreeId
from drorch.repository.fetch import fetch, plan_fetch
from drorch.repository.layout import FileKind, key_of
from drorch.repository.node import Node, NodeType, is_safe_name
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.sources.databases.contract import Objection
from drorch.sources.databases.facts import FACTS_NAME, MOST_BYTES, Facts, from_json
from drorch.units import MIB, counted

MOST_PARTS = 100_000
"""Parts of one snapshot; more are refused."""

_WINDOW_BYTES = 8 * MIB
_WINDOWS_AHEAD = 3
_DEEPEST = 16
_FIRST_PRINTABLE = 0x20
_DELETE = 0x7F


class SnapshotParts:
    """Parts by their names, read from a repository that stays open. Fits `contract.StoredParts`.

    `bytes_read` is what was given so far; `read_whole` names the parts that were read to their end.
    """

    def __init__(self, repository: Repository, nodes: Mapping[str, Node], progress: Progress | None = None) -> None:
        self._repository = repository
        self._nodes = {name: nodes[name] for name in sorted(nodes)}
        self._progress = progress or NoProgress()
        self.bytes_read = 0
        self.read_whole: set[str] = set()

    def silent(self) -> "SnapshotParts":
        """The same parts to be looked into before the work begins: nothing of it is counted."""
        return SnapshotParts(self._repository, self._nodes)

    def names(self) -> list[str]:
        """The names, ascending."""
        return list(self._nodes)

    def size(self, name: str) -> int:
        """In bytes. Raises `KeyError`."""
        return self._nodes[name].size

    def total(self) -> int:
        """Bytes of all parts together."""
        return sum(node.size for node in self._nodes.values())

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        """The content of a part in pieces, some of them read ahead. Raises `KeyError`.

        Reading raises `IntegrityError` where a piece is damaged or the part is not as long as its size says, and
        `TargetError`.
        """
        node = self._nodes[name]
        self._progress.at(name)
        pool = ThreadPoolExecutor(_WINDOWS_AHEAD)
        try:
            yield self._pieces(name, node, pool)
        finally:
            pool.shutdown(cancel_futures=True)

    def _pieces(self, name: str, node: Node, pool: ThreadPoolExecutor) -> Iterator[bytes]:
        left = node.size
        for piece in self._ahead(node, pool):
            left -= len(piece)
            if left < 0:
                raise IntegrityError(f"{name} has more bytes than its size says")
            self.bytes_read += len(piece)
            self._progress.advance(0, len(piece))
            yield piece
        if left:
            raise IntegrityError(f"{name} has fewer bytes than its size says")
        self.read_whole.add(name)
        self._progress.advance(1, 0)

    def _ahead(self, node: Node, pool: ThreadPoolExecutor) -> Iterator[bytes]:
        waiting: deque[Future[list[bytes]]] = deque()
        for window in self._windows(node):
            waiting.append(pool.submit(self._load, window))
            if len(waiting) > _WINDOWS_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _windows(self, node: Node) -> Iterator[list[BlobId]]:
        """The blobs of a part, gathered so that small ones which lie together in a pack are read together."""
        window, size = list[BlobId](), 0
        for blob in node.content or ():
            window.append(blob)
            for copy in self._repository.index.locations(blob, BlobType.DATA)[:1]:
                size += copy.blob.uncompressed_length or copy.blob.length
            if size >= _WINDOW_BYTES:
                yield window
                window, size = [], 0
        if window:
            yield window

    def _load(self, window: Sequence[BlobId]) -> list[bytes]:
        """The blobs of a window, each verified; another copy is read where one is damaged."""
        got: dict[BlobId, bytes] = {}
        faults: list[IntegrityError] = []
        plan = plan_fetch(self._repository.index, ((blob, BlobType.DATA) for blob in window))
        fetch(self._repository, plan, got.__setitem__, failed=lambda _, fault: faults.append(fault))
        if faults:
            raise faults[0]
        return [got[blob] for blob in window]

    def all_read(self) -> bool:
        """Whether every part was read to its end, and so every blob of every part was verified."""
        return self.read_whole == self._nodes.keys()

    def objections(self) -> list[Objection]:
        """What of the parts cannot be read, as far as the target's listing and the index tell. Raises `TargetError`.

        Asked before anything is replaced: a database must not be dropped for a dump that cannot be had.
        """
        unknown = 0
        packs = set[PackId]()
        for node in self._nodes.values():
            for blob in node.content or ():
                copies = self._repository.index.locations(blob, BlobType.DATA)
                unknown += not copies
                packs.update(copy.pack for copy in copies[:1])
        keys = {key_of(FileKind.PACK, pack) for pack in packs}
        there = [item for item in self._repository.target.list("data") if item.key in keys]
        frozen = sum(self._repository.target.stat(item.key).frozen for item in there if item.frozen)
        found = []
        if missing := len(keys) - len(there):
            found.append(_damaged(f"{counted(missing, 'pack')} of this dump {_are(missing)} missing on the target"))
        if unknown:
            found.append(_damaged(f"{counted(unknown, 'blob')} of this dump {_are(unknown)} not in the index"))
        if frozen:
            found.append(
                Objection(
                    f"{counted(frozen, 'pack')} of this dump {_are(frozen)} in cold storage",
                    "Thaw them before, which takes minutes to hours and costs.",
                    fatal=True,
                )
            )
        return found


def _damaged(message: str) -> Objection:
    return Objection(message, "Restore from another target with -t, or from an older snapshot.", fatal=True)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def parts_below(repository: Repository, root: TreeId, folder: str) -> dict[str, Node]:
    """The files below a folder at the root of a snapshot by their names, relative to the root; none where it is not.

    Raises `IntegrityError` where there is something else than files in folders, or what cannot be a part's name.
    """
    node = repository.load_tree(root).find(folder.encode())
    if node is None or node.subtree is None or node.type != NodeType.DIR:
        return {}
    found: dict[str, Node] = {}
    for visit in walk(repository, node.subtree, b"/" + folder.encode()):
        name = visit.path[1:].decode("utf-8", "surrogateescape")
        if not (is_safe_name(visit.node.name) and _is_printable(name) and name.count("/") < _DEEPEST):
            raise IntegrityError(f"{name!r} in this snapshot is no name of a part of a database")
        if visit.node.type == NodeType.DIR:
            continue
        if visit.node.type != NodeType.FILE or name in found:
            raise IntegrityError(f"{name} in this snapshot is a {visit.node.type}, which no database's backup holds")
        found[name] = visit.node
        if len(found) > MOST_PARTS:
            raise IntegrityError(f"this snapshot holds more than {MOST_PARTS} parts of a database")
    return found


def _is_printable(name: str) -> bool:
    return all(ord(sign) >= _FIRST_PRINTABLE and ord(sign) != _DELETE for sign in name)


def one_file(repository: Repository, root: TreeId, path: bytes) -> dict[str, Node]:
    """The file at an absolute path, as the only part. Raises `UsageError` where there is none."""
    place = find_place(repository, root, path)
    shown = place.path.decode("utf-8", "surrogateescape")
    if place.node is None or place.node.type != NodeType.FILE:
        raise UsageError(
            f"{shown} is not a file", hint="Name one: SNAPSHOT:/PATH. To see them, type: drorch ls SNAPSHOT"
        )
    return {shown[1:]: place.node}


def recorded_facts(repository: Repository, root: TreeId, kind: str) -> tuple[Facts | None, str]:
    """The facts in a snapshot of a kind; or None, and why there are none in words. Raises `TargetError`.

    What is wrong with them stops no restore: it only leaves nothing to compare with.
    """
    try:
        place = find_place(repository, root, f"/{FACTS_NAME}".encode())
    except UsageError:
        return None, "the snapshot holds no facts"
    try:
        facts = from_json(_content(repository, place))
    except (ValueError, IntegrityError, ObjectMissing) as fault:
        return None, f"the facts in this snapshot cannot be read: {fault}"
    if facts.kind != kind:
        return None, "the facts in this snapshot are of another kind of database"
    return facts, ""


def _content(repository: Repository, place: Place) -> bytes:
    if place.node is None or place.node.type != NodeType.FILE:
        raise ValueError("they are no file")
    if place.node.size > MOST_BYTES:
        raise ValueError("they are too large to be facts")
    with SnapshotParts(repository, {FACTS_NAME: place.node}).open(FACTS_NAME) as pieces:
        return b"".join(pieces)
