"""drorch doctor"""

import click

from drorch.app.doctor.examination import Patient, examine
from drorch.app.doctor.symptom import Severity
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.units import counted


@click.command("doctor", cls=VerbCommand, exit_with=(*exit_codes.FAULTS, 4))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.pass_context
def command(context: click.Context, /, jobs: tuple[str, ...]) -> int:
    """Tell what would fail tonight, and why.

    The configuration, the clock, versions, state_dir and the catalog, every target with its password, its repository
    and its locks, and every source are looked at, databases by asking their servers; of the named jobs only, where some
    are named. Nothing is changed. Each line ends with the mend. It exits with 1 where something would fail; a warning
    alone is no failure.
    """
    session = Session.of(context)
    output = session.output
    patient = Patient(session.values.get("config"), jobs, session.values.get("target"))
    found = examine(patient, SystemClock())
    for symptom in found.symptoms:
        if output.json:
            output.message(
                {
                    "message_type": "symptom",
                    "severity": symptom.severity.value,
                    "subject": symptom.subject,
                    "message": symptom.message,
                    "mend": symptom.mend,
                }
            )
        else:
            end = "" if symptom.message[-1:] in "?!." else "."
            output.line(f"{symptom.severity}: {symptom.subject}: {symptom.message}{end} {symptom.mend}")
    errors = sum(symptom.severity is Severity.ERROR for symptom in found.symptoms)
    warnings = len(found.symptoms) - errors
    if output.json:
        summary = {"errors": errors, "warnings": warnings, "versions": found.versions}
        output.message({"message_type": "summary", **summary})
    else:
        for name, version in found.versions.items():
            output.detail(f"{name}: {version}")
        told = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
        output.line(told if found.symptoms else "nothing would fail")
    return 1 if found.would_fail else 0
