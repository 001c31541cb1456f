"""A rebuilt catalog, planned or done, as people and as programs read it."""

from drorch.app.rebuild import RebuildPlan, Rebuilt
from drorch.cli.output.writer import Output
from drorch.errors import Outcome, Problem
from drorch.ids import SHORT_HEX
from drorch.model.audit import BrokenLink
from drorch.orchestrator.rebuilding import Condition, Source
from drorch.units import counted


def show_plan(output: Output, plan: RebuildPlan) -> None:
    """What a rebuild would do."""
    if output.json:
        output.message({"message_type": "rebuild", "dry_run": True, **_plan_facts(plan)})
        return
    output.line(f"catalog {plan.file} is {plan.condition}")
    if plan.condition is not Condition.SOUND:
        output.line(f"it would be read back from {_source(plan)}")
    if plan.other is not None:
        output.line(f"another catalog of this host would be taken over: {_state(plan.other)}")
    for target, count in plan.listed.items():
        output.line(f"target {target} lists {counted(count, 'snapshot')}: known from then on, paths recorded anew")
    _tell_silent(output, plan)


def tell_rebuilt(output: Output, done: Rebuilt) -> int:
    """What a rebuild did; the exit code that it means."""
    if output.json:
        output.message({"message_type": "rebuild", "dry_run": False, **rebuilt_facts(done)})
    else:
        if done.plan.condition is not Condition.SOUND:
            output.line(f"catalog {done.plan.file} was {done.plan.condition}; read back from {_source(done.plan)}")
        if done.aside is not None:
            output.line(f"what it was is kept in {done.aside}")
        tell_taken(output, done)
        tell_derived(output, done)
        for lost in done.lost:
            output.line(f"did not come back: {lost}")
    tell_faults(output, done)
    if done.broken is not None:
        tell_broken(output, done.broken)
        return int(Outcome.CHAIN_BROKEN)
    return int(Outcome.OK)


def tell_taken(output: Output, done: Rebuilt) -> None:
    """What other catalogs of this host knew, for people."""
    for taken in done.taken:
        came = ", ".join(counted(count, kind.removesuffix("s")) for kind, count in taken.counts.items())
        output.line(f"taken over from another catalog of this host, {_state(taken.source)}: {came}")


def tell_derived(output: Output, done: Rebuilt) -> None:
    """What was derived from targets and spool, for people."""
    if done.replayed:
        output.line(f"{counted(done.replayed, 'run')} came from the spool")
    for target, count in done.plan.listed.items():
        output.line(f"known on {target}: {counted(count, 'snapshot')}")
    output.line(f"path history holds {counted(done.paths, 'snapshot')}")


def tell_faults(output: Output, done: Rebuilt) -> None:
    """Targets that do not answer, snapshots that vanished or cannot be read."""
    _tell_silent(output, done.plan)
    for alarm in done.alarms:
        output.problem(Problem("catalog", alarm), during="alarm")
    for problem in done.problems:
        output.problem(problem, during="rebuild")


def tell_broken(output: Output, broken: BrokenLink) -> None:
    """That the audit log is not what it was when it was saved."""
    said = f"the audit log is not what was saved, from entry {broken.seq} on: {broken.reason}"
    output.problem(Problem("catalog", said), during="alarm")


def rebuilt_facts(done: Rebuilt) -> dict[str, object]:
    """A rebuild as JSON."""
    return {
        **_plan_facts(done.plan),
        "aside": str(done.aside) if done.aside else None,
        "taken_over": [
            {**_state_facts(taken.source), **taken.counts, "audit": broken_facts(taken.broken)} for taken in done.taken
        ],
        "replayed": done.replayed,
        "paths_of": done.paths,
        "lost": done.lost,
        "alarms": done.alarms,
        "audit": broken_facts(done.broken),
    }


def broken_facts(broken: BrokenLink | None) -> dict[str, object] | None:
    """A broken link as JSON."""
    return None if broken is None else {"seq": broken.seq, "reason": broken.reason}


def _tell_silent(output: Output, plan: RebuildPlan) -> None:
    for problem in plan.silent:
        output.problem(problem, during="target")


def _source(plan: RebuildPlan) -> str:
    if plan.source is None:
        return "nowhere: no target that answers holds a saved state"
    return _state(plan.source)


def _state(source: Source) -> str:
    name = source.saved.named.id.hex()[:SHORT_HEX]
    where = f" on {source.target}" if source.target else ""
    return f"snapshot {name} of {source.taken:%Y-%m-%d %H:%M:%S UTC}{where}"


def _plan_facts(plan: RebuildPlan) -> dict[str, object]:
    return {
        "catalog": str(plan.file),
        "condition": plan.condition.value,
        "state": None if plan.source is None else _state_facts(plan.source),
        "other_catalog": None if plan.other is None else _state_facts(plan.other),
        "targets": dict(plan.listed),
        "silent": {problem.subject: problem.message for problem in plan.silent},
    }


def _state_facts(source: Source) -> dict[str, object]:
    return {
        "target": source.target,
        "snapshot_id": source.saved.named.id.hex(),
        "time": source.taken.isoformat(),
    }
