"""Snapshots: the root tree and the story of one backup. docs/FORMAT.md, "Snapshots".

Saving a snapshot is the commit point of a backup: everything it needs is durable before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drorch.errors import IntegrityError
from drorch.ids import SnapshotId, TreeId
from drorch.repository import timestamps
from drorch.repository.gojson import encode
from drorch.repository.node import decode_id


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot file says. `time` is in nanoseconds since 1970; `extra` holds fields drorch does not know."""

    time: int
    tree: TreeId
    paths: tuple[str, ...]
    hostname: str = ""
    username: str = ""
    uid: int = 0
    gid: int = 0
    excludes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    parent: SnapshotId | None = None
    original: SnapshotId | None = None
    program_version: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        """When the backup was begun, in UTC."""
        return timestamps.to_datetime(self.time)


def encode_snapshot(snapshot: Snapshot) -> str:
    """The JSON of a snapshot file: fields in restic's order, empty ones left out, unknown ones as they were."""
    optional = (
        ("hostname", snapshot.hostname),
        ("username", snapshot.username),
        ("uid", snapshot.uid),
        ("gid", snapshot.gid),
        ("excludes", snapshot.excludes),
        ("tags", snapshot.tags),
        ("original", snapshot.original.hex() if snapshot.original else ""),
        ("program_version", snapshot.program_version),
        ("summary", snapshot.summary),
    )
    fields = {
        "time": timestamps.format_local(snapshot.time),
        **({"parent": snapshot.parent.hex()} if snapshot.parent else {}),
        "tree": snapshot.tree.hex(),
        "paths": snapshot.paths,
        **{key: value for key, value in optional if value},
        **snapshot.extra,
    }
    return encode(fields)


_KNOWN = frozenset(
    {
        *("time", "parent", "tree", "paths", "hostname", "username", "uid", "gid", "excludes", "tags"),
        *("original", "program_version", "summary"),
    }
)


def decode_snapshot(fields: Mapping[str, Any]) -> Snapshot:
    """The snapshot in decoded JSON. Raises `IntegrityError` where it is none, a missing tree included."""
    try:
        parent, original = fields.get("parent"), fields.get("original")
        return Snapshot(
            time=timestamps.parse(fields["time"]),
            tree=TreeId(decode_id(fields["tree"])),
            paths=_texts(fields.get("paths")),
            hostname=str(fields.get("hostname") or ""),
            username=str(fields.get("username") or ""),
            uid=int(fields.get("uid") or 0),
            gid=int(fields.get("gid") or 0),
            excludes=_texts(fields.get("excludes")),
            tags=_texts(fields.get("tags")),
            parent=SnapshotId(decode_id(parent)) if parent else None,
            original=SnapshotId(decode_id(original)) if original else None,
            program_version=str(fields.get("program_version") or ""),
            summary=_mapping(fields.get("summary")),
            extra={key: value for key, value in fields.items() if key not in _KNOWN},
        )
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise IntegrityError(f"it is not a snapshot ({fault})") from fault


def _mapping(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("an object is expected")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise TypeError("a list is expected")
    return tuple(map(str, values))
