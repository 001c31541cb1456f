"""drorch config"""

import json

import click

from drorch.app import configuration as app
from drorch.app.doctor.places import differing_polynomials
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Problem

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
    """Tell every fault, or when each job runs next."""
    session = Session.of(context)
    found = app.load(session.values.get("config"))
    due = app.upcoming(found, SystemClock())
    warnings = [Problem(str(found.file), warning) for warning in found.warnings]
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
                "schedules": [
                    {
                        "job": one.job,
                        "target": one.target,
                        "schedule": one.schedule or None,
                        "next": [moment.isoformat() for moment in one.times],
                    }
                    for one in due
                ],
            }
        )
        return
    for warning in warnings:
        output.problem(warning, during="warning")
    if due:
        rows = [
            (
                one.job,
                one.target,
                one.schedule or "by hand",
                ", ".join(f"{moment:%a %Y-%m-%d %H:%M %Z}" for moment in one.times),
            )
            for one in due
        ]
        output.table(("Job", "Target", "Schedule", "Next times"), rows)
    output.note(f"{found.file} is sound: {len(found.jobs)} jobs, {len(found.targets)} targets")


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
