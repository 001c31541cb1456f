"""What is heard from a worker, as values; whatever cannot be understood is not heard."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drorch.model.launch import StopCause

_MOST_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a run is: its kind (a `RunKind`), its target, and counters by name; `current` is what is worked on."""

    kind: str
    target: str
    counters: Mapping[str, int] = field(default_factory=dict)
    current: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A line for the log; `level` is "note" or "warning"."""

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Reported:
    """A run has ended: the document of a `drorch.app.told.Told`, not looked at any further."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Complained:
    """Something that no run is to be blamed for: what the catalog could not take, why nothing was begun at all."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker has ended, and so has its family: the last that is heard.

    `exit_code` is None where a signal ended it. `reason` says in one line why it did not end well: a signal, being
    stopped, or what it complained of last. It is empty where that is not known, and what was reported may tell.
    `stopped`: why drorch ended it; None where it did not.
    `out_of_memory`: it may have died for want of memory.
    """

    exit_code: int | None
    reason: str = ""
    stopped: StopCause | None = None
    out_of_memory: bool = False


Heard = Moved | Said | Reported | Complained | Ended


def understood(line: bytes) -> Heard | None:
    """What a line of a worker says; None where it says nothing that is known."""
    try:
        said = json.loads(line)
        if not isinstance(said, dict) or len(said) != 1:
            return None
        ((word, value),) = said.items()
        return _understood(word, value)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _understood(word: str, value: Any) -> Heard | None:
    match word:
        case "progress":
            counters = {str(name): count for name, count in value.items() if type(count) is int}
            return Moved(_text(value["kind"]), _text(value["target"]), counters, _text(value.get("current", "")))
        case "log":
            return Said(_text(value["level"]), _text(value["message"]))
        case "told":
            return Reported(dict(value))
        case "complaint":
            return Complained(_text(value))
    return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value[:_MOST_CHARACTERS]
