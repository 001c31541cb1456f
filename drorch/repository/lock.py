"""Locks: how clients of one repository keep out of each other's way. docs/FORMAT.md, "Locks".

A lock is a file that its holder renews. restic's `unlock` sends SIGHUP to the holder to see whether it lives, so
SIGHUP is ignored while a lock is held.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any

from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, ObjectMissing, RepositoryLocked, TargetDenied
from drorch.process.identity import ProcessIdentity, is_gone, own_identity, user_name
from drorch.repository import timestamps
from drorch.repository.gojson import encode
from drorch.repository.layout import FileKind, key_of, stored_ids
from drorch.repository.sealedfile import SealedFiles
from drorch.storage.target import Target

REFRESH_SECONDS = 5 * 60.0
EXPIRY_SECONDS = 22.5 * 60.0
"""A holder that could not renew its lock for this long must stop: others may soon call it stale."""

STALE_SECONDS = 30 * 60.0
_SETTLE_SECONDS = 0.2
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class LockFile:
    """One lock as it is stored. `identity` names the process beyond doubt where drorch wrote the lock."""

    id: bytes
    time: int
    exclusive: bool
    hostname: str
    username: str
    pid: int
    identity: ProcessIdentity | None

    def describe(self) -> str:
        """Who holds it, since when."""
        kind = "exclusively " if self.exclusive else ""
        since = timestamps.to_datetime(self.time).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"locked {kind}by process {self.pid} of {self.username}@{self.hostname} since {since}"

    def is_provably_gone(self) -> bool:
        """Whether its writer cannot be alive any more. The host name must agree too: machines are cloned."""
        return self.identity is not None and self.hostname == socket.gethostname() and is_gone(self.identity)

    def is_stale(self, now: int) -> bool:
        """restic's rule: not renewed for 30 minutes, or of this host and its process does not exist."""
        if now - self.time > STALE_SECONDS * 1e9:
            return True
        return self.hostname == socket.gethostname() and not _process_exists(self.pid)


class LockFolder:
    """The locks of one repository."""

    def __init__(self, target: Target, files: SealedFiles, clock: Clock) -> None:
        self._target = target
        self._files = files
        self._clock = clock

    def now(self) -> int:
        """The present in nanoseconds since 1970."""
        return timestamps.from_datetime(self._clock.now())

    def read(self) -> Iterator[LockFile]:
        """All locks. Empty files and ones that vanish meanwhile are skipped.

        Raises `RepositoryLocked` for a lock that cannot be read: it may be anybody's.
        """
        for lock_id, item in list(stored_ids(self._target, FileKind.LOCK)):
            if item.size == 0:
                continue
            try:
                document = self._files.load_if_there(FileKind.LOCK, lock_id)
            except IntegrityError as fault:
                raise RepositoryLocked(f"lock {lock_id.hex()[:16]} cannot be read", hint=_UNLOCK_ALL) from fault
            if document is not None:
                yield _decode(lock_id, document)

    def write(self, exclusive: bool) -> bytes:
        """Store a lock of this process; its id."""
        identity = own_identity()
        fields = {
            "time": timestamps.format_local(self.now()),
            "exclusive": exclusive,
            "hostname": socket.gethostname(),
            "username": user_name(),
            "pid": os.getpid(),
            **({"uid": os.getuid()} if os.getuid() else {}),
            **({"gid": os.getgid()} if os.getgid() else {}),
            "drorch": {
                "machine": identity.machine,
                "boot": identity.boot,
                "namespace": identity.namespace,
                "pid": identity.pid,
                "started": identity.started,
            },
        }
        return self._files.save(FileKind.LOCK, encode(fields))

    def remove(self, lock_id: bytes) -> None:
        """Remove a lock; a missing one is fine."""
        self._files.remove(FileKind.LOCK, lock_id)

    def exists(self, lock_id: bytes) -> bool:
        """Whether a lock is still there."""
        try:
            return self._target.stat(key_of(FileKind.LOCK, lock_id)).size > 0
        except ObjectMissing:
            return False

    def conflicts(self, exclusive: bool, own: bytes | None = None) -> list[LockFile]:
        """The locks of others that forbid a new one. Any lock whose writer is provably gone is removed."""
        found = []
        for lock in self.read():
            if lock.id == own:
                continue
            if lock.is_provably_gone():
                # Where removing is denied and the lock is in nobody's way, it stays.
                with contextlib.suppress(TargetDenied):
                    self.remove(lock.id)
            elif exclusive or lock.exclusive:
                found.append(lock)
        return found


_UNLOCK = "Wait for it to end; if that process is gone, type: drorch unlock"
_UNLOCK_ALL = "If no other client is at work, type: drorch unlock --remove-all"


class Lock:
    """A lock this process holds, renewed in the background until released.

    As a context manager it is acquired on entry and released on exit, whatever happened.
    """

    def __init__(self, folder: LockFolder, exclusive: bool, retry_for: timedelta, clock: Clock) -> None:
        self._folder = folder
        self._exclusive = exclusive
        self._retry_for = retry_for
        self._clock = clock
        self._id: bytes | None = None
        self._superseded: list[bytes] = []
        self._renewed = 0.0
        self._guard = threading.Lock()
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._keep_renewing, name="lock renewer", daemon=True)
        self._settler = threading.Thread(target=self._settle_beside, name="lock settler", daemon=True)
        self._conflict: DrorchError | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Lock":
        """Acquire. Raises `RepositoryLocked` where another client's lock conflicts and does not go in time.

        A shared lock settles while its holder begins to read: `wait_until_settled` tells whether another client came
        at the very same time. docs/adr/0008-shared-locks-settle-beside-the-work.md.
        """
        self._stack.enter_context(_hangups_ignored())
        try:
            self._acquire()
        except BaseException:
            self._stack.close()
            raise
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release. A target that does not answer any more does not hide what went wrong before."""
        self._released.set()
        self._renewer.join()
        if self._settler.ident is not None:
            self._settler.join()
        with self._stack:
            try:
                if self._id is not None:
                    self._folder.remove(self._id)
                self._remove_superseded()
            except DrorchError:
                if fault is None:
                    raise

    def _acquire(self) -> None:
        deadline = self._clock.monotonic() + self._retry_for.total_seconds()
        wait = _FIRST_RETRY_SECONDS
        while True:
            try:
                self._try_to_acquire()
                return
            except RepositoryLocked:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise
                self._clock.sleep(min(wait, left))
                wait = min(2 * wait, _LAST_RETRY_SECONDS)

    def _try_to_acquire(self) -> None:
        _refuse(self._folder.conflicts(self._exclusive))
        lock_id = self._folder.write(self._exclusive)
        self._id = lock_id
        self._renewed = self._clock.monotonic()
        if not self._exclusive and not self._retry_for:
            self._settler.start()
            return
        try:
            self._clock.sleep(_SETTLE_SECONDS)
            _refuse(self._folder.conflicts(self._exclusive, own=lock_id))
        except BaseException:
            self._id = None
            self._folder.remove(lock_id)
            raise

    def _settle_beside(self) -> None:
        # A reader that is done sooner may leave: whoever came at the same time still waits before it removes anything.
        if self._released.wait(_SETTLE_SECONDS):
            return
        try:
            _refuse(self._folder.conflicts(self._exclusive, own=self._id))
        except DrorchError as fault:
            self._conflict = fault

    def wait_until_settled(self) -> None:
        """Return once nobody who came at the same time can have been overlooked; to be called before every write.

        Raises `RepositoryLocked` where somebody did come.
        """
        if self._settler.ident is not None:
            self._settler.join()
        if self._conflict is not None:
            raise self._conflict

    def assert_held(self) -> None:
        """Raise `RepositoryLocked` where the lock was taken away, or could not be renewed for too long.

        To be called before every commit: without the lock, another client may be deleting what we wrote.
        """
        self.wait_until_settled()
        with self._guard:
            expired = self._clock.monotonic() - self._renewed > EXPIRY_SECONDS
            if self._id is None or expired or not self._folder.exists(self._id):
                raise RepositoryLocked(
                    "the lock of this run has been taken away, so nothing more is written",
                    hint="Somebody removed it (unlock --remove-all?); run drorch check, then start again.",
                )

    def renew(self) -> None:
        """Write the lock anew with the present time, then remove the old one."""
        with self._guard:
            old = self._id
            if old is None or not self._folder.exists(old):
                return
            self._id = self._folder.write(self._exclusive)
            self._renewed = self._clock.monotonic()
            self._superseded.append(old)
            self._remove_superseded()

    def _remove_superseded(self) -> None:
        # One that could not be removed is kept in mind: left behind, it would block others long after the run.
        while self._superseded:
            self._folder.remove(self._superseded[-1])
            self._superseded.pop()

    def _keep_renewing(self) -> None:
        while not self._released.wait(REFRESH_SECONDS):
            # A renewal that fails is tried again; assert_held stops the writer when that goes on for too long.
            with contextlib.suppress(DrorchError):
                self.renew()


def _refuse(conflicts: list[LockFile]) -> None:
    if conflicts:
        raise RepositoryLocked(f"the repository is {conflicts[0].describe()}", hint=_UNLOCK)


@contextlib.contextmanager
def _hangups_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous if previous is not None else signal.SIG_DFL)


def _decode(lock_id: bytes, fields: Mapping[str, Any]) -> LockFile:
    try:
        return LockFile(
            id=lock_id,
            time=timestamps.parse(fields["time"]),
            exclusive=bool(fields["exclusive"]),
            hostname=str(fields.get("hostname") or ""),
            username=str(fields.get("username") or ""),
            pid=int(fields.get("pid") or 0),
            identity=_decode_identity(fields.get("drorch")),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise RepositoryLocked(f"lock {lock_id.hex()[:16]} cannot be understood", hint=_UNLOCK_ALL) from fault


def _decode_identity(fields: Mapping[str, Any] | None) -> ProcessIdentity | None:
    if fields is None:
        return None
    identity = ProcessIdentity(**fields)
    texts = (identity.machine, identity.boot, identity.namespace)
    numbers = (identity.pid, identity.started)
    if not all(type(text) is str for text in texts) or not all(type(number) is int for number in numbers):
        raise TypeError("its process is not named as processes are")
    return identity


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
