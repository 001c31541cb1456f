"""A target in a folder of this machine: restic's filesystem layout, to the mode (docs/FORMAT.md, "Names").

What `save` promises: an object is there whole and synced, or not at all, whatever kills the process or the
machine; and an empty mount point is never mistaken for the disk that belongs on it.
"""

import contextlib
import errno
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from drorch.errors import ObjectMissing, TargetDenied, TargetError, TargetFull, TargetUnavailable
from drorch.storage.keys import FOLDERS, check_key, check_prefix, check_range, is_fan_out, is_part, is_unfinished
from drorch.storage.target import Buffer, StoredObject, TargetProperties

_FAN_OUT = tuple(f"{number:02x}" for number in range(256))

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_ABSENT = (FileNotFoundError, NotADirectoryError)
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})


class LocalTarget:
    """Objects are files below `root`, which may be a symlink. Safe among threads, processes and restic itself."""

    def __init__(self, path: Path) -> None:
        self.root = path.absolute()
        self._properties = TargetProperties(description=str(self.root), connections=4)

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._properties

    def create(self) -> None:
        """Make the root, restic's five folders and the 256 below `data`, only for the owner unless `config` says so.

        What exists stays as it is. Raises `TargetError`.
        """
        with self.translated("its folders cannot be created"):
            shared = self._is_shared()
            missing = [self.root, *self.root.parents]
            for folder in reversed([path for path in missing if not path.exists()]):
                _make_folder(folder, shared=False)
                _sync_folder(folder.parent)
            for folder in [self.root / name for name in FOLDERS] + [self.root / "data" / name for name in _FAN_OUT]:
                _make_folder(folder, shared=shared)
            _sync_folder(self.root / "data")
            _sync_folder(self.root)

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`. A folder that is missing is made where the root holds a `config`."""
        check_key(key)
        path = self.root / key
        temporary = path.with_name(f"{path.name}-tmp-{secrets.randbelow(10**12)}")
        with self.translated(f"{key} cannot be saved"):
            descriptor = self._create_file(key, temporary)
            try:
                try:
                    _write_all(descriptor, data)
                    _set_mode(descriptor, 0o440 if self._is_shared() else 0o400)
                    _sync(descriptor)
                finally:
                    os.close(descriptor)
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
            _sync_folder(path.parent)

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`. A short file may also be one that rustic, which writes in place, has not finished."""
        check_key(key)
        check_range(offset, length)
        with self.translated(f"{key} cannot be read", absent=key):
            descriptor = os.open(self.root / key, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                size = self._size_of(key, os.fstat(descriptor))
                end = max(offset, size) if length is None else offset + length
                if end > size:
                    raise self._too_short(key, end, size)
                data = _read_exactly(descriptor, offset, end - offset)
            finally:
                os.close(descriptor)
            if len(data) < end - offset:
                raise self._too_short(key, end, offset + len(data))
            return data

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        check_key(key)
        with self.translated(f"{key} cannot be looked at", absent=key):
            return StoredObject(key, self._size_of(key, (self.root / key).stat()))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`. Only regular files count, and below `data` only those in its 256 folders."""
        check_prefix(prefix)
        return self._walk(prefix)

    def remove(self, key: str) -> None:
        """See `Target`. A file that is read-only is removed all the same: the folder's rights decide."""
        check_key(key)
        with self.translated(f"{key} cannot be removed"), contextlib.suppress(*_ABSENT):
            (self.root / key).unlink()

    def close(self) -> None:
        """Nothing to give back."""

    def remove_abandoned(self, older_than_seconds: float, now: datetime) -> int:
        """Remove temporary files that killed writers left, untouched for so long; how many there were.

        A temporary file that is younger may belong to a writer at work. Raises `TargetError`.
        """
        limit = now.timestamp() - older_than_seconds
        count = 0
        with self.translated("abandoned temporary files cannot be removed"):
            for folder in [self.root, *(self.root / name for name in FOLDERS), *_fan_out_folders(self.root)]:
                for entry in _scan(folder):
                    if not is_unfinished(entry.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode) and status.st_mtime < limit:
                            Path(entry.path).unlink()
                            count += 1
        return count

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        with self.translated(f"{prefix} cannot be listed"):
            folders = _fan_out_folders(self.root) if prefix == "data" else [self.root / prefix]
            for folder in folders:
                start = f"data/{folder.name}/" if prefix == "data" else f"{prefix}/"
                for entry in _scan(folder):
                    if not is_part(entry.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            yield StoredObject(start + entry.name, status.st_size)

    def _is_shared(self) -> bool:
        """Whether the group may read the repository: it may read `config` (restic's rule)."""
        try:
            return bool((self.root / "config").stat().st_mode & stat.S_IRGRP)
        except _ABSENT:
            return False

    def _create_file(self, key: str, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError as fault:
            if not (self.root / "config").is_file():
                raise TargetUnavailable(
                    f"target {self.root}: {key} cannot be saved: there is no repository here (any more)",
                    hint=f"check that its disk is mounted: findmnt -T {self._quoted}",
                ) from fault
        shared = self._is_shared()
        for folder in [above for above in reversed(path.parents) if self.root in above.parents]:
            _make_folder(folder, shared=shared)
            _sync_folder(folder.parent)
        return os.open(path, flags, 0o600)

    def _size_of(self, key: str, status: os.stat_result) -> int:
        if not stat.S_ISREG(status.st_mode):
            raise self._missing(key)
        return status.st_size

    @contextlib.contextmanager
    def translated(self, consequence: str, *, absent: str | None = None) -> Iterator[None]:
        """Operating system errors in the block become `TargetError`s; `absent` is the key that a missing file means."""
        try:
            yield
        except OSError as fault:
            if absent is not None and isinstance(fault, _ABSENT):
                raise self._missing(absent) from fault
            raise self._translate(consequence, fault) from fault

    def _translate(self, consequence: str, fault: OSError) -> TargetError:
        reason = (fault.strerror or str(fault)).lower()
        message = f"target {self.root}: {consequence}: {reason}"
        if fault.errno in _FULL:
            hint = f"free space, or raise the quota or file size limit: df -h {self._quoted}; quota; ulimit -f"
            return TargetFull(message, hint=hint)
        if fault.errno == errno.EROFS:
            return TargetDenied(message, hint=f"mount it writable; how it is mounted: findmnt -T {self._quoted}")
        if fault.errno in _DENIED:
            hint = f"run as the user who owns the repository; who that is: ls -ld {self._quoted}"
            return TargetDenied(message, hint=hint)
        hint = f"check that its disk is mounted and sound: findmnt -T {self._quoted}; dmesg | tail"
        return TargetUnavailable(message, hint=hint)

    def _missing(self, key: str) -> ObjectMissing:
        hint = f"check that the path is right and its disk is mounted: findmnt -T {self._quoted}"
        return ObjectMissing(f"target {self.root}: there is no {key}", hint=hint)

    def _too_short(self, key: str, wanted: int, size: int) -> TargetUnavailable:
        return TargetUnavailable(
            f"target {self.root}: {key} has {size} bytes, wanted those up to {wanted}",
            hint="another program may be writing it: try again, and if it stays so, run drorch check",
        )

    @property
    def _quoted(self) -> str:
        return shlex.quote(str(self.root))


def _write_all(descriptor: int, data: Buffer) -> None:
    with memoryview(data).cast("B") as view:
        done = 0
        while done < len(view):
            done += os.write(descriptor, view[done:])


def _read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """So many bytes, or fewer where the file ends before. One system call may return less than it was asked for."""
    first = os.pread(descriptor, length, offset)
    if len(first) == length:
        return first
    pieces, done = [first], len(first)
    while pieces[-1] and done < length:
        pieces.append(os.pread(descriptor, length - done, offset + done))
        done += len(pieces[-1])
    return b"".join(pieces)


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds; nothing where it is missing or no folder."""
    try:
        found = os.scandir(folder)
    except _ABSENT:
        return
    with found:
        yield from found


def _fan_out_folders(root: Path) -> list[Path]:
    data = root / "data"
    return [data / entry.name for entry in _scan(data) if is_fan_out(entry.name)]


def _make_folder(path: Path, *, shared: bool) -> None:
    """Make a folder unless there is one; 0700, or 0770 where the group shares the repository."""
    try:
        path.mkdir(0o700)
    except FileExistsError:
        if path.is_dir():
            return
        raise
    if shared:
        inherited = path.stat().st_mode & stat.S_ISGID
        with _where_supported(), contextlib.suppress(PermissionError):
            path.chmod(0o770 | inherited)


def _set_mode(descriptor: int, mode: int) -> None:
    with _where_supported(), contextlib.suppress(PermissionError):
        os.fchmod(descriptor, mode)


def _sync(descriptor: int) -> None:
    with _where_supported():
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _where_supported() -> Iterator[None]:
    """Some file systems know no modes or no fsync, FUSE and SMB mounts among them; restic goes on there too."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in _UNSUPPORTED:
            raise
