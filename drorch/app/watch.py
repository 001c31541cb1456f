"""Looks at the daemon from outside of it: is there one, does its loop turn; and raises the alarm where not.

Promise: it shares nothing with the daemon but the catalog and the configuration, so that what ends the daemon does not
end this; and that it could not look is never told as "the daemon is well".
"""

import importlib
import os
import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from drorch.app.books import kept_books
from drorch.app.control.connection import Connection
from drorch.catalog.open import Catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError, DaemonUnavailable, DrorchError
from drorch.model.event import Event, EventKind, Observer
from drorch.model.finding import Comment, Finding, FindingKind
from drorch.orchestrator.control.wording import NotUnderstood
from drorch.secrets import SecretRef

SUBJECT = "daemon"
_BETWEEN_SECONDS = 2.0
_PING_SECONDS = 15.0


class CannotLook(DrorchError):
    """Whether the daemon lives cannot be told from here."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a look found: `fault` is what is wrong with the daemon, empty where it lives; then `version` is its own."""

    fault: str = ""
    version: str = ""

    @property
    def alive(self) -> bool:
        """Whether there is a daemon, and its loop turns."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class Watched:
    """A look, and what could not be done about what it found."""

    pulse: Pulse
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks: for how long it may take until the daemon answers, which spans a restart, and who hears of it."""

    configuration: Configuration
    clock: Clock
    observer: Observer
    patience: timedelta = field(default=timedelta(minutes=1))

    def look(self) -> Watched:
        """Look, and where the daemon is dead open a finding and tell its monitor; where it is well again, close it.

        Raises `CannotLook`.
        """
        pulse = self._patient_pulse()
        complaints = []
        with kept_books(self.configuration, self.clock) as books:
            try:
                if books.catalog is None:
                    raise CatalogError("the catalog cannot be opened")
                self._note(books.catalog, pulse)
            except CatalogError as fault:
                complaints.append(f"{fault.message}; no finding is opened or closed")
        if not pulse.alive:
            complaints.extend(self._ping(pulse))
        return Watched(pulse, tuple(complaints))

    def _patient_pulse(self) -> Pulse:
        deadline = self.clock.monotonic() + self.patience.total_seconds()
        while True:
            pulse = pulse_of(self.configuration)
            left = deadline - self.clock.monotonic()
            if pulse.alive or left <= 0:
                return pulse
            self.clock.sleep(min(left, _BETWEEN_SECONDS))

    def _note(self, catalog: Catalog, pulse: Pulse) -> None:
        kind, now = FindingKind.DAEMON_DEAD, self.clock.now()
        known = [one for one in catalog.queries.findings() if one.kind is kind and one.subject == SUBJECT]
        if pulse.alive:
            for finding in known:
                catalog.ledger.close_finding(finding.id, Comment(now, "drorch", "the daemon answers again"))
                self.observer.observe(Event(EventKind.FINDING_CLOSED, now, SUBJECT, "the daemon answers again"))
        elif not known:
            catalog.ledger.open_finding(Finding(uuid.uuid4().hex, kind, SUBJECT, pulse.fault, now))
            self.observer.observe(Event(EventKind.FINDING_OPENED, now, SUBJECT, pulse.fault))

    def _ping(self, pulse: Pulse) -> list[str]:
        """Tell the daemon's own monitor; it may have missed the last time, so it is told each time."""
        spec = self.configuration.daemon.ping
        if spec is None:
            return []
        # By name: only what has to be told loads what tells it.
        pings, monitor = (importlib.import_module(f"drorch.reporting.{name}") for name in ("pings", "monitor"))
        try:
            own = monitor.monitor(SUBJECT, spec.read() if isinstance(spec, SecretRef) else spec)
        except DrorchError as fault:
            return [f"the monitor of the daemon cannot be told: {fault.message}"]
        pinger = pings.Pinger(pings.Monitors(own=own), self.observer, self.clock)
        pinger.beat([pulse.fault])
        pinger.close(_PING_SECONDS)
        return []


def pulse_of(configuration: Configuration) -> Pulse:
    """Ask the daemon of a configuration who it is, once. Raises `CannotLook`."""
    place = configuration.daemon.socket
    try:
        with Connection(place) as daemon:
            identity = daemon.identity
    except FileNotFoundError:
        return Pulse(f"no daemon runs: nothing is at {place}")
    except ConnectionRefusedError:
        return Pulse(f"the daemon is dead: nobody listens any more at {place}")
    except PermissionError as fault:
        raise CannotLook(
            f"the daemon cannot be asked at {place}: permission denied", hint="Ask as root, or join the group drorch."
        ) from fault
    except (TimeoutError, BlockingIOError):
        return Pulse(f"the daemon at {place} gives no answer: its loop stands still")
    except OSError as fault:
        return Pulse(f"the daemon cannot be asked at {place}: {(fault.strerror or str(fault)).lower()}")
    except (DaemonUnavailable, NotUnderstood) as fault:
        return Pulse(fault.message)
    except DrorchError:
        # It refuses to say: its loop turns.
        return Pulse()
    if os.path.realpath(identity.state_dir) != os.path.realpath(configuration.state_dir):
        return Pulse(f"the daemon at {place} is another's: its state_dir is {identity.state_dir}")
    return Pulse(version=identity.version)
