"""What a source may ask of the engine: another order of reading than of storing, and blobs of one size."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from drorch.actions.listing import walk
from drorch.actions.progress import NoProgress
from drorch.ids import BlobId
from drorch.repository.node import NodeType
from drorch.repository.pack import BlobType
from drorch.repository.pipeline.walk import StoredTree, WalkOptions, store_tree
from drorch.repository.repository import Repository
from drorch.repository.writer import Stored, Writer
from tests.machine.memory_source import Item, MemoryEntry, MemoryFile
from tests.repository.fresh import fresh

KIB, MIB = 1 << 10, 1 << 20


class RankedEntry(MemoryEntry):
    """An entry that knows its place, whenever it comes."""

    def __init__(
        self, path: bytes, item: Item, rank: int | None, below: Sequence["RankedEntry"] = (), *, streamed: bool = True
    ) -> None:
        super().__init__(path.rpartition(b"/")[2], path, item, 1)
        self.rank = rank
        self.below = below
        self.streamed = streamed

    def children(self) -> Iterable[MemoryEntry]:
        """In the order of reading."""
        return self.below


class PiecesFile(MemoryFile):
    """Content that comes in dribs and drabs and is cut into blobs of one size, where there is one."""

    def __init__(self, entry: MemoryEntry, size: int | None, most: int) -> None:
        super().__init__(entry)
        self.blob_bytes = size
        self._most = most

    def readinto(self, buffer: memoryview) -> int:
        """At most so many bytes at a time."""
        return super().readinto(buffer[: self._most])


@dataclass
class Ranked:
    """A source of such entries; `opened` are the names in the order in which they were read."""

    entries: Sequence[RankedEntry]
    blob_bytes: int | None = None
    most: int = MIB
    opened: list[bytes] = field(default_factory=list)

    @property
    def reader(self) -> "Ranked":
        """Itself."""
        return self

    def open(self, locator: object) -> PiecesFile:
        """The content of an entry."""
        assert isinstance(locator, MemoryEntry)
        self.opened.append(locator.name)
        return PiecesFile(locator, self.blob_bytes, self.most)

    def roots(self) -> Iterable[RankedEntry]:
        """The entries."""
        return self.entries


def file(path: bytes, rank: int | None, content: bytes = b"x", *, streamed: bool = True) -> RankedEntry:
    return RankedEntry(path, Item(NodeType.FILE, 7, 1, content), rank, streamed=streamed)


def folder(path: bytes, rank: int | None, *below: RankedEntry) -> RankedEntry:
    return RankedEntry(path, Item(NodeType.DIR, 8, 1), rank, below)


def stored(source: Ranked, repository: Repository) -> tuple[StoredTree, Stored]:
    with Writer(repository) as writer:
        tree = store_tree(source, writer, None, WalkOptions(workers=0), NoProgress())
        writer.flush()
        return tree, writer.stored


def contents(repository: Repository, tree: StoredTree) -> dict[bytes, tuple[BlobId, ...]]:
    """By path, in the order of the trees."""
    return {visit.path: visit.node.content or () for visit in walk(repository, tree.root)}


@pytest.mark.parametrize("streamed", [True, False])
def test_what_is_read_in_another_order_is_stored_in_order_of_names(streamed: bool) -> None:
    repository = fresh()
    source = Ranked(
        [
            folder(
                b"/m",
                1,
                file(b"/m/c", 2, streamed=streamed),
                file(b"/m/a", 0, streamed=streamed),
                file(b"/m/b", 1, b"", streamed=streamed),
            ),
            file(b"/z", 2, streamed=streamed),
            file(b"/a", 0, streamed=streamed),
        ]
    )
    tree, _ = stored(source, repository)
    assert list(contents(repository, tree)) == [b"/a", b"/m", b"/m/a", b"/m/b", b"/m/c", b"/z"]
    assert source.opened == [b"c", b"a", b"b", b"z", b"a"]
    assert (tree.counts.files, tree.problems) == (5, ())


def test_a_rank_is_not_in_the_way_of_an_order_that_is_one_already() -> None:
    ranked = Ranked([file(b"/a", 0), folder(b"/b", 1, file(b"/b/c", 0))])
    plain = Ranked([file(b"/a", None), folder(b"/b", None, file(b"/b/c", None))])
    assert stored(ranked, fresh())[0].root == stored(plain, fresh())[0].root


@pytest.mark.parametrize("most", [1000, MIB, 64 * MIB])
@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3 * MIB + 5])
def test_content_is_cut_into_blobs_of_the_size_that_is_asked_for(size: int, most: int) -> None:
    content = random.Random(size).randbytes(size)  # noqa: S311
    repository = fresh()
    tree, _ = stored(Ranked([file(b"/pages", None, content)], 64 * KIB, most), repository)
    pieces = [content[start : start + 64 * KIB] for start in range(0, size, 64 * KIB)]
    assert contents(repository, tree)[b"/pages"] == tuple(BlobId(hashlib.sha256(piece).digest()) for piece in pieces)
    found = b"".join(repository.load_blob(blob, BlobType.DATA) for blob in contents(repository, tree)[b"/pages"])
    assert found == content


def test_of_a_page_that_changed_in_place_one_blob_is_stored() -> None:
    repository, content = fresh(), bytearray(random.Random(1).randbytes(64 * MIB))  # noqa: S311
    stored(Ranked([file(b"/pages", None, bytes(content))], MIB), repository)
    content[33 * MIB + 4096 : 33 * MIB + 8192] = bytes(4096)
    _, second = stored(Ranked([file(b"/pages", None, bytes(content))], MIB), repository)
    assert second.data_blobs == 1
    assert second.data_added < MIB + 16 * KIB, "beside the blob, there is a tree"
