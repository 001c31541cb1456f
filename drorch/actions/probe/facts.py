"""What a probe finds: values, each with what was done, what came of it and what that means for who runs the target.

The promise: what was not seen is never told as a yes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from drorch.storage.abilities import Leftover


class Answer(StrEnum):
    """What came of a step. Only `YES` and `MEASURED` are seen to hold."""

    YES = "yes"
    NO = "no"
    MEASURED = "measured"
    UNKNOWN = "unknown"
    NOT_RUN = "could not run"


_NOTHING = "nothing"
SEEN = frozenset({Answer.YES, Answer.MEASURED})
"""Answers that may count for something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step saw: an answer, one sentence for the administrator, and figures where something was measured.

    `shown` is the figure for people ("12 ms"), "" where the answer says all. `figures` are in seconds, bytes, bytes a
    second and plain counts, as their names say. `done` is what was done where that is not what the step says.
    """

    answer: Answer
    meaning: str
    shown: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    done: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One finding with what it is about.

    `needed`: drorch, or the configuration of this target, relies on a yes. `broken`: the answer is one that drorch
    cannot live with, be it a no or that too little was seen.
    """

    name: str
    title: str
    done: str
    finding: Finding
    needed: bool
    broken: bool

    @property
    def answer(self) -> Answer:
        """What came of it."""
        return self.finding.answer


@dataclass(frozen=True, slots=True)
class Probed:
    """All facts of one probe, in the order they were found, and what is left of its scratch place."""

    place: str
    facts: tuple[Fact, ...]
    left: tuple[Leftover, ...]

    @property
    def broken(self) -> tuple[Fact, ...]:
        """Facts that drorch cannot live with."""
        return tuple(fact for fact in self.facts if fact.broken)

    @property
    def by_name(self) -> Mapping[str, Fact]:
        """The facts by the names of their steps."""
        return {fact.name: fact for fact in self.facts}


def yes(meaning: str) -> Finding:
    """It holds."""
    return Finding(Answer.YES, meaning)


def no(meaning: str) -> Finding:
    """It does not hold."""
    return Finding(Answer.NO, meaning)


def never(meaning: str) -> Finding:
    """It does not hold, and there was nothing to try: targets of this kind have no such thing."""
    return Finding(Answer.NO, meaning, done=_NOTHING)


def unknown(meaning: str) -> Finding:
    """Something was seen, but it proves nothing."""
    return Finding(Answer.UNKNOWN, meaning)


def left_out(meaning: str) -> Finding:
    """It was not tried, for a reason."""
    return Finding(Answer.UNKNOWN, meaning, done=_NOTHING)


def not_run(meaning: str) -> Finding:
    """It could not be tried."""
    return Finding(Answer.NOT_RUN, meaning)


def measured(shown: str, meaning: str, **figures: float) -> Finding:
    """A figure, which is neither good nor bad by itself."""
    return Finding(Answer.MEASURED, meaning, shown, figures)
