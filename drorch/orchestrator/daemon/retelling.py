"""What is heard of a run, in the words in which control passes it on (control/contract.py)."""

from collections.abc import Mapping
from typing import Any

from drorch.orchestrator.supervision.heard import Complained, Heard, Moved, Reported, Said


def retold(heard: Heard) -> Mapping[str, object] | None:
    """As JSON-ready values; None for what is told otherwise."""
    match heard:
        case Moved():
            return {"progress": moved(heard)}
        case Said(level, message):
            return {"log": {"level": level, "message": message}}
        case Reported(document):
            return {"told": document}
        case Complained(text):
            return {"complaint": text}
        case _:
            return None


def moved(progress: Moved) -> Mapping[str, object]:
    """How far a run is, as JSON-ready values."""
    return {
        "kind": progress.kind,
        "target": progress.target,
        "current": progress.current,
        **progress.counters,
    }


def fault_in(document: Mapping[str, Any]) -> str:
    """The error that a report tells of, in one line; empty where it tells of none."""
    fault = document.get("fault")
    return str(fault.get("message", "")) if isinstance(fault, Mapping) else ""
