"""What is put where in a restore: the values the destination is told, and the names it accepts.

It keeps the promise that a name from a tree is one part of a path and never a way out of the folder it is put in.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from drorch.errors import Problem

RelativePath = tuple[bytes, ...]
"""The parts of a path below the destination's root; () is the root itself."""

Report = Callable[[Problem], None]
"""Takes what went wrong with one node; called from any thread. `list.append` serves."""

PARTIAL_PREFIX = b".drorch-partial-"
KEPT_PARTIAL_BYTES = 16 * 1024 * 1024


class Kind(StrEnum):
    """What can be put back, named as in a node of a tree."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    DEV = "dev"
    CHARDEV = "chardev"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True)
class Metadata:
    """All of a node but its content. Times are nanoseconds since 1970 UTC; `permissions` are the twelve POSIX bits.

    `xattrs` are (name, value) in the order they are set; ACLs and capabilities travel among them. `device` is
    st_rdev of a device node.
    """

    kind: str
    permissions: int
    mtime_ns: int
    atime_ns: int
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    linktarget: bytes | None = None
    device: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class OwnerPolicy:
    """Who owns what is put back: by name where this machine knows it, else by number; `numeric` is number always."""

    numeric: bool = False


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """How a destination behaves.

    `sparse` leaves holes for zeros. `delete` allows a folder with content to be removed where the snapshot has
    something else by that name. `expected_bytes` is what the whole restore writes, for the message of a full disk.
    """

    owners: OwnerPolicy = field(default_factory=OwnerPolicy)
    sparse: bool = False
    delete: bool = False
    expected_bytes: int = 0


class Identity(NamedTuple):
    """One inode of this machine: what makes two names the same file."""

    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Extra:
    """Something at the destination that the snapshot does not have: a name with all that is below it."""

    path: RelativePath
    is_dir: bool


class Refused(ValueError):
    """A node that is not put back, because it would not stay inside the destination or could not be told apart."""


NODE_FAULTS = (OSError, ValueError, OverflowError)
"""What one bad node may raise: the system's refusal, ours, or a number or name no system call takes."""


def require_safe(name: bytes) -> None:
    """Raises `Refused` unless the name is one part of a path that is the restore's to write."""
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise Refused("its name leads out of its folder; refused")
    if name.startswith(PARTIAL_PREFIX):
        raise Refused("its name is that of an unfinished restore's file; refused")


def partial_name(name: bytes) -> bytes:
    """The name under which a file is written before it is renamed into place; the same in every run."""
    return PARTIAL_PREFIX + hashlib.sha256(name).hexdigest()[:16].encode()


def shown(path: RelativePath) -> str:
    """A path as the operator knows it: may hold any character, so escape it before it reaches a terminal."""
    return os.fsdecode(b"/" + b"/".join(path))
