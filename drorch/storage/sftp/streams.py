"""What carries the protocol: bytes in both directions, each wait of them bounded."""

from collections.abc import Sequence
from typing import Protocol

from drorch.errors import DrorchError
from drorch.storage.sftp.packets import SessionLost


class Stream(Protocol):
    """A connection to a server's SFTP subsystem, used by one thread at a time. Faults are `SessionLost`."""

    def send(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send all parts, in order."""
        ...

    def receive_into(self, view: memoryview) -> int:
        """Receive at least one byte; how many."""
        ...

    def is_alive(self) -> bool:
        """Whether the connection stands, as far as can be told without asking the server. Nothing is outstanding."""
        ...

    def close(self) -> None:
        """End the connection at once. Closing twice is fine."""
        ...


class Carrier(Protocol):
    """Makes connections to one server."""

    def connect(self) -> Stream:
        """A new connection. A fault may show only when it is first used. Raises `DrorchError`."""
        ...

    def explain(self, stream: Stream, fault: SessionLost) -> DrorchError:
        """Why a connection ended before the server answered for the first time."""
        ...
