"""drorch catalog"""

import click

from drorch.app import configuration as app_configuration
from drorch.app import rebuild as app
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import CatalogError, ConfigError, JobBusy, Outcome, Problem
from drorch.ids import SHORT_HEX
from drorch.orchestrator.rebuilding import Condition

_CODES = (
    *(*exit_codes.OPENS, ConfigError.exit_code, CatalogError.exit_code),
    *(JobBusy.exit_code, Outcome.CHAIN_BROKEN),
)


@click.group("catalog", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """Rebuild the catalog from the targets.

    It keeps what drorch knows: runs, proof, findings, holds, the audit log, and the history of paths.
    """


@command.command("rebuild", cls=VerbCommand, exit_with=_CODES)
@click.option("--yes", is_flag=True, help="Do it.")
@click.pass_context
def rebuild(context: click.Context, /, yes: bool) -> int:
    """Derive from the targets what can be derived.

    A catalog that is lost or damaged is read back first from the newest state that drorch saved to a target; the
    damaged one is kept beside it. What does not come back is said. Without --yes the plan is shown.
    """
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    doors = app.doors_of(configuration)
    if not yes:
        show_plan(session.output, app.plan_rebuild(configuration, doors))
        session.output.note("nothing is changed yet; to do it, add --yes")
        return 0
    return tell_rebuilt(session.output, app.carry_out(configuration, doors, SystemClock()))


def show_plan(output: Output, plan: app.RebuildPlan) -> None:
    """What a rebuild would do."""
    if output.json:
        output.message({"message_type": "rebuild", "dry_run": True, **_plan_facts(plan)})
        return
    output.line(f"catalog {plan.file} is {plan.condition}")
    if plan.condition is not Condition.SOUND:
        output.line(f"it would be read back from {_source(plan)}")
    for target, count in plan.listed.items():
        output.line(f"target {target} lists {count} snapshots: they would be known, and their paths recorded anew")
    _tell_silent(output, plan)


def tell_rebuilt(output: Output, done: app.Rebuilt) -> int:
    """What a rebuild did; the exit code that it means."""
    code = Outcome.CHAIN_BROKEN if done.broken is not None else Outcome.OK
    if output.json:
        output.message(
            {
                "message_type": "rebuild",
                "dry_run": False,
                **_plan_facts(done.plan),
                "aside": str(done.aside) if done.aside else None,
                "replayed": done.replayed,
                "paths_of": done.paths,
                "lost": done.lost,
                "audit": {"seq": done.broken.seq, "reason": done.broken.reason} if done.broken else None,
            }
        )
    else:
        if done.plan.condition is not Condition.SOUND:
            output.line(f"catalog {done.plan.file} was {done.plan.condition}; read back from {_source(done.plan)}")
        if done.aside is not None:
            output.line(f"what it was is kept in {done.aside}")
        if done.replayed:
            output.line(f"{done.replayed} runs came from the spool")
        for target, count in done.plan.listed.items():
            output.line(f"{count} snapshots on {target} are known")
        output.line(f"path history holds {done.paths} snapshots")
        for lost in done.lost:
            output.line(f"did not come back: {lost}")
    _tell_silent(output, done.plan)
    for alarm in done.alarms:
        output.problem(Problem("catalog", alarm), during="alarm")
    for problem in done.problems:
        output.problem(problem, during="rebuild")
    if done.broken is not None:
        said = f"the audit log is not what was saved, from entry {done.broken.seq} on: {done.broken.reason}"
        output.problem(Problem("catalog", said), during="alarm")
    return int(code)


def _tell_silent(output: Output, plan: app.RebuildPlan) -> None:
    for problem in plan.silent:
        output.problem(problem, during="target")


def _source(plan: app.RebuildPlan) -> str:
    if plan.source is None:
        return "nowhere: no target that answers holds a saved state"
    name = plan.source.saved.named.id.hex()[:SHORT_HEX]
    return f"snapshot {name} of {plan.source.taken:%Y-%m-%d %H:%M:%S UTC} on {plan.source.target}"


def _plan_facts(plan: app.RebuildPlan) -> dict[str, object]:
    source = plan.source
    return {
        "catalog": str(plan.file),
        "condition": plan.condition.value,
        "state": None
        if source is None
        else {
            "target": source.target,
            "snapshot_id": source.saved.named.id.hex(),
            "time": source.taken.isoformat(),
        },
        "targets": dict(plan.listed),
        "silent": {problem.subject: problem.message for problem in plan.silent},
    }
