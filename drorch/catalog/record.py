"""What a run leaves behind, as one value: it is written to the catalog, or kept as JSON until it can be."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drorch.errors import CatalogError, Problem
from drorch.ids import SnapshotId, TreeId
from drorch.model.facts import DumpFacts
from drorch.model.hold import Lineage
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome, Trigger

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot that lies on a target."""

    target: str
    snapshot: SeenSnapshot


@dataclass(frozen=True, slots=True)
class Record:
    """A run, the snapshots it stored, the proof it gave; `facts` of the database that the first snapshot holds."""

    run: Run
    stored: tuple[Stored, ...] = ()
    proofs: tuple[Proof, ...] = ()
    facts: DumpFacts | None = None


def to_json(record: Record) -> str:
    """The record as JSON in ASCII; names that are no valid text survive."""
    document = {
        "version": _VERSION,
        "run": _of_run(record.run),
        "stored": [_of_stored(stored) for stored in record.stored],
        "proofs": [_of_proof(proof) for proof in record.proofs],
        "facts": None if record.facts is None else [record.facts.kind, record.facts.document],
    }
    return json.dumps(document, sort_keys=True)


def from_json(text: str) -> Record:
    """The record again. Raises `CatalogError` where the text is not one, or of a newer drorch."""
    try:
        document = json.loads(text)
        if document["version"] != _VERSION:
            raise CatalogError(f"a spooled record has version {document['version']}", hint="Run the newer drorch.")
        return Record(
            _to_run(document["run"]),
            tuple(_to_stored(stored) for stored in document["stored"]),
            tuple(_to_proof(proof) for proof in document["proofs"]),
            # A record that waited since before there were facts has none.
            _to_facts(document.get("facts")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise CatalogError("a spooled record is not whole") from fault


def _to_facts(document: list[str] | None) -> DumpFacts | None:
    return None if document is None else DumpFacts(*document)


def _of_run(run: Run) -> Mapping[str, object]:
    return {
        "id": run.id,
        "job": run.job,
        "kind": run.kind,
        "host": run.host,
        "target": run.target,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "outcome": run.outcome,
        "snapshot": run.snapshot.hex() if run.snapshot else None,
        "counters": dict(run.counters),
        "problems": [[problem.subject, problem.message] for problem in run.problems],
        "config_hash": run.config_hash,
        "versions": dict(run.versions),
        "trigger": run.trigger,
        "user": run.user,
        "launch": run.launch,
    }


def _to_run(document: Mapping[str, Any]) -> Run:
    return Run(
        id=document["id"],
        job=document["job"],
        kind=RunKind(document["kind"]),
        host=document["host"],
        target=document["target"],
        started=datetime.fromisoformat(document["started"]),
        ended=datetime.fromisoformat(document["ended"]) if document["ended"] else None,
        outcome=RunOutcome(document["outcome"]),
        snapshot=SnapshotId(bytes.fromhex(document["snapshot"])) if document["snapshot"] else None,
        counters=document["counters"],
        problems=tuple(Problem(subject, message) for subject, message in document["problems"]),
        config_hash=document["config_hash"],
        versions=document["versions"],
        trigger=Trigger(document["trigger"]),
        user=document["user"],
        # A record that waited since before there were launches does not have it.
        launch=document.get("launch", ""),
    )


def _of_stored(stored: Stored) -> Mapping[str, object]:
    snapshot = stored.snapshot
    return {
        "target": stored.target,
        "id": snapshot.id.hex(),
        "original": snapshot.original.hex(),
        "tree": snapshot.tree.hex() if snapshot.tree else None,
        "host": snapshot.lineage.host,
        "job": snapshot.lineage.job,
        "taken": snapshot.taken.isoformat(),
    }


def _to_stored(document: Mapping[str, Any]) -> Stored:
    snapshot = SeenSnapshot(
        SnapshotId(bytes.fromhex(document["id"])),
        SnapshotId(bytes.fromhex(document["original"])),
        TreeId(bytes.fromhex(document["tree"])) if document["tree"] else None,
        Lineage(document["host"], document["job"]),
        datetime.fromisoformat(document["taken"]),
    )
    return Stored(document["target"], snapshot)


def _of_proof(proof: Proof) -> Mapping[str, object]:
    return {
        "target": proof.target,
        "snapshot": proof.snapshot.hex(),
        "scope": proof.scope,
        "level": int(proof.level),
        "at": proof.at.isoformat(),
    }


def _to_proof(document: Mapping[str, Any]) -> Proof:
    return Proof(
        document["target"],
        SnapshotId(bytes.fromhex(document["snapshot"])),
        Scope(document["scope"]),
        ProofLevel(document["level"]),
        datetime.fromisoformat(document["at"]),
    )
