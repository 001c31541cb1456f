"""What the doctor tells: one symptom a line, each with its mend. No symptom holds a secret."""

from dataclasses import dataclass
from enum import StrEnum

from drorch.errors import DrorchError


class Severity(StrEnum):
    """`ERROR`: something would fail, or would not save all it should. `WARNING`: worth mending, and nothing fails."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that is wrong with `subject`, and what to do about it."""

    severity: Severity
    subject: str
    message: str
    mend: str


def error(subject: str, message: str, mend: str) -> Symptom:
    """Something that would fail."""
    return Symptom(Severity.ERROR, subject, message, mend)


def warning(subject: str, message: str, mend: str) -> Symptom:
    """Something that is worth mending."""
    return Symptom(Severity.WARNING, subject, message, mend)


def of_fault(subject: str, fault: DrorchError, mend: str = "Mend it, and ask again.") -> Symptom:
    """An error that work would end with; its hint is the mend, `mend` where it has none."""
    hint = fault.hint or mend
    return error(subject, fault.message, hint[:1].upper() + hint[1:])
