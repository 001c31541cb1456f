"""The launches, written down: in the catalog, and in memory for as long as the catalog cannot be written.

Promise: a catalog that fails keeps nothing from being launched. What could not be written down is tried again.
"""

from collections.abc import Callable
from datetime import datetime

from drorch.catalog.launches import Launches
from drorch.errors import CatalogError, IntegrityError
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind

Complain = Callable[[str], None]

WELL = (LaunchState.OK, LaunchState.INCOMPLETE)
"""What a job that comes after another waits for."""

_MOST_DUES = 64
"""How many due times of a line are remembered: more than a clock is put back over while the catalog fails."""
_MOST_UNWRITTEN = 10_000
_MOST_AT_ONCE = 100
_MOST_RECENT = 1000


class Register:
    """Launches and pauses. `launches` gives the catalog's, or None while the catalog is not open.

    `most` is how many launches are kept for a catalog that cannot be written: the newest.
    """

    def __init__(
        self, launches: Callable[[], Launches | None], complain: Complain, most: int = _MOST_UNWRITTEN
    ) -> None:
        self._launches = launches
        self._most = most
        self._complain = complain
        self._unwritten: dict[str, Launch] = {}
        self._dues: dict[tuple[WorkKind, str], list[datetime]] = {}
        self._pauses: list[Pause] = []

    def last_due(self, kind: WorkKind, line: str, now: datetime) -> datetime | None:
        """The newest due time of a line that was claimed and is not still to come."""
        known = [moment for moment in self._dues.get((kind, line), ()) if moment <= now]
        try:
            launches = self._launches()
            written = None if launches is None else launches.last_due(kind, line, now)
        except CatalogError as fault:
            self._complain(fault.message)
            written = None
        return max([*known, *([written] if written is not None else [])], default=None)

    def claim(self, launch: Launch) -> bool:
        """Take a due time; whether nobody had it. Where the catalog cannot say, memory does."""
        try:
            launches = self._launches()
            if launches is not None:
                is_new = launches.claim(launch)
                self._remember_due(launch)
                return is_new
        except CatalogError as fault:
            self._complain(fault.message)
        if launch.attempt == 1 and launch.due in self._dues.get((launch.work.kind, launch.work.line), ()):
            return False
        self._remember_due(launch)
        self._keep(launch)
        return True

    def _remember_due(self, launch: Launch) -> None:
        """For the time when the catalog cannot say it."""
        if launch.due is None:
            return
        known = self._dues.setdefault((launch.work.kind, launch.work.line), [])
        if launch.due not in known:
            known.append(launch.due)
            del known[:-_MOST_DUES]

    def _keep(self, launch: Launch) -> None:
        """Keep what is to be written down. Of very many, the oldest are given up: memory has an end, too."""
        self._unwritten.pop(launch.id, None)
        self._unwritten[launch.id] = launch
        while len(self._unwritten) > self._most:
            del self._unwritten[next(iter(self._unwritten))]

    def note(self, launch: Launch) -> None:
        """Write down where a launch stands, now or as soon as it can be."""
        self._keep(launch)
        self.catch_up()

    def catch_up(self) -> None:
        """Try again to write down what could not be: the newest first, and not so much at once that the loop waits."""
        try:
            launches = self._launches()
            if launches is None:
                return
            for launch in list(reversed(self._unwritten.values()))[:_MOST_AT_ONCE]:
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

    def newest_that_ended_well(self, job: str, now: datetime) -> Launch | None:
        """The launch of a job that ended well last, by now."""
        try:
            launches = self._launches()
            found = [] if launches is None else launches.recent(_MOST_RECENT, name=job, only_over=True)
        except CatalogError as fault:
            self._complain(fault.message)
            return None
        well = [one for one in found if one.work.kind is WorkKind.JOB and one.state in WELL]
        ended = [(one.ended, one) for one in well if one.ended is not None and one.ended <= now]
        return max(ended, key=lambda each: each[0], default=(None, None))[1]

    def read_to_the_end(self, work: Work) -> int:
        """How many checks read what they were to read: those that ended well, and those that found damage."""
        try:
            launches = self._launches()
            if launches is None:
                return 0
            recent = launches.recent(_MOST_RECENT, name=work.name, only_over=True)
            damaged = [
                one for one in recent if one.exit_code == IntegrityError.exit_code and one.work.line == work.line
            ]
            return launches.count_ok(work.kind, work.line) + len(damaged)
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
