"""Proof as people and programs read it: the level and how long ago it was reached."""

from collections.abc import Iterable
from datetime import datetime

from drorch.model.proof import Proof, Scope, highest
from drorch.units import rough_span


def proof_text(proof: Proof | None, now: datetime) -> str:
    """A level and its age: "L2 3d"; "unproven" where there is none."""
    if proof is None:
        return "unproven"
    sample = " sample" if proof.scope is Scope.SAMPLE else ""
    return f"{proof.level.name}{sample} {rough_span(now - proof.at)}"


def proofs_text(proofs: Iterable[Proof], now: datetime) -> str:
    """The highest level of the whole, and of a sample where that is higher: "L1 2d, L2 sample 5h"."""
    known = tuple(proofs)
    whole, sample = highest(known), highest(known, Scope.SAMPLE)
    text = proof_text(whole, now)
    if sample is None or (whole is not None and whole.level >= sample.level):
        return text
    return f"{text}, {proof_text(sample, now)}"


def proof_record(proof: Proof | None, now: datetime) -> dict[str, object] | None:
    """A proof with --json; null where there is none."""
    if proof is None:
        return None
    return {
        "level": proof.level.name,
        "scope": proof.scope.value,
        "snapshot": proof.snapshot.hex(),
        "time": proof.at.isoformat(),
        "age_seconds": int((now - proof.at).total_seconds()),
    }
