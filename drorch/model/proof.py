"""The ladder of proof: what is known about a snapshot because it really happened, and since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from drorch.ids import SnapshotId


class ProofLevel(IntEnum):
    """The rungs, each above all before it.

    L0: the snapshot decrypts. L1: every tree and blob it needs is indexed, every pack there with its right size.
    L2: every blob it needs was read from the target, decrypted, its hash checked. L3: restored whole. L4: equal to
    the facts recorded at backup. L5: started, and its questions answered.
    """

    L0 = 0
    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4
    L5 = 5


class Scope(StrEnum):
    """How much of the snapshot was looked at: a sample never counts as the whole."""

    FULL = "full"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Proof:
    """A snapshot on a target reached a level, last at this time."""

    target: str
    snapshot: SnapshotId
    scope: Scope
    level: ProofLevel
    at: datetime


def highest(proofs: Iterable[Proof], scope: Scope = Scope.FULL) -> Proof | None:
    """The highest of these proofs of one scope, the newest where two are equal; None where nothing is proven."""
    of_scope = [proof for proof in proofs if proof.scope is scope]
    return max(of_scope, key=lambda proof: (proof.level, proof.at), default=None)
