"""One configured MariaDB or MySQL server, both directions: what the rest of drorch knows of this package."""

from contextlib import AbstractContextManager

from drorch.clock import Clock
from drorch.sources.databases.contract import DumpSession
from drorch.sources.mariadb.logical import dumping
from drorch.sources.mariadb.settings import MariadbSettings


class Mariadb:
    """A server whose databases are dumped and restored."""

    kind = "mariadb"

    def __init__(self, settings: MariadbSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def dump(self) -> AbstractContextManager[DumpSession]:
        """Begin a dump. Raises `SourceUnavailable` and `DumpFailed`."""
        return dumping(self._settings, self._clock)
