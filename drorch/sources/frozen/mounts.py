"""What is mounted where: the kernel's list, proc(5)."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import SourceUnavailable
from drorch.sources.files.paths import join

_LIST = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: where, which folder of the file system (`root`), its kind, what it is on, device as major:minor."""

    point: bytes
    root: bytes
    kind: str
    source: bytes
    device: str

    def covers(self, path: bytes) -> bool:
        """Whether a path, free of links, is at its point or below."""
        return path == self.point or path.startswith(join(self.point, b""))


def mounts_now() -> tuple[Mount, ...]:
    """All mounts that can be reached. Raises `SourceUnavailable`."""
    try:
        listed = parse_mounts(_LIST.read_bytes())
    except OSError as fault:
        raise SourceUnavailable("the list of mounts cannot be read", hint="Mount /proc.") from fault
    return tuple(mount for mount in listed if os.path.lexists(mount.point))


def parse_mounts(text: bytes) -> tuple[Mount, ...]:
    """The mounts of a list; of several at one point, the one that was mounted last."""
    by_point: dict[bytes, Mount] = {}
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        fields, described = before.split(b" "), after.split(b" ")
        if len(fields) < 5 or len(described) < 2:
            continue
        point = _unescaped(fields[4])
        kind, source = os.fsdecode(described[0]), _unescaped(described[1])
        by_point[point] = Mount(point, _unescaped(fields[3]), kind, source, os.fsdecode(fields[2]))
    return tuple(by_point.values())


def mount_of(path: bytes, mounts: Iterable[Mount]) -> Mount:
    """The mount that holds a path, free of links. Raises `SourceUnavailable`."""
    covering = [mount for mount in mounts if mount.covers(path)]
    if not covering:
        raise SourceUnavailable(f"{os.fsdecode(path)} is on no file system that is known", hint="Mount /proc.")
    return max(covering, key=lambda mount: len(mount.point))


def _unescaped(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field)
