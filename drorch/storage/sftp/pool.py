"""The connections to one server: made when they are needed, kept while they live, never more than allowed.

Promise: after a connection was lost, the next one that is given out stands.
"""

import contextlib
import threading
from collections.abc import Iterator

from drorch.errors import DrorchError, TargetUnavailable
from drorch.storage.sftp.packets import Refused, SessionLost
from drorch.storage.sftp.session import SftpSession
from drorch.storage.sftp.streams import Carrier


class SessionPool:
    """Sessions for several threads, one each."""

    def __init__(self, carrier: Carrier, connections: int) -> None:
        self._carrier = carrier
        self._free = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[SftpSession] = []
        self._is_closed = False

    @contextlib.contextmanager
    def session(self) -> Iterator[SftpSession]:
        """A session for the block alone; another thread's turn is waited for.

        Raises what `Carrier.connect` and `Carrier.explain` say. `SessionLost` in the block ends all idle sessions too:
        what cut one has mostly cut all.
        """
        with self._free:
            session = self._take()
            try:
                yield session
            except SessionLost:
                session.close()
                self._drop_idle()
                raise
            except (Refused, DrorchError):
                self._give_back(session)
                raise
            except BaseException:
                session.close()
                raise
            self._give_back(session)

    def close(self) -> None:
        """End all connections; those at work end with it. Closing twice is fine."""
        with self._lock:
            self._is_closed = True
        self._drop_idle()

    def _take(self) -> SftpSession:
        while True:
            with self._lock:
                if self._is_closed:
                    raise TargetUnavailable("the target is closed")
                session = self._idle.pop() if self._idle else None
            if session is None:
                return self._connect()
            with contextlib.suppress(SessionLost):
                session.settle()
                if session.is_alive:
                    return session
            session.close()

    def _connect(self) -> SftpSession:
        stream = self._carrier.connect()
        try:
            return SftpSession(stream)
        except SessionLost as fault:
            error = self._carrier.explain(stream, fault)
            stream.close()
            raise error from fault
        except BaseException:
            stream.close()
            raise

    def _give_back(self, session: SftpSession) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(session)
                return
        session.close()

    def _drop_idle(self) -> None:
        with self._lock:
            dropped, self._idle = self._idle, []
        for session in dropped:
            session.close()
