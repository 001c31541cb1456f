"""Whether an entry is still what the parent snapshot has: one stat tells, no content is read."""

from dataclasses import dataclass, replace

from drorch.repository.node import encode_node, go_mode, type_of_mode
from drorch.repository.pipeline.entries import Stat
from drorch.repository.pipeline.previous import StoredNode
from drorch.repository.timestamps import format_local, parse


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """What counts as a change. Inodes and ctimes are ignored where a file system makes them up anew."""

    ignore_inode: bool = False
    ignore_ctime: bool = False
    with_atime: bool = False


def is_unchanged(old: StoredNode, stat: Stat, rules: ChangeRules) -> bool:
    """Whether content and metadata are certainly as they were: type, size, mtime, ctime, inode all agree.

    The ctime covers owner, mode and xattrs: none can change without it. Where ctimes are ignored, mode and owner are
    compared themselves.
    """
    get = old.fields.get
    return (
        _same_instant(get("mtime"), stat.st_mtime_ns)
        and get("type") == type_of_mode(stat.st_mode)
        and (get("type") != "file" or (get("size") or 0) == stat.st_size)
        and (rules.ignore_inode or get("inode") == stat.st_ino)
        and (_same_owner_and_mode(old, stat) if rules.ignore_ctime else _same_instant(get("ctime"), stat.st_ctime_ns))
        and (not rules.with_atime or _same_instant(get("atime"), stat.st_atime_ns))
    )


def _same_instant(text: object, instant: int) -> bool:
    if text == format_local(instant):
        return True
    try:
        # Written in another zone, it may be the same instant all the same.
        return isinstance(text, str) and parse(text) == instant
    except ValueError:
        return False


def _same_owner_and_mode(old: StoredNode, stat: Stat) -> bool:
    wanted = (stat.st_uid, stat.st_gid, go_mode(stat.st_mode))
    return (old.fields.get("uid"), old.fields.get("gid"), old.fields.get("mode") or 0) == wanted


def as_seen(old: StoredNode, stat: Stat) -> StoredNode | str:
    """An unchanged node, with the numbers that tell hard links as they are today: in JSON where they differ.

    Device numbers change between boots. A tree with yesterday's and today's would make clients take two files that
    share (inode, device) for one when they restore. docs/FORMAT.md, "Trees".
    """
    get = old.fields.get
    links = stat.st_nlink if get("links") else 0
    if (get("inode") or 0, get("device_id") or 0, get("links") or 0) == (stat.st_ino, stat.st_dev, links):
        return old
    return encode_node(replace(old.node, inode=stat.st_ino, device_id=stat.st_dev, links=links))
