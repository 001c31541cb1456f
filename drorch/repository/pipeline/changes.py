"""Whether an entry is still what the parent snapshot has: one stat tells, no content is read."""

from dataclasses import dataclass, replace

from drorch.repository.node import Node, go_mode, type_of_mode
from drorch.repository.pipeline.entries import Stat


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """What counts as a change. Inodes and ctimes are ignored where a file system makes them up anew."""

    ignore_inode: bool = False
    ignore_ctime: bool = False
    with_atime: bool = False


def is_unchanged(node: Node, stat: Stat, rules: ChangeRules) -> bool:
    """Whether content and metadata are certainly as they were: type, size, mtime, ctime, inode all agree.

    The ctime covers owner, mode and xattrs: none can change without it. Where ctimes are ignored, mode and owner are
    compared themselves.
    """
    return (
        node.mtime == stat.st_mtime_ns
        and node.type == type_of_mode(stat.st_mode)
        and (node.size == stat.st_size or node.type != "file")
        and (rules.ignore_inode or node.inode == stat.st_ino)
        and (_same_owner_and_mode(node, stat) if rules.ignore_ctime else node.ctime == stat.st_ctime_ns)
        and (not rules.with_atime or node.atime == stat.st_atime_ns)
    )


def _same_owner_and_mode(node: Node, stat: Stat) -> bool:
    return (node.uid, node.gid, node.mode) == (stat.st_uid, stat.st_gid, go_mode(stat.st_mode))


def as_seen(node: Node, stat: Stat) -> Node:
    """An unchanged node, with the numbers that tell hard links as they are today.

    Device numbers change between boots. A tree with yesterday's and today's would make clients take two files that
    share (inode, device) for one when they restore. docs/FORMAT.md, "Trees".
    """
    links = stat.st_nlink if node.links else 0
    if (node.inode, node.device_id, node.links) == (stat.st_ino, stat.st_dev, links):
        return node
    return replace(node, inode=stat.st_ino, device_id=stat.st_dev, links=links)
