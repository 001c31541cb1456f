"""What a target can stand for in the rule 3-2-1-1-0, as far as a probe and the configuration can tell.

Three copies, on two media, one of them offsite, one immutable or offline, with zero errors. Where a target stands
physically nobody can probe: that is told as unknown, and never as a yes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from drorch.actions.probe.facts import Answer, Finding, Probed, no, unknown, yes

COPIES = 3
MEDIA = 2
READ_LEVEL = 2
"""The level of proof from which on every byte was read (L2)."""

LockWish = Literal["governance", "compliance"]


class Whereabouts(StrEnum):
    """Where a target is, seen from this machine."""

    SAME_DISK = "same file system as the source"
    THIS_MACHINE = "this machine"
    ANOTHER_MACHINE = "another machine"
    CLOUD = "a provider's data centre"


_ELSEWHERE = frozenset({Whereabouts.ANOTHER_MACHINE, Whereabouts.CLOUD})


@dataclass(frozen=True, slots=True)
class Place:
    """A target of a job by name, where it is, and whether the configuration wants object lock there."""

    name: str
    where: Whereabouts
    locked: bool = False


@dataclass(frozen=True, slots=True)
class JobPlaces:
    """A job that is saved to the probed target, with all its targets.

    `proven` is the level of proof of its newest snapshot on the probed target; None where nothing is proven or known.
    `findings` is how many are open about it there.
    """

    job: str
    here: Place
    others: tuple[Place, ...]
    proven: int | None = None
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Stand:
    """One digit of the rule, and what this target is worth for it."""

    digit: str
    rule: str
    finding: Finding


def position(probed: Probed, jobs: Sequence[JobPlaces], where: Whereabouts, lock: LockWish | None) -> tuple[Stand, ...]:
    """The five stands, in the order of the rule. `lock` is what the configuration wants here."""
    return (
        Stand("3", "copies", _copies(jobs)),
        Stand("2", "media", _media(jobs, where)),
        Stand("1", "offsite", _offsite(jobs, where)),
        Stand("1", "immutable or offline", _immutable(probed, jobs, lock)),
        Stand("0", "errors", _errors(jobs)),
    )


def _copies(jobs: Sequence[JobPlaces]) -> Finding:
    if not jobs:
        return unknown("No job is saved here: name this target in a job's targets.")
    few = [one for one in jobs if 2 + len(one.others) < COPIES]
    if few:
        counted = ", ".join(f"{one.job} ({2 + len(one.others)})" for one in few)
        return no(f"Too few copies, with the original: {counted}. Add a target.")
    return yes(f"One of {COPIES} copies or more, with the original, of {', '.join(one.job for one in jobs)}.")


def _media(jobs: Sequence[JobPlaces], where: Whereabouts) -> Finding:
    shared = [one.job for one in jobs if one.here.where is Whereabouts.SAME_DISK]
    if shared:
        return no(f"On the same file system as the source of {', '.join(shared)}: both die with that disk.")
    if where in (Whereabouts.SAME_DISK, Whereabouts.THIS_MACHINE):
        return unknown("On this machine, on another file system: whether on another disk, only you know.")
    return yes("Not on the disks of this machine.")


def _offsite(jobs: Sequence[JobPlaces], where: Whereabouts) -> Finding:
    if where is Whereabouts.CLOUD:
        return yes("In a data centre of the provider. Keep its password where you survive a fire, too.")
    if where is Whereabouts.ANOTHER_MACHINE:
        return unknown("On another machine: whether under another roof, only you know.")
    lacking = [one.job for one in jobs if not any(place.where in _ELSEWHERE for place in one.others)]
    if jobs and not lacking:
        return no(f"On this machine, which a fire takes with it. Elsewhere may be: {_others(jobs)}.")
    return no(f"On this machine, which a fire takes with it. Add a target elsewhere{_to(lacking)}.")


def _immutable(probed: Probed, jobs: Sequence[JobPlaces], lock: LockWish | None) -> Finding:
    def answered(name: str, answer: Answer) -> bool:
        fact = probed.by_name.get(name)
        return fact is not None and fact.answer is answer

    if answered("lock", Answer.YES) and answered("holds", Answer.YES):
        if lock is None:
            return no("It could be: object lock works here, but object_lock is not set for this target.")
        if lock == "governance" and not answered("lift", Answer.NO):
            return no("Object lock is on, but these credentials may lift it: take away the right to.")
        return yes("Object lock keeps what is saved until its time, whoever has these credentials.")
    if answered("lock", Answer.YES) and answered("holds", Answer.UNKNOWN) and lock is not None:
        return unknown(
            "Locks are kept as asked for; whether they hold, credentials that may remove nothing cannot try."
        )
    if answered("versions", Answer.YES) and answered("erase", Answer.NO):
        return yes("Older versions are kept, and these credentials cannot erase them. Guard those that can.")
    if answered("lock", Answer.NOT_RUN) or answered("versions", Answer.NOT_RUN):
        return unknown("Locks or versions could not be tried with these credentials.")
    locked = sorted({place.name for one in jobs for place in one.others if place.locked})
    instead = (
        f"Object lock is set for {', '.join(locked)}: probe that." if locked else "Have one that is locked, or offline."
    )
    if answered("delete", Answer.NO):
        return no(f"Nothing can be deleted, but overwritten, and no version is kept. {instead}")
    return no(f"Whoever may write here may delete all of it. {instead}")


def _others(jobs: Sequence[JobPlaces]) -> str:
    return ", ".join(sorted({place.name for one in jobs for place in one.others if place.where in _ELSEWHERE}))


def _to(jobs: Sequence[str]) -> str:
    return f" to {', '.join(jobs)}" if jobs else ""


def _errors(jobs: Sequence[JobPlaces]) -> Finding:
    if not jobs:
        return unknown("No job is saved here: there is nothing to be free of errors.")
    faulty = [one for one in jobs if one.findings]
    if faulty:
        return no(f"Findings are open about {', '.join(one.job for one in faulty)}: see drorch findings.")
    unread = [one.job for one in jobs if one.proven is None or one.proven < READ_LEVEL]
    if unread:
        return unknown(
            f"Not all read and verified yet: the newest snapshot of {', '.join(unread)}. Try drorch check --read-data."
        )
    return yes("Every byte of the newest snapshots was read here and verified; a restore proves more.")
