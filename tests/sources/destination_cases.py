"""What the tests of the destination share: metadata to put back, and a destination that must not have problems."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from drorch.errors import Problem
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import DestinationPolicy, Kind, Metadata
from tests.storage.privileges import need

MTIME = 1_234_567_890_123_456_789
ATIME = 1_111_111_111_000_000_001


def metadata(kind: Kind = Kind.FILE, permissions: int = 0o644, **fields: object) -> Metadata:
    """Metadata of the user who runs the tests, unless said otherwise."""
    known: dict[str, object] = {"uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": MTIME, "atime_ns": ATIME}
    return Metadata(kind=kind, permissions=permissions, **{**known, **fields})  # type: ignore[arg-type]


FOLDER = metadata(Kind.DIR, 0o755)


@contextlib.contextmanager
def without_problems(root: Path, policy: DestinationPolicy | None = None) -> Iterator[Destination]:
    """A destination of which nothing may be reported."""
    problems: list[Problem] = []
    with Destination(root, policy or DestinationPolicy(), problems.append) as destination:
        yield destination
    assert problems == []


@contextlib.contextmanager
def with_problems(
    root: Path, problems: list[Problem], policy: DestinationPolicy | None = None
) -> Iterator[Destination]:
    """A destination that reports into the list."""
    with Destination(root, policy or DestinationPolicy(), problems.append) as destination:
        yield destination


def need_root() -> None:
    """The test changes owners, mounts or makes devices."""
    need("root", present=os.geteuid() == 0)


def listing(root: Path) -> set[str]:
    """Every name below a folder, relative to it."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}
