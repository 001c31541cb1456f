"""Owner, mode, xattrs and times of what is put back, in this order, because each would undo the one before it.

Changing the owner clears setuid and file capabilities, changing the mode rewrites an ACL's mask, and all of them
would come after the times. A setuid or setgid bit is set on a file only where its owner or group is the right one,
so that nobody gets rights the snapshot did not give. Works on a descriptor or on a path that names one inode.
"""

import errno
import grp
import os
import pwd
import stat
from typing import NamedTuple

from drorch.sources.files.destination_faults import Faults
from drorch.sources.files.placement import NODE_FAULTS, Kind, Metadata, OwnerPolicy, Refused, RelativePath

_LARGEST_ID = 2**32 - 2
_ACL_NAMES = ("system.posix_acl_access", "system.posix_acl_default")
_UNSUPPORTED = (errno.ENOTSUP, errno.EPERM, errno.EACCES)

Target = int | str
"""A descriptor, or /proc/self/fd/N of one opened with O_PATH."""


class _Owner(NamedTuple):
    uid: int
    gid: int


class MetadataSetter:
    """Applies metadata to nodes; what fails is reported and the rest is still applied. Threads may share it."""

    def __init__(self, owners: OwnerPolicy, faults: Faults) -> None:
        self._owners = owners
        self._faults = faults
        self._privileged = os.geteuid() == 0
        self._known_owners: dict[tuple[str, int, str, int], _Owner] = {}
        self._told: set[tuple[str, int | None]] = set()

    def owner_of(self, metadata: Metadata) -> _Owner:
        """Numbers of the owner and group on this machine."""
        key = (metadata.user, metadata.uid, metadata.group, metadata.gid)
        owner = self._known_owners.get(key)
        if owner is None:
            numeric = self._owners.numeric
            uid = metadata.uid if numeric else _uid_of(metadata.user, metadata.uid)
            gid = metadata.gid if numeric else _gid_of(metadata.group, metadata.gid)
            owner = self._known_owners[key] = _Owner(uid, gid)
        return owner

    def apply(self, target: Target, status: os.stat_result, metadata: Metadata, path: RelativePath) -> None:
        """Give the node all its metadata; `status` is what it has now. Faults become problems.

        Raises `RestoreError` where the destination is full or read-only.
        """
        owner = self.owner_of(metadata)
        reached = _Owner(status.st_uid, status.st_gid)
        if owner != reached:
            reached = self._chown(target, owner, reached, path)
        listed = self._listed(target, path)
        if listed or metadata.xattrs:
            self._remove_foreign(target, listed, metadata, path)
        if metadata.kind != Kind.SYMLINK:
            self._chmod(target, status, metadata, (owner, reached), path)
        elif metadata.xattrs:
            self._set_xattrs(target, metadata.xattrs, path)
        try:
            os.utime(target, ns=(metadata.atime_ns, metadata.mtime_ns))
        except NODE_FAULTS as fault:
            self._faults.node(path, "times not set", fault)

    def _chown(self, target: Target, owner: _Owner, current: _Owner, path: RelativePath) -> _Owner:
        try:
            if owner.uid > _LARGEST_ID or owner.gid > _LARGEST_ID:
                raise Refused(f"{max(owner)} is not a user or group id")
            os.chown(target, owner.uid, owner.gid)
            return owner
        except NODE_FAULTS as fault:
            if self._privileged or not isinstance(fault, PermissionError):
                self._faults.node(path, "owner not set", fault)
                return current
        try:
            os.chown(target, -1, owner.gid)
        except PermissionError:
            return current
        return _Owner(current.uid, owner.gid)

    def _chmod(
        self,
        target: Target,
        status: os.stat_result,
        metadata: Metadata,
        owners: tuple[_Owner, _Owner],
        path: RelativePath,
    ) -> None:
        permissions, reached = _safe_permissions(metadata, *owners), owners[1]
        late = metadata.xattrs
        if late and not self._privileged and not permissions & stat.S_IWUSR:
            self._set_xattrs(target, tuple(pair for pair in late if pair[0].startswith("user.")), path)
            late = tuple(pair for pair in late if not pair[0].startswith("user."))
        changed_owner = reached != (status.st_uid, status.st_gid)
        if permissions != stat.S_IMODE(status.st_mode) or (changed_owner and permissions & 0o6000):
            try:
                os.chmod(target, permissions)
            except NODE_FAULTS as fault:
                self._faults.node(path, "mode not set", fault)
        if late:
            self._set_xattrs(target, late, path)

    def _listed(self, target: Target, path: RelativePath) -> list[str]:
        try:
            return os.listxattr(target)
        except OSError as fault:
            if fault.errno != errno.ENOTSUP:
                self._faults.node(path, "extended attributes not listed", fault)
            return []

    def _remove_foreign(self, target: Target, listed: list[str], metadata: Metadata, path: RelativePath) -> None:
        wanted = {name for name, _ in metadata.xattrs}
        for name in listed:
            if name in wanted or not _is_removable(name):
                continue
            try:
                os.removexattr(target, name)
            except OSError as fault:
                self._xattr_fault(name, "not removed", path, fault)

    def _set_xattrs(self, target: Target, xattrs: tuple[tuple[str, bytes], ...], path: RelativePath) -> None:
        for name, value in xattrs:
            try:
                os.setxattr(target, name, value)
            except NODE_FAULTS as fault:
                self._xattr_fault(name, "not set", path, fault)

    def _xattr_fault(self, name: str, what: str, path: RelativePath, fault: Exception) -> None:
        """What the file system or the user's rights do not allow is told once per name, not once per file."""
        number = fault.errno if isinstance(fault, OSError) else None
        if number in _UNSUPPORTED and (number == errno.ENOTSUP or not self._privileged):
            if (name, number) in self._told:
                return
            self._told.add((name, number))
            what += " (here and wherever else it is refused)"
        self._faults.node(path, f"extended attribute {name} {what}", fault)


def _safe_permissions(metadata: Metadata, wanted: _Owner, reached: _Owner) -> int:
    permissions = metadata.permissions & 0o7777
    if metadata.kind == Kind.FILE:
        if wanted.uid != reached.uid:
            permissions &= ~stat.S_ISUID
        if wanted.gid != reached.gid:
            permissions &= ~stat.S_ISGID
    return permissions


def _is_removable(name: str) -> bool:
    return name.startswith(("user.", "trusted.")) or name in _ACL_NAMES or name == "security.capability"


def _uid_of(user: str, number: int) -> int:
    try:
        return pwd.getpwnam(user).pw_uid if user else number
    except (KeyError, ValueError):
        return number


def _gid_of(group: str, number: int) -> int:
    try:
        return grp.getgrnam(group).gr_gid if group else number
    except (KeyError, ValueError):
        return number
