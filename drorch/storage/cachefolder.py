"""Copies of objects on a disk of this machine, each named by the hash of its content.

Promise: what is read here is what the name says, whatever became of the file; and a folder that is damaged, full or
denied costs speed and nothing else. Files are for their owner only. The folder may go at any time.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from drorch.clock import Clock
from drorch.storage.target import Buffer
from drorch.units import GIB

PACKS_LIMIT = 2 * GIB
"""Most bytes of packs that are kept, unless told otherwise: the trees of about ten million files."""

_TAG = "CACHEDIR.TAG"
_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by drorch. Whatever is here can be fetched again.\n"
_KEPT = re.compile(r"(index|snapshots|data/[0-9a-f]{2})/([0-9a-f]{64})")
_FOLDERS = ("index", "snapshots", "data")
_UNFINISHED = "-tmp-"
_ABANDONED_SECONDS = 3600.0

_Identity = tuple[int, int, int]


def is_kept(key: str) -> bool:
    """Whether objects of this key are kept: indexes, snapshots and packs, by their hash. Never keys, locks, config."""
    return _KEPT.fullmatch(key) is not None


class CacheFolder:
    """One folder. Safe to use from several threads, and by several processes at once.

    Of packs at most `limit` bytes are kept. The one that has not been used for longest goes first, and none goes that
    this process has used: where its own packs fill the folder, no more are taken in.
    """

    def __init__(self, path: Path, clock: Clock, limit: int = PACKS_LIMIT) -> None:
        self._path = path
        self._clock = clock
        self._limit = limit
        self._guard = threading.Lock()
        self._verified: dict[str, _Identity] = {}
        self._packs_size: int | None = None
        self._is_writable = True

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is no sound copy."""
        with contextlib.suppress(OSError), self._opened(key) as descriptor:
            if self._is_verified(key, descriptor) or self._verify(key, descriptor) is not None:
                return os.fstat(descriptor).st_size
        return None

    def read(self, key: str, offset: int, length: int | None) -> bytes | None:
        """A range of an object; None where there is no sound copy, or it does not reach that far.

        A whole object is verified each time. For ranges that is done once, as long as the file stays untouched.
        """
        end = None if length is None else offset + length
        with contextlib.suppress(OSError), self._opened(key) as descriptor:
            size = os.fstat(descriptor).st_size
            if max(offset, end or 0) > size:
                return None
            if (offset > 0 or end is not None) and self._is_verified(key, descriptor):
                found = os.pread(descriptor, (size if end is None else end) - offset, offset)
                return found if len(found) == (size if end is None else end) - offset else None
            content = self._verify(key, descriptor)
            return None if content is None else content[offset:end]
        return None

    def room_for(self, key: str, size: int) -> bool:
        """Whether an object of so many bytes may be put here; older packs may have to go for it."""
        with self._guard:
            if self._packs_size is None:
                self._prepare()
            if not self._is_writable:
                return False
            if not key.startswith("data/") or (self._packs_size or 0) + size <= self._limit:
                return True
            with contextlib.suppress(OSError):
                self._packs_size = self._make_room(self._limit - size)
            return (self._packs_size or 0) + size <= self._limit

    def put(self, key: str, data: Buffer) -> bool:
        """Keep an object, where there is room; whether its content is what its name says."""
        if hashlib.sha256(data).hexdigest() != _name(key):
            self.drop(key)
            return False
        size = memoryview(data).nbytes
        if self.room_for(key, size):
            try:
                self._write(key, data)
            except OSError:
                self._is_writable = False
            else:
                with self._guard:
                    self._packs_size = (self._packs_size or 0) + (size if key.startswith("data/") else 0)
        return True

    def drop(self, key: str) -> None:
        """Keep an object no longer."""
        with self._guard:
            self._verified.pop(key, None)
        with contextlib.suppress(OSError):
            self._file(key).unlink()

    def keys(self, prefix: str) -> set[str]:
        """The keys below a prefix of a target ("index", "data/ab") of which there are copies, sound or not."""
        folder, _, fan_out = prefix.partition("/")
        if folder not in _FOLDERS:
            return set()
        names = {name for name in self._names(folder) if name.startswith(fan_out)}
        keys = {f"data/{name[:2]}/{name}" if folder == "data" else f"{folder}/{name}" for name in names}
        return set(filter(is_kept, keys))

    def _file(self, key: str) -> Path:
        return self._path / key.partition("/")[0] / _name(key)

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        descriptor = os.open(self._file(key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _is_verified(self, key: str, descriptor: int) -> bool:
        return self._verified.get(key) == _identity(descriptor)

    def _verify(self, key: str, descriptor: int) -> bytes | None:
        """The content of a file, if it is what its name says; it counts as used now. Otherwise the file goes."""
        with contextlib.suppress(OSError):
            os.utime(descriptor)
        identity = _identity(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != _name(key):
            self.drop(key)
            return None
        with self._guard:
            self._verified[key] = identity
        return content

    def _write(self, key: str, data: Buffer) -> None:
        file = self._file(key)
        descriptor, unfinished = tempfile.mkstemp(prefix=f"{file.name}{_UNFINISHED}", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as output:
                output.write(data)
                output.flush()
                identity = _identity(descriptor)
            Path(unfinished).rename(file)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
        with self._guard:
            self._verified[key] = identity

    def _prepare(self) -> None:
        """Make the folders, clear away what killed processes left, and see how much there is."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in _FOLDERS:
                (self._path / folder).mkdir(mode=0o700, exist_ok=True)
            if not (self._path / _TAG).exists():
                (self._path / _TAG).write_bytes(_SIGNATURE)
            self._remove_abandoned()
            self._packs_size = sum(size for _, size, _ in self._packs())
        except OSError:
            self._is_writable = False
            self._packs_size = 0

    def _remove_abandoned(self) -> None:
        limit = self._clock.now().timestamp() - _ABANDONED_SECONDS
        for folder in _FOLDERS:
            for name in self._names(folder):
                file = self._path / folder / name
                with contextlib.suppress(OSError):
                    if _UNFINISHED in name and file.stat().st_mtime < limit:
                        file.unlink()

    def _make_room(self, most: int) -> int:
        """Remove packs that this process has not used until `most` bytes are left; how many are left."""
        packs = sorted(self._packs())
        left = sum(size for _, size, _ in packs)
        for _, size, name in packs:
            if left <= most:
                break
            if f"data/{name[:2]}/{name}" not in self._verified:
                (self._path / "data" / name).unlink(missing_ok=True)
                left -= size
        return left

    def _packs(self) -> Iterator[tuple[float, int, str]]:
        """When each pack was used last, its size in bytes, and its name."""
        with os.scandir(self._path / "data") as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield status.st_mtime, status.st_size, entry.name

    def _names(self, folder: str) -> list[str]:
        try:
            return [file.name for file in (self._path / folder).iterdir()]
        except OSError:
            return []


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _identity(descriptor: int) -> _Identity:
    """What changes when a file is replaced or written to."""
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size, status.st_mtime_ns
