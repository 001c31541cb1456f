"""Snapshots and nodes as JSON objects and as lines, in restic's form."""

import json
import stat
from typing import Any

from drorch.actions.listing import Visit
from drorch.cli.output.escaping import visible_name
from drorch.ids import SHORT_HEX
from drorch.repository import timestamps
from drorch.repository.node import Node, NodeType, permissions
from drorch.repository.repository import NamedSnapshot
from drorch.repository.snapshot import encode_snapshot

_FORMATS = {
    NodeType.FILE.value: stat.S_IFREG,
    NodeType.DIR.value: stat.S_IFDIR,
    NodeType.SYMLINK.value: stat.S_IFLNK,
    NodeType.DEV.value: stat.S_IFBLK,
    NodeType.CHARDEV.value: stat.S_IFCHR,
    NodeType.FIFO.value: stat.S_IFIFO,
    NodeType.SOCKET.value: stat.S_IFSOCK,
}


def snapshot_record(named: NamedSnapshot) -> dict[str, Any]:
    """A snapshot as restic writes it with --json."""
    stored: dict[str, Any] = json.loads(encode_snapshot(named.snapshot))
    return {**stored, "id": named.id.hex(), "short_id": named.id.hex()[:SHORT_HEX]}


def local_time(instant: int) -> str:
    """An instant as people read it, in the machine's zone: 2026-08-01 02:30:00."""
    return timestamps.format_local(instant)[:19].replace("T", " ")


def mode_letters(node: Node) -> str:
    """The mode as `ls -l` shows it: -rwxr-xr-x."""
    return stat.filemode(_FORMATS.get(node.type, 0) | permissions(node.mode))


def node_record(visit: Visit) -> dict[str, Any]:
    """A node as restic writes it with --json."""
    node = visit.node
    return {
        "name": _text(node.name),
        "type": node.type,
        "path": _text(visit.path),
        "uid": node.uid,
        "gid": node.gid,
        **({"size": node.size} if node.type == NodeType.FILE else {}),
        "mode": node.mode,
        "permissions": mode_letters(node),
        "mtime": timestamps.format_local(node.mtime),
        "atime": timestamps.format_local(node.atime),
        "ctime": timestamps.format_local(node.ctime),
        **({"inode": node.inode} if node.inode else {}),
        **({"linktarget": _text(node.linktarget)} if node.linktarget is not None else {}),
        "message_type": "node",
        "struct_type": "node",
    }


def long_line(visit: Visit) -> str:
    """A node as `ls -l` shows it."""
    node = visit.node
    arrow = f" -> {visible_name(node.linktarget)}" if node.linktarget is not None else ""
    numbers = f"{mode_letters(node)} {node.uid:>5} {node.gid:>5} {node.size:>10}"
    return f"{numbers} {local_time(node.mtime)} {visible_name(visit.path)}{arrow}"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
