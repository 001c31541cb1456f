"""A target in a folder behind an SSH server: restic's sftp layout (docs/FORMAT.md, "Names").

What `save` promises: an object is there whole or not at all, whatever breaks, and synced where the server can;
and an empty mount point on the server is never mistaken for the disk that belongs on it.
"""

import contextlib
import secrets
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime

from drorch.errors import TargetError
from drorch.storage.keys import FOLDERS, check_key, check_prefix, check_range, is_fan_out, is_part, is_unfinished
from drorch.storage.sftp import files, folders
from drorch.storage.sftp.carriers import carrier_for
from drorch.storage.sftp.faults import SftpFaults
from drorch.storage.sftp.packets import Code, FileStatus, Refused, Room, SessionLost
from drorch.storage.sftp.pool import SessionPool
from drorch.storage.sftp.session import QUESTIONS_AHEAD, SftpSession
from drorch.storage.sftp.settings import SftpSettings
from drorch.storage.target import Buffer, StoredObject, TargetProperties

_FAN_OUT = tuple(f"data/{number:02x}" for number in range(256))


class SftpTarget:
    """Objects are files below `root`, as the server names it. Safe among threads, processes and restic itself."""

    def __init__(self, settings: SftpSettings) -> None:
        """Connects when it is first used. Raises `ConfigError` where the settings contradict each other."""
        place = f"sftp:{settings.login}:{settings.path}"
        if settings.port is not None:
            place = f"sftp://{settings.login}:{settings.port}/{settings.path}"
        self.root = settings.folder
        self._properties = TargetProperties(description=place, connections=settings.connections)
        self._faults = SftpFaults(place, settings.shell, self.root)
        self._pool = SessionPool(carrier_for(settings), settings.connections)
        self._shared: bool | None = None

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._properties

    def create(self) -> None:
        """Make the root, restic's five folders and the 256 below `data`, only for the owner unless `config` says so.

        What exists stays as it is. Raises `TargetError`.
        """
        with self._session("its folders cannot be created") as session:
            above = _ancestors(self._path(""))
            for folder, status in zip(above, files.stat_all(session, above), strict=True):
                if status is None:
                    self._make(session, [folder], shared=False)
            self._make(session, [self._path(name) for name in (*FOLDERS, *_FAN_OUT)], shared=self._is_shared(session))
            for name in ("data", ""):
                files.sync_folder(session, self._path(name))

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`. A folder that is missing is made where the root holds a `config`."""
        check_key(key)
        path = self._path(key)
        temporary = path + b"-restic-temp-" + secrets.token_hex(16).encode()
        consequence = f"{key} cannot be saved"
        with memoryview(data).cast("B") as view, self._session(consequence) as session:
            shared = self._is_shared(session)
            handle = self._create_file(session, key, temporary, shared=shared)
            opening = files.open_for_sync(session, path.rpartition(b"/")[0])
            try:
                try:
                    files.write_and_close(session, handle, view, 0o440 if shared else None)
                except Refused:
                    if opening is not None:
                        session.forget(opening)
                    raise
                files.replace(session, temporary, path, opening)
            except Refused as refusal:
                # Asked before the unfinished file is gone: it is what fills the disk.
                error = self._translate(session, consequence, refusal, len(view))
                with contextlib.suppress(Refused):
                    files.remove(session, temporary)
                raise error from refusal

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`. A short file may also be one that rustic, which writes in place, has not finished."""
        check_key(key)
        check_range(offset, length)
        with self._session(f"{key} cannot be read", absent=key) as session:
            status, handle = files.open_for_reading(session, self._path(key))
            if handle is None:
                raise self._faults.missing(key)
            try:
                return self._read(session, handle, key, (offset, length, status.size))
            finally:
                with contextlib.suppress(SessionLost):
                    session.close_handle(handle)

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        check_key(key)
        with self._session(f"{key} cannot be looked at", absent=key) as session:
            status = files.stat(session, self._path(key))
            if not status.is_file:
                raise self._faults.missing(key)
            return StoredObject(key, status.size)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`. Only regular files count, and below `data` only those in its 256 folders."""
        check_prefix(prefix)
        return self._walk(prefix)

    def remove(self, key: str) -> None:
        """See `Target`. A file that is read-only is removed all the same: the folder's rights decide."""
        check_key(key)
        with self._session(f"{key} cannot be removed") as session:
            files.remove_if_there(session, self._path(key))

    def close(self) -> None:
        """End all connections."""
        self._pool.close()

    def room(self) -> Room | None:
        """How much room the server's disk has; None where it does not tell. Raises `TargetError`."""
        with self._session("its room cannot be seen") as session:
            return files.room(session, self._path(""))

    def remove_abandoned(self, older_than_seconds: float, now: datetime) -> int:
        """Remove temporary files that killed writers left, untouched for so long; how many there were.

        A temporary file that is younger may belong to a writer at work. Raises `TargetError`.
        """
        limit = now.timestamp() - older_than_seconds
        count = 0
        with self._session("abandoned temporary files cannot be removed") as session:
            for batch in folders.batches([self._path(name) for name in ("", *FOLDERS, *_FAN_OUT)]):
                for folder, entries in zip(batch, folders.list_folders(session, batch), strict=True):
                    for name, status in entries:
                        if is_unfinished(name) and stat.S_ISREG(status.mode) and status.modified < limit:
                            files.remove_if_there(session, folder + b"/" + name.encode())
                            count += 1
        return count

    def _read(self, session: SftpSession, handle: bytes, key: str, wanted: tuple[int, int | None, int]) -> bytes:
        """The bytes of an open file; `wanted` is the offset, the length, and the size that the file seems to have."""
        offset, length, size = wanted
        while True:
            end = max(offset, size) if length is None else offset + length
            if end > size:
                raise self._faults.too_short(key, end, size)
            now, data = files.read_range(session, handle, offset, end - offset)
            if now > size and length is None:
                # Another file has taken the name since it was looked at.
                size = now
                continue
            if length is not None and len(data) < length:
                raise self._faults.too_short(key, end, offset + len(data))
            return bytes(data)

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        names = [prefix]
        if prefix == "data":
            with self._session("data cannot be listed") as session:
                (entries,) = folders.list_folders(session, [self._path("data")])
            names = [f"data/{name}" for name, _ in entries if is_fan_out(name)]
        for start in range(0, len(names), QUESTIONS_AHEAD):
            yield from self._list_some(prefix, names[start : start + QUESTIONS_AHEAD])

    def _list_some(self, prefix: str, names: Sequence[str]) -> Sequence[StoredObject]:
        with self._session(f"{prefix} cannot be listed") as session:
            found: dict[str, FileStatus | None] = {}
            listed = folders.list_folders(session, [self._path(name) for name in names])
            for folder, entries in zip(names, listed, strict=True):
                found.update({f"{folder}/{name}": status for name, status in entries if is_part(name)})
            links = [key for key, status in found.items() if status is not None and stat.S_ISLNK(status.mode)]
            found.update(zip(links, files.stat_all(session, [self._path(key) for key in links]), strict=True))
        return [
            StoredObject(key, status.size) for key, status in found.items() if status is not None and status.is_file
        ]

    def _path(self, key: str) -> bytes:
        """Where a key is on the server; "" is the root."""
        root = self.root.encode("utf-8", errors="surrogateescape")
        return root if not key else root.rstrip(b"/") + b"/" + key.encode()

    def _is_shared(self, session: SftpSession) -> bool:
        """Whether the group may read the repository: it may read `config` (restic's rule). Asked once."""
        if self._shared is None:
            (status,) = files.stat_all(session, [self._path("config")])
            if status is None:
                return False
            self._shared = bool(status.mode & stat.S_IRGRP)
        return self._shared

    def _create_file(self, session: SftpSession, key: str, path: bytes, *, shared: bool) -> bytes:
        mode = 0o440 if shared else 0o400
        try:
            return files.create_file(session, path, mode)
        except Refused as refusal:
            if refusal.code != Code.NO_SUCH_FILE:
                raise
            (config,) = files.stat_all(session, [self._path("config")])
            if config is None or not config.is_file:
                raise self._faults.no_repository(f"{key} cannot be saved") from refusal
        parts = key.split("/")[:-1]
        for depth in range(len(parts)):
            self._make(session, [self._path("/".join(parts[: depth + 1]))], shared=shared)
            files.sync_folder(session, self._path("/".join(parts[:depth])))
        return files.create_file(session, path, mode)

    def _make(self, session: SftpSession, paths: Sequence[bytes], *, shared: bool) -> None:
        """Make folders unless they exist; 0700, or 0770 where the group shares the repository. Raises `Refused`."""
        told = dict(zip(paths, folders.make_folders(session, paths, 0o700), strict=True))
        statuses = dict(zip(paths, files.stat_all(session, paths), strict=True))
        for path, refusal in told.items():
            status = statuses[path]
            if refusal is not None and status is None:
                raise refusal
            if status is not None and not status.is_folder:
                raise self._faults.no_folder("its folders cannot be created")
        if shared:
            made = {path: statuses[path] for path, refusal in told.items() if refusal is None}
            modes = {path: 0o770 | status.mode & stat.S_ISGID for path, status in made.items() if status is not None}
            folders.set_modes(session, modes)

    @contextlib.contextmanager
    def _session(self, consequence: str, *, absent: str | None = None) -> Iterator[SftpSession]:
        """A session; its faults become drorch's errors. `absent` is the key that a missing file means."""
        try:
            with self._pool.session() as session:
                try:
                    yield session
                except Refused as refusal:
                    if absent is not None and refusal.code == Code.NO_SUCH_FILE:
                        raise self._faults.missing(absent) from refusal
                    raise self._translate(session, consequence, refusal) from refusal
        except SessionLost as fault:
            raise self._faults.lost(consequence, fault) from fault

    def _translate(self, session: SftpSession, consequence: str, refusal: Refused, wanted: int = 0) -> TargetError:
        room = files.room(session, self._path("")) if refusal.code == Code.FAILURE else None
        return self._faults.refused(consequence, refusal, room, wanted)


def _ancestors(path: bytes) -> list[bytes]:
    """A path and what is above it, from the top down; of a relative one, only as far as it goes."""
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts) + 1) if any(parts[:count])] or [path]
