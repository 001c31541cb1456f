"""drorch config"""

import json
from zoneinfo import ZoneInfo

import click

from drorch.app import configuration as app
from drorch.app.configuration import Due
from drorch.app.doctor.places import differing_polynomials
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Problem
from drorch.model.launch import WorkKind
from drorch.units import counted, duration_text

_READS = (*exit_codes.FAULTS, 4)


@click.group("config", cls=VerbGroup, exit_with=_READS)
def command() -> None:
    """Check, show and describe the configuration.

    It is the file that -c names, or $DRORCH_CONFIG, or ./jobs.toml, or /etc/drorch/jobs.toml; as root ./jobs.toml is
    never read.
    """


@command.command("check", cls=VerbCommand, exit_with=_READS)
@click.pass_context
def check(context: click.Context, /) -> None:
    """Tell every fault, or when each job and each check of a target begins next.

    It warns of what stops nothing, too: of an RPO, for instance, that the schedule cannot keep, going by how long runs
    took so far.
    """
    session = Session.of(context)
    found = app.load(session.values.get("config"))
    clock = SystemClock()
    due = app.upcoming(found, clock)
    told = (*found.warnings, *app.held_back(due), *app.broken_promises(found, clock))
    warnings = [Problem(str(found.file), warning) for warning in told]
    warnings += [Problem(symptom.subject, symptom.message) for symptom in differing_polynomials(found)]
    output = session.output
    if output.json:
        output.message(
            {
                "message_type": "configuration",
                "file": str(found.file),
                "digest": found.digest,
                "timezone": found.zone.key,
                "warnings": [warning.message for warning in warnings],
                "schedules": [_facts(one) for one in due],
            }
        )
        return
    for warning in warnings:
        output.problem(warning, during="warning")
    if due:
        rows = [(_name(one), ", ".join(one.work.targets), _schedule(one, found.zone), _times(one)) for one in due]
        output.table(("Job", "Targets", "Schedule", "Next times"), rows)
    output.note(f"{found.file} is sound: {counted(len(found.jobs), 'job')}, {counted(len(found.targets), 'target')}")


def _name(one: Due) -> str:
    # No job can be called so.
    return one.work.name if one.work.kind is WorkKind.JOB else f"({one.work.kind})"


def _schedule(one: Due, zone: ZoneInfo) -> str:
    timetable = one.timetable
    if timetable is None:
        return f"after {one.after}" if one.after is not None else "by hand"
    said = [str(timetable.schedule)]
    if timetable.zone.key != zone.key:
        said.append(timetable.zone.key)
    if timetable.jitter:
        said.append(f"up to {duration_text(timetable.jitter)} later")
    if timetable.allowed:
        said.append(f"in {', '.join(map(str, timetable.allowed))}")
    if timetable.blackout:
        said.append(f"not in {', '.join(map(str, timetable.blackout))}")
    return "; ".join(said)


def _times(one: Due) -> str:
    begun = (occasion.begins for occasion in one.occasions)
    return ", ".join("never" if begin is None else f"{begin:%a %Y-%m-%d %H:%M %Z}" for begin in begun)


def _facts(one: Due) -> dict[str, object]:
    timetable = one.timetable
    facts: dict[str, object] = {
        "kind": one.work.kind.value,
        "name": one.work.name,
        "line": one.work.line,
        "targets": list(one.work.targets),
        "schedule": None if timetable is None else str(timetable.schedule),
        "after": one.after,
        "next": [occasion.due.isoformat() for occasion in one.occasions],
        "begins": [occasion.begins and occasion.begins.isoformat() for occasion in one.occasions],
    }
    if timetable is not None:
        facts["timezone"] = timetable.zone.key
        facts["jitter_seconds"] = timetable.jitter.total_seconds()
        facts["allowed"] = [str(window) for window in timetable.allowed]
        facts["blackout"] = [str(window) for window in timetable.blackout]
    return facts


@command.command("show", cls=VerbCommand, exit_with=_READS)
@click.pass_context
def show(context: click.Context, /) -> None:
    """Show what drorch makes of the file: normalised, secrets as references."""
    session = Session.of(context)
    found = app.load(session.values.get("config"))
    if session.output.json:
        session.output.message(app.settings(found))
    else:
        for line in app.as_toml(found).splitlines():
            session.output.line(line)


@command.command("schema", cls=VerbCommand, exit_with=exit_codes.FAULTS)
@click.pass_context
def schema(context: click.Context, /) -> None:
    """Write the JSON Schema of configurations, for editors."""
    output = Session.of(context).output
    if output.json:
        output.message(app.json_schema())
    else:
        output.out.write(json.dumps(app.json_schema(), indent=2) + "\n")


@command.command("example", cls=VerbCommand, exit_with=exit_codes.FAULTS)
@click.pass_context
def example(context: click.Context, /) -> None:
    """Write a commented example."""
    output = Session.of(context).output
    if output.json:
        output.message({"message_type": "example", "text": app.example()})
    else:
        output.out.write(app.example())
