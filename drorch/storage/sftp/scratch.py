"""A scratch place in a folder behind an SSH server, and what such folders can do beside the contract.

The promise: it makes one new folder in a folder that is there, and takes nothing else away again.
"""

import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from drorch.errors import TargetError, TargetMissing
from drorch.storage.abilities import Abilities, Leftover, NotOffered, Space
from drorch.storage.sftp import files, folders
from drorch.storage.sftp.carriers import carrier_for
from drorch.storage.sftp.faults import SftpFaults
from drorch.storage.sftp.packets import Code, Kind, Refused, SessionLost, mode_attributes, text
from drorch.storage.sftp.pool import SessionPool
from drorch.storage.sftp.session import SftpSession
from drorch.storage.sftp.settings import SftpSettings
from drorch.storage.sftp.target import SftpTarget


class SftpScratch:
    """A new folder `name` inside the one in `settings`, which is where a repository is or will be."""

    def __init__(self, settings: SftpSettings, name: str) -> None:
        """Connects when it is first used. Raises what `SftpTarget` raises."""
        self.target = SftpTarget(replace(settings, path=posixpath.join(settings.folder, name)))
        self.name = self.target.properties.description
        self.abilities = Abilities(clocked=self, spacious=self)
        self._parent = _path(settings.folder)
        self._root = _path(self.target.root)
        self._faults = SftpFaults(self.name, settings.shell, settings.folder)
        self._pool = SessionPool(carrier_for(settings), 1)

    def prepare(self) -> None:
        """See `ScratchPlace`. The folders of a repository come with what is saved, after `config`."""
        with self._session("a scratch folder cannot be made") as session:
            (status,) = files.stat_all(session, [self._parent])
            if status is None or not status.is_folder:
                raise TargetMissing(
                    f"target {self.name}: the folder it is to be made in does not exist",
                    hint="mount its disk there, or make the folder",
                )
            session.do(Kind.MKDIR, text(self._root), mode_attributes(0o700))

    def discard(self) -> Sequence[Leftover]:
        """See `ScratchPlace`."""
        try:
            with self._session("its scratch folder cannot be removed") as session:
                return tuple(_emptied(session, self._root))
        except TargetError as fault:
            return (Leftover(self.name, fault.message),)
        finally:
            self.target.close()
            self._pool.close()

    def time_there(self) -> datetime:
        """See `Clocked`: when a file that is made now was made, in whole seconds."""
        path = self._root + b"/time"
        with self._session("its clock cannot be read") as session:
            session.close_handle(files.create_file(session, path, 0o600))
            try:
                return datetime.fromtimestamp(files.stat(session, path).modified, UTC)
            finally:
                files.remove(session, path)

    def space(self) -> Space:
        """See `Spacious`."""
        with self._session("its room cannot be asked for") as session:
            found = files.room(session, self._root)
        if found is None:
            raise NotOffered(f"target {self.name}: the server does not tell how much room there is")
        return Space(found.free_bytes)

    @contextlib.contextmanager
    def _session(self, consequence: str) -> Iterator[SftpSession]:
        try:
            with self._pool.session() as session:
                yield session
        except Refused as refusal:
            raise self._faults.refused(consequence, refusal, None, 0) from refusal
        except SessionLost as fault:
            raise self._faults.lost(consequence, fault) from fault


def _path(path: str) -> bytes:
    return path.encode("utf-8", errors="surrogateescape")


def _emptied(session: SftpSession, folder: bytes) -> Iterator[Leftover]:
    """Remove a folder with all that is in it; what stays. Links are removed, not followed."""
    (entries,) = folders.list_folders(session, [folder])
    for name, status in entries:
        if name in (".", ".."):
            continue
        path = folder + b"/" + _path(name)
        if status.is_folder:
            yield from _emptied(session, path)
        else:
            yield from _gone(session, Kind.REMOVE, path)
    yield from _gone(session, Kind.RMDIR, folder)


def _gone(session: SftpSession, kind: Kind, path: bytes) -> Iterator[Leftover]:
    refusal = session.refusal(session.ask(kind, text(path)))
    if refusal is not None and refusal.code != Code.NO_SUCH_FILE:
        yield Leftover(path.decode("utf-8", errors="surrogateescape"), refusal.text.lower())
