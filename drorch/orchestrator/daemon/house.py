"""What the daemon is given by those above: the configuration as a roster, the catalog, a way to start processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.catalog.open import Catalog
from drorch.catalog.spool import Spool
from drorch.model.event import Observer
from drorch.model.launch import Launch
from drorch.orchestrator.control.contract import Identity
from drorch.orchestrator.daemon.roster import Entry, Roster
from drorch.orchestrator.notify import Announcer
from drorch.orchestrator.supervision.ward import Ward


@dataclass(frozen=True, slots=True)
class House:
    """All that the daemon needs of the installation it works for.

    `socket` is where control listens. `load` reads the configuration anew and raises `ConfigError`; from then on all
    the others go by it. `open` gives the catalog, opened if it was not, or None where it cannot be; it complains
    itself. `start` starts the process of a launch, given how many of its line have ended well, and raises
    `DrorchError`. `patrol` is called once a minute to look for what is missing, `working` whenever it may have changed
    whether anything runs, `upkeep` a few times a day. `note` writes a line into the journal: its level, its words.
    """

    host: str
    state_dir: Path
    socket: Path
    spool: Spool
    identity: Callable[[], Identity]
    load: Callable[[], Roster]
    open: Callable[[], Catalog | None]
    start: Callable[[Launch, Entry, int], Ward]
    patrol: Callable[[], None]
    working: Callable[[bool], None]
    observer: Observer
    note: Callable[[str, str], None]
    announcer: Announcer
    upkeep: Sequence[Callable[[], None]] = ()
