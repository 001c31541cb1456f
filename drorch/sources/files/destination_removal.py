"""Removing at the destination what the snapshot does not have.

Never follows a symlink and never leaves the mounted file system it starts in, bind mounts included. Listing what is
extra and removing it are two things, so that a dry run removes nothing. No recursion: any depth works.
"""

import errno
import os
from collections.abc import Callable, Collection, Iterator

from drorch.sources.files.destination_faults import Faults
from drorch.sources.files.destination_handles import Folders, Handle, open_listed
from drorch.sources.files.placement import NODE_FAULTS, PARTIAL_PREFIX, Extra, Refused, RelativePath, partial_name

Meant = Callable[[Extra], bool]
"""Whether something extra is to be considered at all."""


def every(extra: Extra) -> bool:  # noqa: ARG001
    """All that is extra is meant."""
    return True


class Removal:
    """Lists and removes below one destination; faults of single nodes are reported and the rest goes on."""

    def __init__(self, folders: Folders, faults: Faults) -> None:
        self._folders = folders
        self._faults = faults

    def extras(self, path: RelativePath, keep: Collection[bytes], meant: Meant = every) -> list[Extra]:
        """What is `meant` of what the folder holds beside `keep`, ascending. Mount points are reported and left out.

        Partial files of names that are kept are not extra. A folder that does not exist has none.
        """
        try:
            folder = self._folders.open(path)
            names = sorted(_listing(folder))
        except FileNotFoundError:
            return []
        except NODE_FAULTS as fault:
            self._faults.node(path, "not listed", fault)
            return []
        kept = set(keep)
        if any(name.startswith(PARTIAL_PREFIX) for name, _ in names):
            kept |= {partial_name(name) for name in keep}
        extras = [Extra((*path, name), is_dir) for name, is_dir in names if name not in kept]
        return [one for one in extras if meant(one) and not (one.is_dir and self._is_mount(folder, one.path))]

    def remove(self, path: RelativePath) -> list[RelativePath]:
        """Remove a name with all below it; what was removed, contents before their folder.

        A mount point below it is reported and stays, with the folders it is in.
        """
        removed: list[RelativePath] = []
        kept: set[RelativePath] = set()
        waiting = [(path, False)]
        while waiting:
            current, emptied = waiting.pop()
            if emptied:
                self._finish_folder(current, removed, kept)
                continue
            content = self._unlink_or_list(current, removed, kept)
            if content is not None:
                waiting.append((current, True))
                waiting.extend(((*current, name), False) for name in content)
        return removed

    def _unlink_or_list(
        self, path: RelativePath, removed: list[RelativePath], kept: set[RelativePath]
    ) -> list[bytes] | None:
        """The names in a folder; None where there is nothing (more) to do."""
        try:
            if not path:
                raise Refused("the destination itself is not removed")
            parent = self._folders.open(path[:-1])
            try:
                os.unlink(path[-1], dir_fd=parent)
                removed.append(path)
                return None
            except IsADirectoryError:
                if not self._is_mount(parent, path):
                    return [name for name, _ in _listing(_open_below(parent, path[-1]))]
        except NODE_FAULTS as fault:
            self._faults.node(path, "not removed", fault)
        kept.update((path, path[:-1]))
        return None

    def _finish_folder(self, path: RelativePath, removed: list[RelativePath], kept: set[RelativePath]) -> None:
        if path in kept:
            kept.add(path[:-1])
            return
        try:
            os.rmdir(path[-1], dir_fd=self._folders.open(path[:-1]))
            self._folders.forget(path)
            removed.append(path)
        except NODE_FAULTS as fault:
            kept.add(path[:-1])
            self._faults.node(path, "not removed", fault)

    def _is_mount(self, parent: Handle, path: RelativePath) -> bool:
        try:
            mounted = _mount_of(parent) != _mount_of(_open_below(parent, path[-1]))
        except NODE_FAULTS as fault:
            self._faults.node(path, "left alone", fault)
            return True
        if mounted:
            self._faults.problem(path, "another file system is mounted here; left alone")
        return mounted


def _open_below(parent: Handle, name: bytes) -> Handle:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return Handle(os.open(name, flags, dir_fd=parent))


def _listing(folder: Handle) -> list[tuple[bytes, bool]]:
    return list(_entries(open_listed(folder)))


def _entries(listed: Handle) -> Iterator[tuple[bytes, bool]]:
    with os.scandir(listed) as entries:
        for entry in entries:
            yield os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)


def _mount_of(handle: Handle) -> tuple[int, bytes]:
    """Device and mount id: a bind mount shares the device. proc_pid_fdinfo(5), mnt_id."""
    number = b""
    try:
        descriptor = Handle(os.open(f"/proc/self/fdinfo/{int(handle)}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as fault:
        if fault.errno != errno.ENOENT:
            raise
    else:
        information = os.read(descriptor, 4096)
        number = next((line for line in information.splitlines() if line.startswith(b"mnt_id:")), b"")
    return os.fstat(handle).st_dev, number
