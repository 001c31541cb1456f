"""drorch adopt"""

from typing import Any

import click

from drorch.app import adopt as app
from drorch.app import configuration as app_configuration
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.writer import Output
from drorch.cli.records import local_time
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import CatalogError, ConfigError
from drorch.ids import SHORT_HEX
from drorch.orchestrator.adopting import AdoptionPlan
from drorch.repository.repository import NamedSnapshot
from drorch.units import counted

_CODES = (*exit_codes.WRITES, ConfigError.exit_code, CatalogError.exit_code)


@click.command("adopt", cls=VerbCommand, exit_with=_CODES)
@click.argument("job", metavar="JOB")
@click.option("--from-job", metavar="NAME", help="Take over the history of a job that was called so.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be adopted, and do nothing.")
@click.option("--yes", is_flag=True, help="Do it.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Name existing snapshots as a job's history.

    Snapshots of no job and of this host become the job's, on all of its targets or on the one that -t names; without
    --path and --tag those of just the job's own paths. Each is written anew with the tag of the job, as restic tag does
    it, which gives it another id. With --from-job a job that was renamed in the configuration keeps its history.
    Without --yes the plan is shown.
    """
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    request = app.AdoptRequest(
        job=options["job"],
        chosen=chosen(options),
        former=options["from_job"],
        target=session.values.get("target"),
        retry_lock=session.retry_lock,
    )
    if options["yes"] and not options["dry_run"]:
        for adopted in app.carried_out(configuration, request, SystemClock()):
            _tell(session.output, adopted)
        session.output.note("for their paths in find and history, type: drorch catalog rebuild --yes")
        return
    count = 0
    for plan in app.planned(configuration, request):
        _show(session.output, plan)
        count += len(plan.retagged) + len(plan.superseded)
    session.output.note("nothing is changed yet; to do it, add --yes" if count else "there is nothing to adopt")


def _show(output: Output, plan: AdoptionPlan) -> None:
    meant = [*plan.retagged, *(old for old, _ in plan.superseded)]
    if output.json:
        output.message(
            {
                "message_type": "adoption",
                "dry_run": True,
                "target": plan.target,
                "snapshots": [{"id": named.id.hex(), **_facts(named)} for named in meant],
                "left": [{"id": named.id.hex(), **_facts(named)} for named in plan.left],
                "damaged": [snapshot.hex() for snapshot in plan.damaged],
            }
        )
        return
    for named in meant:
        output.line(f"{plan.target}: would adopt {_line(named)}")
    for named in plan.left:
        output.line(f"{plan.target}: leaves alone {_line(named)}")
    for snapshot in plan.damaged:
        output.line(f"{plan.target}: cannot read {snapshot.hex()[:SHORT_HEX]}")


def _tell(output: Output, adopted: app.Adopted) -> None:
    if output.json:
        done = [{"id": new.id.hex(), "was": old.id.hex(), **_facts(new)} for old, new in adopted.snapshots]
        output.message({"message_type": "adoption", "dry_run": False, "target": adopted.target, "snapshots": done})
        return
    for old, new in adopted.snapshots:
        output.detail(f"{adopted.target}: {old.id.hex()[:SHORT_HEX]} is {_line(new)} now")
    output.line(f"{adopted.target}: {counted(len(adopted.snapshots), 'snapshot')} adopted")


def _facts(named: NamedSnapshot) -> dict[str, object]:
    snapshot = named.snapshot
    return {
        "time": snapshot.moment.isoformat(),
        "hostname": snapshot.hostname,
        "paths": list(snapshot.paths),
        "tags": list(snapshot.tags),
    }


def _line(named: NamedSnapshot) -> str:
    snapshot = named.snapshot
    where = " ".join(snapshot.paths)
    return f"{named.id.hex()[:SHORT_HEX]} of {local_time(snapshot.time)}, {snapshot.hostname}: {where}"
