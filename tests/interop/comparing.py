"""What a tree is, for comparison: every trait that a backup must keep, of a folder on disk or of one in a snapshot.

Times of access and of inode change are left out, and so are holes: no client keeps them. All else must agree, hard
links included, which are told as the set of paths that share a file.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from drorch.ids import TreeId
from drorch.repository.node import Node, NodeType, permissions, type_of_mode
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository

HERE = b"."


@dataclass(frozen=True, slots=True)
class Traits:
    """What must agree of one entry. `shared_with` are all paths of a regular file that has several in this tree."""

    kind: str
    mode: int
    owner: tuple[int, int]
    names: tuple[str, str] | None
    mtime: int
    xattrs: frozenset[tuple[str, bytes]]
    content: str = ""
    size: int = 0
    target: bytes = b""
    device: int = 0
    shared_with: frozenset[bytes] = frozenset()


Traced = Mapping[bytes, Traits]
"""Every entry of a tree by its path relative to it; the folder itself is "."."""


def differences(expected: Traced, found: Traced) -> list[str]:
    """Everything in which two trees differ, in words; empty where they are the same."""
    told = [f"{path!r} is missing" for path in expected.keys() - found.keys()]
    told += [f"{path!r} is too much" for path in found.keys() - expected.keys()]
    for path in expected.keys() & found.keys():
        told += [f"{path!r}: {text}" for text in _unlike(expected[path], found[path])]
    return sorted(told)


def _unlike(expected: Traits, found: Traits) -> Iterator[str]:
    for trait in fields(Traits):
        wanted, seen = getattr(expected, trait.name), getattr(found, trait.name)
        if isinstance(wanted, frozenset):
            wanted, seen = wanted - seen, seen - wanted
        # Names of owners are known of a snapshot only: on disk there are numbers.
        if wanted != seen and None not in (wanted, seen):
            yield f"{trait.name} is {seen!r:.200}, not {wanted!r:.200}"


def of_folder(root: Path) -> dict[bytes, Traits]:
    """The traits of a folder on disk and of all below it; sockets, which no backup keeps, are left out."""
    found: dict[bytes, Traits] = {}
    groups: dict[tuple[int, int], set[bytes]] = {}
    for path, place, status in _entries(os.fsencode(root)):
        found[path] = _of_path(place, status)
        if stat.S_ISREG(status.st_mode):
            groups.setdefault((status.st_dev, status.st_ino), set()).add(path)
    return _with_groups(found, groups.values())


def _entries(root: bytes) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
    yield HERE, root, os.lstat(root)
    folders = [(b"", root)]
    while folders:
        path, folder = folders.pop()
        for name in os.listdir(folder):
            place = os.path.join(folder, name)
            status = os.lstat(place)
            if stat.S_ISSOCK(status.st_mode):
                continue
            yield path + name, place, status
            if stat.S_ISDIR(status.st_mode):
                folders.append((path + name + b"/", place))


def _of_path(place: bytes, status: os.stat_result) -> Traits:
    names = os.listxattr(place, follow_symlinks=False)
    traits = Traits(
        kind=type_of_mode(status.st_mode),
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        names=None,
        mtime=status.st_mtime_ns,
        xattrs=frozenset((name, os.getxattr(place, name, follow_symlinks=False)) for name in names),
    )
    if traits.kind == NodeType.FILE:
        with open(place, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return replace(traits, content=digest, size=status.st_size)
    if traits.kind == NodeType.SYMLINK:
        return replace(traits, target=os.readlink(place))
    if traits.kind in (NodeType.DEV, NodeType.CHARDEV):
        return replace(traits, device=status.st_rdev)
    return traits


def of_snapshot(repository: Repository, root: TreeId, folder: bytes = b"") -> dict[bytes, Traits]:
    """The traits of a folder in a snapshot ("" for its root, which has none of its own), all data read."""
    found: dict[bytes, Traits] = {}
    for name in filter(None, folder.split(b"/")):
        top = repository.load_tree(root).find(name)
        assert top is not None, f"the snapshot has no {folder!r}"
        assert top.subtree is not None, f"{name!r} is not a folder"
        found[HERE] = _of_node(repository, top)
        root = top.subtree
    groups: dict[tuple[int, int], set[bytes]] = {}
    folders = [(b"", root)]
    while folders:
        path, tree = folders.pop()
        for node in repository.load_tree(tree):
            found[path + node.name] = _of_node(repository, node)
            if node.subtree is not None:
                folders.append((path + node.name + b"/", node.subtree))
            # Restoring links what has several links and shares (inode, device): this is what a client will do.
            if node.type == NodeType.FILE and node.links > 1:
                groups.setdefault((node.device_id, node.inode), set()).add(path + node.name)
    return _with_groups(found, groups.values())


def _of_node(repository: Repository, node: Node) -> Traits:
    traits = Traits(
        kind=node.type,
        mode=permissions(node.mode),
        owner=(node.uid, node.gid),
        names=(node.user, node.group),
        mtime=node.mtime,
        xattrs=frozenset(node.xattrs),
    )
    if node.type == NodeType.FILE:
        assert node.content is not None, f"{node.name!r} has no content"
        digest = hashlib.sha256()
        size = 0
        for blob in node.content:
            data = repository.load_blob(blob, BlobType.DATA)
            digest.update(data)
            size += len(data)
        assert size == node.size, f"{node.name!r} says that it has {node.size} bytes, and has {size}"
        return replace(traits, content=digest.hexdigest(), size=size)
    return replace(traits, target=node.linktarget or b"", device=node.device)


def _with_groups(found: dict[bytes, Traits], groups: Iterable[set[bytes]]) -> dict[bytes, Traits]:
    for paths in groups:
        if len(paths) > 1:
            found.update({path: replace(found[path], shared_with=frozenset(paths)) for path in paths})
    return found
