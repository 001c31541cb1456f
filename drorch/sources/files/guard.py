"""Guards against backing up nothing: a source that is empty, missing or not mounted.

Promise: a guard refuses before anything is written (`inspect`) or before the snapshot is (`verdict`), always with
`SourceSuspicious`; what is merely missing beside other targets is the walk's to report.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import SourceSuspicious
from drorch.sources.files.excludes import text_of
from drorch.sources.files.layout import absolute
from drorch.units import format_size

_ALLOW_HINT = "mount or fill it, or allow an empty source with --allow-empty"
_OCTAL = re.compile(rb"\\([0-7]{3})")
# Kernel's list of mounts (proc(5)) and the administrator's (fstab(5)).
_MOUNTED, _EXPECTED = Path("/proc/self/mountinfo"), Path("/etc/fstab")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a source must be like to be worth a snapshot.

    `expect_mount` are folders that must be mount points. `allow_empty` accepts a source that is empty, missing or
    not mounted; the minimums hold all the same. `fstab` names mount points that must be mounted where a target is
    one of them or lies below one.
    """

    minimum_files: int = 0
    minimum_bytes: int = 0
    expect_mount: tuple[bytes, ...] = ()
    allow_empty: bool = False
    fstab: Path = _EXPECTED


class Guard:
    """Compares a source with what is expected of it."""

    def __init__(self, expectation: Expectation) -> None:
        self._expectation = expectation

    def inspect(self, targets: Iterable[bytes]) -> None:
        """Look at the targets before they are walked. Raises `SourceSuspicious`."""
        if self._expectation.allow_empty:
            return
        here = os.getcwdb()
        places = [absolute(target, here) for target in targets]
        if not places:
            raise SourceSuspicious("no targets: there is nothing to back up", hint="name a file or a folder")
        self._require_mounts(places, here)
        states = [_state(place) for place in places]
        if all(state is not None for state in states):
            told = "; ".join(f"{text_of(place)} {state}" for place, state in zip(places, states, strict=True))
            raise SourceSuspicious(f"the source has nothing in it: {told}", hint=_ALLOW_HINT)

    def verdict(self, files: int, size: int) -> None:
        """Judge what was read, in files and bytes, before a snapshot is saved. Raises `SourceSuspicious`."""
        expected = self._expectation
        if files == 0 and not expected.allow_empty:
            raise SourceSuspicious("the source holds no files", hint=_ALLOW_HINT)
        if files < expected.minimum_files:
            raise SourceSuspicious(
                f"the source holds {files} files, at least {expected.minimum_files} are expected",
                hint="find out where they went, or lower the minimum number of files",
            )
        if size < expected.minimum_bytes:
            raise SourceSuspicious(
                f"the source holds {format_size(size)}, at least {format_size(expected.minimum_bytes)} are expected",
                hint="find out what is missing, or lower the minimum size",
            )

    def _require_mounts(self, places: list[bytes], here: bytes) -> None:
        wanted = [absolute(path, here) for path in self._expectation.expect_mount]
        listed = _mounts_of_fstab(self._expectation.fstab)
        wanted += [mount for mount in listed if any(_holds(mount, place) for place in places)]
        if not wanted:
            return
        mounted = _mounts_now()
        for mount in wanted:
            if mount not in mounted and os.path.realpath(mount) not in mounted:
                raise SourceSuspicious(f"{text_of(mount)} is not mounted", hint=f"mount {text_of(mount)}")


def _state(place: bytes) -> str | None:
    """What is wrong with a target: missing, empty, unreadable; None where it holds something."""
    try:
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            return None
        with os.scandir(place) as listing:
            return None if any(True for _ in listing) else "is empty"
    except FileNotFoundError:
        return "is missing"
    except OSError as fault:
        return f"cannot be read ({fault.strerror})"


def _holds(mount: bytes, place: bytes) -> bool:
    return place == mount or place.startswith(mount + b"/")


def _unescaped(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field)


def _mounts_of_fstab(fstab: Path) -> list[bytes]:
    try:
        lines = fstab.read_bytes().splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines if not line.lstrip().startswith(b"#")]
    points = [_unescaped(row[1]).rstrip(b"/") for row in rows if len(row) >= 3]
    return [point for point in points if point.startswith(b"/")]


def _mounts_now() -> frozenset[bytes]:
    try:
        rows = [line.split(b" ") for line in _MOUNTED.read_bytes().splitlines()]
    except OSError as fault:
        raise SourceSuspicious("the list of mounts cannot be read", hint="mount /proc") from fault
    return frozenset(_unescaped(row[4]) for row in rows if len(row) > 4)
