"""One configured MariaDB or MySQL server, both directions: what the rest of drorch knows of this package."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from drorch.clock import Clock
from drorch.sources.databases.contract import DumpSession, Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import Facts
from drorch.sources.mariadb.loading import Loading
from drorch.sources.mariadb.logical import dumping
from drorch.sources.mariadb.physical import copying, unpack
from drorch.sources.mariadb.preflight import before_backup, before_restore
from drorch.sources.mariadb.settings import PHYSICAL_NAME, MariadbSettings


class Mariadb:
    """A server whose databases are dumped and restored, or whose files are copied and put back."""

    kind: ClassVar[str] = "mariadb"

    def __init__(self, settings: MariadbSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def preflight(self) -> Sequence[Objection]:
        """What a backup would meet. Looks, and changes nothing. Raises `SourceUnavailable`."""
        return before_backup(self._settings)

    def dump(self) -> AbstractContextManager[DumpSession]:
        """Begin a dump. Raises `SourceUnavailable` and `DumpFailed`."""
        if self._settings.physical:
            return copying(self._settings, self._clock)
        return dumping(self._settings, self._clock)

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:  # noqa: ARG002
        """What a restore would meet. Looks, and changes nothing. Raises `SourceUnavailable`."""
        return before_restore(self._settings, wish, parts)

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        """Put it back and compare it with the facts. Raises `RestoreError` and `SourceUnavailable`."""
        if PHYSICAL_NAME in parts.names():
            return unpack(self._settings, wish, parts)
        return Loading(self._settings, wish, parts, facts).load()
