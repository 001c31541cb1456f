"""Versions of paths as people and programs read them."""

from datetime import datetime

from drorch.app.history import PathState, PathVersion, RecordedSnapshot
from drorch.cli.records import local_time
from drorch.model.hold import Lineage
from drorch.repository.timestamps import format_local, from_datetime
from drorch.units import format_size


def moment_text(moment: datetime | int) -> str:
    """An instant as `drorch snapshots` shows it; a number is of nanoseconds since 1970."""
    return local_time(moment if isinstance(moment, int) else from_datetime(moment))


def size_of(state: PathState) -> str:
    """The size of a file; nothing for what has none."""
    return format_size(state.size) if state.type.name == "FILE" else ""


def lineage_text(lineage: Lineage) -> str:
    """Whose snapshots: "homes on web1"."""
    return f"{lineage.job or '(no job)'} on {lineage.host}"


def version_record(version: PathVersion) -> dict[str, object]:
    """A version with --json."""
    state = version.state
    return {
        "type": state.type.name.lower(),
        "size": state.size,
        "mtime": format_local(state.mtime_ns),
        "first": _snapshot(version.first),
        "last": _snapshot(version.last),
        "snapshots": version.snapshots,
        "ended": version.ended.isoformat() if version.ended else None,
    }


def _snapshot(snapshot: RecordedSnapshot) -> dict[str, str]:
    return {"id": snapshot.id.hex(), "time": snapshot.taken.isoformat()}
