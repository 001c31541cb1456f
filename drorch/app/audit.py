"""The audit log of an installation, read and verified, and where commands leave what was done by hand."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from drorch.app.books import kept_books
from drorch.app.catalogs import opened_catalog
from drorch.app.configuration import load
from drorch.app.state import travelled_heads
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.model.audit import AuditEntry, AuditHead, BrokenLink
from drorch.orchestrator.deeds import CONFIGURATION
from drorch.orchestrator.doer import Doer


def note(config_file: str | None, clock: Clock, action: str, **detail: str) -> tuple[str, ...]:
    """Write down what the user of this process does under a configuration; what could not be, in words.

    Raises `ConfigError`.
    """
    configuration = load(config_file)
    with kept_books(configuration, clock) as books:
        books.did(Doer.here(), action, **{CONFIGURATION: configuration.digest}, **detail)
        return tuple(books.complaints)


def entries(
    configuration: Configuration, *, since: datetime | None = None, limit: int | None = None
) -> list[AuditEntry]:
    """The newest `limit` entries (all of them with None) that are not older than `since`, oldest first.

    Raises `CatalogError`.
    """
    with opened_catalog(configuration) as catalog:
        wanted = (entry for entry in catalog.audit.entries() if since is None or entry.deed.at >= since)
        return list(deque(wanted, maxlen=limit))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification saw: the log's end, how many anchors it was held against, the first broken link if any.

    `unasked` names, in words, the targets whose anchors could not be had.
    """

    head: AuditHead
    anchors: int
    broken: BrokenLink | None
    unasked: tuple[str, ...] = ()


def verify(configuration: Configuration, noted: tuple[AuditHead, ...], *, ask_targets: bool = False) -> Verdict:
    """Verify the whole log against anchors: those noted by hand, and with `ask_targets` those that lie on the targets.

    Raises `CatalogError`.
    """
    anchors = list(noted)
    unasked: list[str] = []
    if ask_targets:
        travelled, unasked = travelled_heads(configuration)
        anchors += travelled
    with opened_catalog(configuration) as catalog:
        broken = next(filter(None, (catalog.audit.verify(some) for some in _rounds(anchors))), None)
        return Verdict(catalog.audit.head(), len(set(anchors)), broken, tuple(unasked))


def _rounds(anchors: Iterable[AuditHead]) -> Iterator[list[AuditHead]]:
    """The anchors, in rounds that have one for each entry; one round without any where there are none."""
    left = list(dict.fromkeys(anchors))
    while True:
        by_number = {anchor.seq: anchor for anchor in left}
        yield list(by_number.values())
        left = [anchor for anchor in left if anchor not in by_number.values()]
        if not left:
            return
