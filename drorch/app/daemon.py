"""The daemon, composed: the configuration as it is in force, the catalog as long as it can be opened, the monitors.

Imported by name. Nothing of the engine is loaded with it, and no secret of a repository is read: that is for workers.
"""

import contextlib
import hashlib
import os
import pwd
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drorch import __version__
from drorch.app.catalogs import place_of, upgrade
from drorch.app.configuration import load_with_text
from drorch.app.frozen import remove_leftovers
from drorch.app.monitors import monitors_of
from drorch.app.patrol import Patrol
from drorch.app.roster import roster_of, variables_for
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError, ConfigError
from drorch.model.event import Observers
from drorch.model.launch import Launch
from drorch.orchestrator.control.contract import Identity
from drorch.orchestrator.daemon.house import House
from drorch.orchestrator.daemon.roster import Entry, Roster
from drorch.orchestrator.daemon.service import serve
from drorch.orchestrator.joblock import only_daemon
from drorch.orchestrator.notify import Announcer, Asked
from drorch.orchestrator.supervision.log import last_words
from drorch.orchestrator.supervision.order import Order
from drorch.orchestrator.supervision.ward import Charge, Ward
from drorch.process.family import belonging_to
from drorch.process.inhibitor import Inhibitor
from drorch.reporting.journal import Journal, Level
from drorch.reporting.pings import Monitors, Pinger, Sayings

_COPY = "configuration-in-force.toml"
_REOPEN_SECONDS = 60.0
_CATALOG_SECONDS = 5.0
"""How long the loop waits for others who write into the catalog: what it cannot write it writes later."""
_MONITORS_SECONDS = 5.0
_LAST_SECONDS = 5.0
"""How long commands that the daemon itself started may take to die once they are killed."""
_FAMILY_DIGITS = 32
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_LEVELS = {level.word: level for level in Level}


def run_daemon(config_file: str | None, journal: Callable[[Configuration], Journal], clock: Clock) -> None:
    """Be the daemon of an installation until a signal ends it.

    `journal` makes the log once the configuration is known. Raises `ConfigError`, `JobBusy` where another daemon works
    with the same state_dir, and `SocketRefused`.
    """
    configuration, text = load_with_text(config_file)
    log = journal(configuration)

    def warn(words: str) -> None:
        log.note(Level.WARNING, words)

    # Nothing is written before it is certain that this is the only one: what another goes by is not to be changed.
    # Nor is anything started before that: what an earlier daemon's own commands left running is ended by then.
    with (
        only_daemon(configuration.state_dir),
        belonging_to(_family_of(configuration), _LAST_SECONDS),
        Cabinet(place_of(configuration), warn, clock) as cabinet,
        Pinger(Monitors(), log, clock, _sayings(configuration)) as pinger,
    ):
        installation = _Installation(configuration, config_file, cabinet, pinger, log, keep_copy(configuration, text))
        inhibitor = Inhibitor("a backup is under way", lambda words: log.note(Level.INFO, words))
        try:
            installation.use_monitors()
            serve(installation.house(inhibitor, clock), roster_of(configuration, clock.now()), clock)
        finally:
            installation.is_over = True
            inhibitor.close()


class Cabinet:
    """The catalog, opened when it is asked for, and again after a while where it could not be."""

    def __init__(self, place: CatalogPlace, complain: Callable[[str], None], clock: Clock) -> None:
        self.place = place
        self._complain = complain
        self._clock = clock
        self._catalog: Catalog | None = None
        self._tried: float | None = None

    def open(self) -> Catalog | None:
        """The catalog; None where it cannot be opened just now, which is said."""
        if self._catalog is None and self._may_try():
            try:
                self._catalog = open_catalog(self.place, upgrade(), patience=_CATALOG_SECONDS)
            except CatalogError as fault:
                hint = f". {fault.hint}" if fault.hint else ""
                self._complain(f"{fault.message}; what is due runs all the same{hint}")
        return self._catalog

    def _may_try(self) -> bool:
        now = self._clock.monotonic()
        if self._tried is not None and now - self._tried < _REOPEN_SECONDS:
            return False
        self._tried = now
        return True

    def __enter__(self) -> "Cabinet":
        return self

    def __exit__(self, *_: object) -> None:
        if self._catalog is not None:
            self._catalog.close()


@dataclass(slots=True)
class _Installation:
    """What the house is made of; `configuration` is the one in force, `copy` the file that says what it says."""

    configuration: Configuration
    config_file: str | None
    cabinet: Cabinet
    pinger: Pinger
    journal: Journal
    copy: str
    clock: Clock = field(init=False)
    tidying: threading.Thread | None = None
    is_over: bool = False

    def house(self, inhibitor: Inhibitor, clock: Clock) -> House:
        """The same as the daemon is given it."""
        self.clock = clock
        observer = Observers([self.journal, self.pinger])
        patrol = Patrol(lambda: self.configuration, self.cabinet.open, observer, self.pinger, clock)
        return House(
            host=self.configuration.host,
            state_dir=self.configuration.state_dir,
            socket=self.configuration.daemon.socket,
            spool=self.cabinet.place.spool,
            identity=self.identity,
            load=self.load,
            open=self.cabinet.open,
            start=self.start,
            patrol=patrol.make_round,
            working=lambda works: inhibitor.follow(working=works),
            observer=observer,
            note=lambda level, words: self.journal.note(_LEVELS[level], words),
            announcer=Announcer(Asked.taken_from(os.environ), clock),
            upkeep=[self.tidy_up],
        )

    def identity(self) -> Identity:
        """Which daemon this is."""
        configuration = self.configuration
        return Identity(
            version=__version__,
            config=_real(configuration.file),
            state_dir=_real(configuration.state_dir),
            digest=configuration.digest,
        )

    def load(self) -> Roster:
        """Read the configuration anew, and go by it from now on. Raises `ConfigError`; then nothing has changed."""
        fresh, text = load_with_text(self.config_file)
        _require_same_place(self.configuration, fresh)
        self.configuration, self.copy = fresh, keep_copy(fresh, text)
        self.use_monitors()
        return roster_of(fresh, self.clock.now())

    def use_monitors(self) -> None:
        """Tell the monitors of the configuration in force from now on.

        A command that prints where one is may hang: it is waited for no longer than a while, and used when it comes.
        """
        configuration = self.configuration

        def is_wanted() -> bool:
            return self.configuration is configuration and not self.is_over

        def read() -> None:
            monitors = monitors_of(configuration, lambda words: self.journal.note(Level.WARNING, words), is_wanted)
            if is_wanted():
                self.pinger.use(monitors)

        reading = threading.Thread(target=read, daemon=True, name="monitors")
        try:
            reading.start()
        except RuntimeError as fault:  # no thread is to be had just now
            self.journal.note(Level.WARNING, f"monitors are told as before, until the next reload: {fault}")
            return
        reading.join(_MONITORS_SECONDS)

    def tidy_up(self) -> None:
        """Remove snapshots of file systems that runs which were killed have left.

        In a thread: commands of file systems take minutes where a disk does not answer, and the loop must turn.
        """
        if self.tidying is None or not self.tidying.is_alive():
            self.tidying = threading.Thread(target=self._tidy_up, daemon=True, name="tidying")
            with contextlib.suppress(RuntimeError):  # no thread is to be had just now
                self.tidying.start()

    def _tidy_up(self) -> None:
        for complaint in remove_leftovers(self.configuration.state_dir):
            self.journal.note(Level.WARNING, complaint)

    def start(self, launch: Launch, entry: Entry, done: int) -> Ward:
        """Start the worker of a launch. Raises `DrorchError`."""
        configuration, conduct = self.configuration, entry.conduct
        order = Order(
            launch=launch.id,
            kind=launch.work.kind,
            name=launch.work.name,
            targets=launch.work.targets,
            trigger=launch.trigger,
            user=launch.user,
            uid=_uid_of(launch.user),
            config=str(_real(configuration.file)),
            copy=self.copy,
            part=None if entry.parts is None else (done % entry.parts + 1, entry.parts),
            memory=conduct.allowance.memory,
        )
        charge = Charge(
            order=order,
            state_dir=configuration.state_dir,
            variables=(_CREDENTIALS, *sorted(variables_for(configuration, launch.work))),
            allowance=conduct.allowance,
            max_runtime=conduct.max_runtime,
        )
        return Ward(charge, self.clock)


def keep_copy(configuration: Configuration, text: str) -> str:
    """Keep what is in force, for workers: the file may be broken by the time they read it. Its path.

    The path is empty where it cannot be kept; then workers read the file itself.
    """
    copy = configuration.state_dir / _COPY
    fresh = copy.with_suffix(".new")
    try:
        configuration.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(copy)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        return ""
    return str(copy)


def _require_same_place(old: Configuration, new: Configuration) -> None:
    """Raises `ConfigError` where the daemon would have to work somewhere else: it holds locks and files there."""
    moved = [
        name
        for name, before, after in (
            ("state_dir", old.state_dir, new.state_dir),
            ("[catalog]", old.catalog, new.catalog),
            ("[daemon] socket", old.daemon.socket, new.daemon.socket),
            ("host", old.host, new.host),
        )
        if before != after
    ]
    if moved:
        raise ConfigError(
            f"{new.file}: {' and '.join(moved)} cannot change while the daemon runs",
            hint="Restart it: systemctl restart drorch",
        )


def _family_of(configuration: Configuration) -> str:
    """What the commands that a daemon itself starts are known by: the same for every daemon of a state_dir."""
    return f"daemon-{hashlib.sha256(bytes(_real(configuration.state_dir))).hexdigest()[:_FAMILY_DIGITS]}"


def _real(path: Path) -> Path:
    """Where a path leads, also where it leads in circles by now."""
    return Path(os.path.realpath(path))


def _uid_of(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return os.getuid()


def _sayings(configuration: Configuration) -> Sayings:
    state_dir: Path = configuration.state_dir
    return Sayings(log_of=lambda launch: last_words(state_dir, launch))
