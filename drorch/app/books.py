"""The books of an installation, kept in its catalog."""

from collections.abc import Iterator
from contextlib import contextmanager

from drorch.app.catalogs import place_of, upgrade
from drorch.catalog.open import open_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError
from drorch.orchestrator.books import Books


@contextmanager
def kept_books(configuration: Configuration, clock: Clock) -> Iterator[Books]:
    """The books, for what goes on even where the catalog cannot be opened; then they complain, and use the spool."""
    place = place_of(configuration)
    try:
        catalog = open_catalog(place, upgrade())
    except CatalogError as fault:
        yield Books(None, place.spool, clock, fault)
        return
    with catalog:
        yield Books(catalog, place.spool, clock)
