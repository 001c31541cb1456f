"""What the command line says of snapshots, understood: the same wherever snapshots are chosen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drorch.actions.snapshots import Reference, SnapshotFilter, parse_reference
from drorch.errors import UsageError


def chosen(options: Mapping[str, Any]) -> SnapshotFilter:
    """The filter those options mean; paths are made absolute, as snapshots hold them."""
    paths = tuple(str(Path(path).absolute()) for path in options["paths"])
    return SnapshotFilter(hosts=tuple(options["hosts"]), paths=paths, tags=tuple(options["tags"]))


def reference_with(text: str, path: str | None) -> Reference:
    """SNAPSHOT[:/PATH] and a path given apart. Raises `UsageError` where the path is not absolute, or given twice."""
    reference = parse_reference(text)
    if path is None:
        return reference
    if not path.startswith("/"):
        raise UsageError(f'"{path}" is not a path in a snapshot', hint="It begins with a slash, for instance /etc.")
    if reference.path != b"/":
        raise UsageError("a path is given twice", hint="Write SNAPSHOT /PATH, or SNAPSHOT:/PATH.")
    return Reference(reference.snapshot, path.encode("utf-8", "surrogateescape"))
