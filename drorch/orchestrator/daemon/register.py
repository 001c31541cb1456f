"""The launches, written down: in the catalog, and in memory for as long as the catalog cannot be written.

Promise: a catalog that fails keeps nothing from being launched. What could not be written down is tried again.
"""

from collections.abc import Callable
from datetime import datetime

from drorch.catalog.launches import Launches
from drorch.errors import CatalogError
from drorch.model.launch import Launch, Pause, WorkKind

Complain = Callable[[str], None]


class Register:
    """Launches and pauses. `launches` gives the catalog's, or None while the catalog is not open."""

    def __init__(self, launches: Callable[[], Launches | None], complain: Complain) -> None:
        self._launches = launches
        self._complain = complain
        self._unwritten: dict[str, Launch] = {}
        self._claimed: dict[tuple[WorkKind, str], list[datetime]] = {}
        self._pauses: list[Pause] = []

    def last_due(self, kind: WorkKind, line: str, now: datetime) -> datetime | None:
        """The newest due time of a line that was claimed and is not still to come."""
        known = [moment for moment in self._claimed.get((kind, line), ()) if moment <= now]
        try:
            launches = self._launches()
            written = None if launches is None else launches.last_due(kind, line, now)
        except CatalogError as fault:
            self._complain(fault.message)
            written = None
        return max([*known, *([written] if written is not None else [])], default=None)

    def claim(self, launch: Launch) -> bool:
        """Take a due time; whether nobody had it. Where the catalog cannot say, memory does."""
        key = (launch.work.kind, launch.work.line)
        try:
            launches = self._launches()
            if launches is not None:
                return launches.claim(launch)
        except CatalogError as fault:
            self._complain(fault.message)
        if launch.due is not None:
            if launch.attempt == 1 and launch.due in self._claimed.get(key, ()):
                return False
            self._claimed.setdefault(key, []).append(launch.due)
        self._unwritten[launch.id] = launch
        return True

    def note(self, launch: Launch) -> None:
        """Write down where a launch stands, now or as soon as it can be."""
        self._unwritten[launch.id] = launch
        self.catch_up()

    def catch_up(self) -> None:
        """Try again to write down what could not be."""
        try:
            launches = self._launches()
            if launches is None:
                return
            for launch in list(self._unwritten.values()):
                launches.update(launch)
                del self._unwritten[launch.id]
        except CatalogError as fault:
            self._complain(fault.message)

    def unfinished(self) -> list[Launch]:
        """Launches that never ended, as far as is written down."""
        try:
            launches = self._launches()
            return [] if launches is None else launches.unfinished()
        except CatalogError as fault:
            self._complain(fault.message)
            return []

    def ended_well(self, kind: WorkKind, line: str) -> int:
        """How many launches of a line ended well so far."""
        try:
            launches = self._launches()
            return 0 if launches is None else launches.count_ok(kind, line)
        except CatalogError as fault:
            self._complain(fault.message)
            return 0

    def pauses(self, now: datetime) -> list[Pause]:
        """The pauses in force; those that were known last where the catalog cannot say."""
        try:
            launches = self._launches()
            if launches is not None:
                self._pauses = launches.pauses(now)
        except CatalogError as fault:
            self._complain(fault.message)
        return [pause for pause in self._pauses if pause.until is None or now < pause.until]

    def pause(self, pause: Pause) -> None:
        """Set a pause. Raises `CatalogError` where it cannot be written down."""
        self._open().pause(pause)

    def resume(self, job: str | None, now: datetime) -> list[Pause]:
        """End the pause of a job, or (None) every pause; those ended. Raises `CatalogError` where it cannot."""
        return self._open().resume(job, now)

    def forget_before(self, moment: datetime) -> None:
        """Let go of launches that ended before then."""
        try:
            launches = self._launches()
            if launches is not None:
                launches.forget_before(moment)
        except CatalogError as fault:
            self._complain(fault.message)

    def _open(self) -> Launches:
        launches = self._launches()
        if launches is None:
            raise CatalogError("the catalog is not open", hint="Run drorch status, which says why.")
        return launches
