"""What the doctor asks of the catalog: is it there, sound, up to date, and does it take what happens."""

from collections.abc import Iterator

from drorch.app.catalogs import place_of
from drorch.app.doctor.machine import folder_symptoms
from drorch.app.doctor.symptom import Symptom, error, of_fault, warning
from drorch.catalog.inspection import behind, damage, is_lost
from drorch.config.configuration import Configuration
from drorch.errors import DrorchError

_USED = ("catalog.sqlite", "paths.sqlite", "locks", "spool")


def state_symptoms(configuration: Configuration) -> Iterator[Symptom]:
    """What would keep state_dir and the catalog from taking what happens."""
    yield from folder_symptoms("state_dir", configuration.state_dir, _USED)
    try:
        place = place_of(configuration)
        if is_lost(place):
            yield error("catalog", f"{place.catalog_file} is missing, and it was there", "Type: drorch catalog rebuild")
            return
        for name in behind(place):
            mend = "The next run does it, and keeps a copy; there must be room for one."
            yield warning("catalog", f"{name} is to be upgraded", mend)
        for fault in damage(place):
            yield error("catalog", fault, "Type: drorch catalog rebuild")
        waiting = len(place.spool.waiting())
        if waiting:
            yield warning(
                "catalog",
                f"{waiting} record{'s' if waiting > 1 else ''} of runs could not be written yet",
                "The next run writes them; where they stay, look at what it says.",
            )
    except DrorchError as fault:
        yield of_fault("catalog", fault)
