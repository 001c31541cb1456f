"""A source in memory: a tree that a test changes at will, read out by the engine like any other."""

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from drorch.repository.node import NodeType

SECOND = 1_000_000_000
ROOT_INODE = 2


@dataclass(frozen=True, slots=True)
class MemoryStat:
    """The numbers of an inode."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_size: int = 0
    st_mtime_ns: int = SECOND
    st_ctime_ns: int = SECOND
    st_nlink: int = 1
    st_uid: int = 0
    st_gid: int = 0
    st_rdev: int = 0
    st_atime_ns: int = 0


@dataclass(frozen=True, slots=True)
class MemoryDetails:
    """What a stat does not say."""

    user: str = "root"
    group: str = "root"
    linktarget: bytes | None = None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A file, a folder or a symlink; `content` is what the file holds or the link says."""

    kind: NodeType
    inode: int
    changed: int
    content: bytes = b""
    children: Mapping[bytes, "Item"] = field(default_factory=dict)

    @property
    def mode(self) -> int:
        """Its st_mode."""
        return {
            NodeType.FILE: stat.S_IFREG | 0o640,
            NodeType.DIR: stat.S_IFDIR | 0o750,
            NodeType.SYMLINK: stat.S_IFLNK | 0o777,
        }[self.kind]


class MemoryEntry:
    """One node of the tree, as the engine asks for it."""

    streamed = False
    rank: int | None = None

    def __init__(self, name: bytes, path: bytes, item: Item, device: int) -> None:
        self.name = name
        self.path = path
        self.item = item
        self._device = device
        self.stat = MemoryStat(
            st_mode=item.mode,
            st_ino=item.inode,
            st_dev=device,
            st_size=len(item.content),
            st_mtime_ns=item.changed,
            st_ctime_ns=item.changed,
        )

    @property
    def locator(self) -> object:
        """Itself: it never leaves this process."""
        return self

    def details(self) -> MemoryDetails:
        """What a stat does not say."""
        return MemoryDetails(linktarget=self.item.content if self.item.kind is NodeType.SYMLINK else None)

    def children(self) -> Iterable["MemoryEntry"]:
        """What a folder holds, by name."""
        return entries(self.item, self.path, self._device)


def entries(folder: Item, path: bytes, device: int) -> Iterator[MemoryEntry]:
    """The entries of a folder, ascending by name."""
    for name in sorted(folder.children):
        yield MemoryEntry(name, path + b"/" + name, folder.children[name], device)


class MemoryFile:
    """The content of one entry, being read."""

    blob_bytes: int | None = None

    def __init__(self, entry: MemoryEntry) -> None:
        self.stat = entry.stat
        self._rest = memoryview(entry.item.content)
        self._details = entry.details()

    def details(self) -> MemoryDetails:
        """What a stat does not say."""
        return self._details

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from where the last call stopped."""
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def changed(self) -> str | None:
        """Never: the tree stands still while it is read."""
        return None

    def close(self) -> None:
        """Nothing to give back."""


class MemoryReader:
    """Opens entries by themselves."""

    def open(self, locator: object) -> MemoryFile:
        """The content of an entry."""
        assert isinstance(locator, MemoryEntry)
        return MemoryFile(locator)


class MemorySource:
    """A tree as it is at one moment; later changes make another tree."""

    def __init__(self, root: Item, device: int) -> None:
        self._root = root
        self._device = device
        self.reader = MemoryReader()

    def roots(self) -> Iterable[MemoryEntry]:
        """The entries at the root of the snapshot."""
        return entries(self._root, b"", self._device)


class Garden:
    """The tree as it changes: every change makes a new root, so that an old one can be kept for comparison."""

    def __init__(self) -> None:
        self.root = Item(NodeType.DIR, ROOT_INODE, SECOND)
        self.device = 64
        self._ticks = 1
        self._inodes = ROOT_INODE

    def put(self, path: tuple[bytes, ...], content: bytes, kind: NodeType = NodeType.FILE) -> None:
        """Write a file or a symlink, in place where there is one of the kind; folders above it are made."""
        self._ticks += 1
        self.root = self._changed(self.root, path, lambda old: self._item(old, kind, content))

    def remove(self, path: tuple[bytes, ...]) -> None:
        """Remove whatever is there, if anything."""
        self._ticks += 1
        self.root = self._changed(self.root, path, lambda _: None)

    def make_folder(self, path: tuple[bytes, ...]) -> None:
        """An empty folder, unless there is one; a file in its place goes."""
        self.root = self._changed(self.root, path, lambda old: self._folder(old))

    def _item(self, old: Item | None, kind: NodeType, content: bytes) -> Item:
        inode = old.inode if old is not None and old.kind is kind else self._new_inode()
        return Item(kind, inode, self._ticks * SECOND + 1, content)

    def _folder(self, old: Item | None) -> Item:
        if old is not None and old.kind is NodeType.DIR:
            return old
        return Item(NodeType.DIR, self._new_inode(), self._ticks * SECOND)

    def _new_inode(self) -> int:
        self._inodes += 1
        return self._inodes

    def _changed(self, folder: Item, path: tuple[bytes, ...], change: Callable[[Item | None], Item | None]) -> Item:
        name, rest = path[0], path[1:]
        old = folder.children.get(name)
        new = self._changed(self._folder(old), rest, change) if rest else change(old)
        if new is old:
            return folder
        children = {key: item for key, item in folder.children.items() if key != name}
        if new is not None:
            children[name] = new
        # A folder's own times tell of names that came and went, not of what happened within them.
        same_names = children.keys() == folder.children.keys()
        return replace(folder, children=children, changed=folder.changed if same_names else self._ticks * SECOND)
