"""What a stat does not say: names of owner and group, link targets, extended attributes (ACLs, capabilities).

Promise: metadata that cannot be read is told in words beside what could be; it never costs the entry itself.
"""

import errno
import functools
import grp
import os
import pwd
import stat
from dataclasses import dataclass

from drorch.sources.files.paths import reachable

Attributes = tuple[tuple[bytes, bytes], ...]
_NO_ATTRIBUTES_HERE = frozenset({errno.ENOTSUP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class FileDetails:
    """Metadata beyond a stat. `xattrs` are (name, value) in the order listxattr(2) gives; `problems` are words."""

    user: str
    group: str
    linktarget: bytes | None = None
    xattrs: Attributes = ()
    problems: tuple[str, ...] = ()


@functools.lru_cache(maxsize=4096)
def user_name(uid: int) -> str:
    """Name of a user id, "" where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


@functools.lru_cache(maxsize=4096)
def group_name(gid: int) -> str:
    """Name of a group id, "" where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return ""


def details_of_handle(handle: int, status: os.stat_result) -> FileDetails:
    """Details of an open file."""
    xattrs, problems = _attributes(handle, follow=True)
    return FileDetails(user_name(status.st_uid), group_name(status.st_gid), None, xattrs, problems)


def details_of_path(path: bytes, status: os.stat_result) -> FileDetails:
    """Details of what is at `path` itself, symlinks not followed. Raises `OSError` where a link cannot be read."""
    with reachable(path) as near:
        target = os.readlink(near) if stat.S_ISLNK(status.st_mode) else None
        xattrs, problems = _attributes(near, follow=False)
    return FileDetails(user_name(status.st_uid), group_name(status.st_gid), target, xattrs, problems)


def _attributes(place: int | bytes, *, follow: bool) -> tuple[Attributes, tuple[str, ...]]:
    try:
        names = os.listxattr(place, follow_symlinks=follow)
    except OSError as fault:
        if fault.errno in _NO_ATTRIBUTES_HERE:
            return (), ()
        return (), (f"extended attributes cannot be listed: {fault.strerror}",)
    found: list[tuple[bytes, bytes]] = []
    problems: list[str] = []
    for name in names:
        try:
            found.append((os.fsencode(name), os.getxattr(place, name, follow_symlinks=follow)))
        except OSError as fault:
            problems.append(f"extended attribute {name} cannot be read: {fault.strerror}")
    return tuple(found), tuple(problems)
