"""A node: one thing in a tree, with all that is known of it. docs/FORMAT.md, "Trees".

Decoding keeps fields it does not know, so that a read-then-write loses nothing another client stored.
"""

import base64
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from drorch.errors import IntegrityError
from drorch.ids import ID_BYTES, BlobId, TreeId
from drorch.repository import timestamps
from drorch.repository.gojson import encode, encode_name, encode_string, unquote_name


class NodeType(StrEnum):
    """What a node is. Its mode repeats this in Go's bits; `type` is the one to believe."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    DEV = "dev"
    CHARDEV = "chardev"
    FIFO = "fifo"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a tree. Times are nanoseconds since 1970; `mode` holds Go's fs.FileMode bits.

    `content` is a tuple for files, None for all else; `subtree` is set for folders only. `extra` holds the JSON
    fields drorch does not know, as they were read.
    """

    name: bytes
    type: str
    mode: int
    mtime: int
    atime: int
    ctime: int
    uid: int
    gid: int
    user: str = ""
    group: str = ""
    inode: int = 0
    device_id: int = 0
    size: int = 0
    links: int = 0
    linktarget: bytes | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    device: int = 0
    content: tuple[BlobId, ...] | None = None
    subtree: TreeId | None = None
    error: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


_TYPE_OF_FORMAT = {
    stat.S_IFREG: NodeType.FILE,
    stat.S_IFDIR: NodeType.DIR,
    stat.S_IFLNK: NodeType.SYMLINK,
    stat.S_IFBLK: NodeType.DEV,
    stat.S_IFCHR: NodeType.CHARDEV,
    stat.S_IFIFO: NodeType.FIFO,
    stat.S_IFSOCK: NodeType.SOCKET,
}
_GO_BITS = {
    NodeType.FILE: 0,
    NodeType.DIR: 1 << 31,
    NodeType.SYMLINK: 1 << 27,
    NodeType.DEV: 1 << 26,
    NodeType.CHARDEV: 1 << 26 | 1 << 21,
    NodeType.FIFO: 1 << 25,
    NodeType.SOCKET: 1 << 24,
}
_GO_SETUID, _GO_SETGID, _GO_STICKY = 1 << 23, 1 << 22, 1 << 20


def type_of_mode(st_mode: int) -> NodeType:
    """The node type of a POSIX mode. Raises `ValueError` for a file format this repository format has no name for."""
    try:
        return _TYPE_OF_FORMAT[stat.S_IFMT(st_mode)]
    except KeyError:
        raise ValueError(f"file format {stat.S_IFMT(st_mode):o} has no node type") from None


def go_mode(st_mode: int) -> int:
    """Go's fs.FileMode for a POSIX st_mode."""
    mode = st_mode & 0o777 | _GO_BITS[type_of_mode(st_mode)]
    mode |= _GO_SETUID if st_mode & stat.S_ISUID else 0
    mode |= _GO_SETGID if st_mode & stat.S_ISGID else 0
    mode |= _GO_STICKY if st_mode & stat.S_ISVTX else 0
    return mode


def permissions(mode: int) -> int:
    """The twelve POSIX permission bits in a Go mode (rwx, setuid, setgid, sticky)."""
    bits = mode & 0o777
    bits |= stat.S_ISUID if mode & _GO_SETUID else 0
    bits |= stat.S_ISGID if mode & _GO_SETGID else 0
    bits |= stat.S_ISVTX if mode & _GO_STICKY else 0
    return bits


def encode_node(node: Node) -> str:
    """The canonical JSON of a node: fields in restic's order, empty ones left out."""
    parts = [
        f'{{"name":{encode_name(node.name)},"type":{encode_string(node.type)}',
        f'"mode":{node.mode}' if node.mode else "",
        f'"mtime":"{timestamps.format_local(node.mtime)}"',
        f'"atime":"{timestamps.format_local(node.atime)}"',
        f'"ctime":"{timestamps.format_local(node.ctime)}"',
        f'"uid":{node.uid},"gid":{node.gid}',
        f'"user":{encode_string(node.user)}' if node.user else "",
        f'"group":{encode_string(node.group)}' if node.group else "",
        f'"inode":{node.inode}' if node.inode else "",
        f'"device_id":{node.device_id}' if node.device_id else "",
        f'"size":{node.size}' if node.size else "",
        f'"links":{node.links}' if node.links else "",
        _encode_linktarget(node.linktarget) if node.linktarget is not None else "",
        _encode_xattrs(node.xattrs) if node.xattrs else "",
        _encode_generic(node.extra),
        f'"device":{node.device}' if node.device else "",
        _encode_content(node.content),
        f'"subtree":"{node.subtree.hex()}"' if node.subtree is not None else "",
        f'"error":{encode_string(node.error)}' if node.error else "",
        *(f"{encode_string(k)}:{encode(v)}" for k, v in node.extra.items() if k != "generic_attributes"),
    ]
    return ",".join(filter(None, parts)) + "}"


def _encode_generic(extra: Mapping[str, Any]) -> str:
    attributes = extra.get("generic_attributes")
    return "" if attributes is None else f'"generic_attributes":{encode(attributes)}'


def _encode_content(content: tuple[BlobId, ...] | None) -> str:
    if content is None:
        return '"content":null'
    return '"content":[' + ",".join(f'"{blob.hex()}"' for blob in content) + "]"


def _encode_linktarget(target: bytes) -> str:
    text = target.decode("utf-8", "surrogateescape")
    encoded = f'"linktarget":{encode_string(text)}'
    try:
        target.decode("utf-8")
    except UnicodeDecodeError:
        encoded += f',"linktarget_raw":"{base64.b64encode(target).decode()}"'
    return encoded


def _encode_xattrs(xattrs: Sequence[tuple[str, bytes]]) -> str:
    pairs = (f'{{"name":{encode_string(name)},"value":"{base64.b64encode(value).decode()}"}}' for name, value in xattrs)
    return '"extended_attributes":[' + ",".join(pairs) + "]"


_KNOWN = frozenset(
    {
        *("name", "type", "mode", "mtime", "atime", "ctime", "uid", "gid", "user", "group", "inode", "device_id"),
        *("size", "links", "linktarget", "linktarget_raw", "extended_attributes", "device", "content", "subtree"),
        "error",
    }
)


def decode_node(fields: Mapping[str, Any]) -> Node:
    """The node in a decoded JSON object.

    Raises `IntegrityError` where a field is missing or is not what it should be. A name may still be hostile
    ("../x"): `is_safe_name` says.
    """
    try:
        return _decode_node(fields)
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise IntegrityError(f"a node of a tree cannot be understood: {fault}") from fault


def _decode_node(fields: Mapping[str, Any]) -> Node:
    get = fields.get
    content, subtree = get("content"), get("subtree")
    unknown = fields.keys() - _KNOWN
    extra = {key: value for key, value in fields.items() if key in unknown} if unknown else {}
    return Node(
        name=unquote_name(fields["name"]),
        type=_text(fields["type"]),
        mode=_number(get("mode")),
        mtime=_instant(get("mtime")),
        atime=_instant(get("atime")),
        ctime=_instant(get("ctime")),
        uid=_number(get("uid")),
        gid=_number(get("gid")),
        user=_text(get("user") or ""),
        group=_text(get("group") or ""),
        inode=_number(get("inode")),
        device_id=_number(get("device_id")),
        size=_number(get("size")),
        links=_number(get("links")),
        linktarget=_decode_linktarget(get("linktarget"), get("linktarget_raw")),
        xattrs=tuple(map(_decode_xattr, get("extended_attributes") or ())),
        device=_number(get("device")),
        content=None if content is None else tuple(BlobId(decode_id(item)) for item in content),
        subtree=None if subtree is None else TreeId(decode_id(subtree)),
        error=_text(get("error") or ""),
        extra=extra,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    return value


def _number(value: object) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r:.40} is not a number")
    return value


def _instant(value: object) -> int:
    return 0 if value is None else timestamps.parse(_text(value))


def decode_id(text: str) -> bytes:
    """The 32 bytes of an id in hex. Raises `ValueError`."""
    raw = bytes.fromhex(text)
    # fromhex skips blanks, so the text is measured too.
    if len(raw) != ID_BYTES or len(text) != 2 * ID_BYTES:
        raise ValueError(f"{text[:80]!r} is not an id")
    return raw


def _decode_linktarget(target: str | None, raw: str | None) -> bytes | None:
    if raw:
        return base64.b64decode(raw, validate=True)
    return None if target is None else target.encode("utf-8", "surrogateescape")


def _decode_xattr(pair: Mapping[str, Any]) -> tuple[str, bytes]:
    return _text(pair["name"]), base64.b64decode(pair.get("value") or "", validate=True)


def is_safe_name(name: bytes) -> bool:
    """Whether a name may be used below a folder: one part, not a way out of it."""
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name
