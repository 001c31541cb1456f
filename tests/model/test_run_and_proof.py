"""Runs know how long they took; a sample is never taken for the whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from drorch.ids import SnapshotId
from drorch.model.proof import Proof, ProofLevel, Scope, highest
from drorch.model.run import Run, RunKind

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_PROOF = Proof("onsite", SnapshotId(bytes(32)), Scope.FULL, ProofLevel.L1, _NOW)


def test_a_run_lasts_from_its_start_to_its_end() -> None:
    running = Run("0" * 32, "homes", RunKind.BACKUP, "web1", _NOW)
    assert running.seconds is None
    assert replace(running, ended=_NOW + timedelta(minutes=2)).seconds == 120


def test_the_highest_proof_is_of_one_scope() -> None:
    sample = replace(_PROOF, scope=Scope.SAMPLE, level=ProofLevel.L2)
    later = replace(_PROOF, at=_NOW + timedelta(days=1))
    assert highest([_PROOF, sample, later]) == later
    assert highest([_PROOF, sample], Scope.SAMPLE) == sample
    assert highest([sample]) is None
