"""drorch bootstrap"""

import json
from pathlib import Path
from typing import Any

import click

from drorch.app import bootstrap as app
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.writer import Output
from drorch.cli.rebuilding import broken_facts, rebuilt_facts, tell_broken, tell_derived, tell_faults, tell_taken
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import CatalogError, ConfigError, JobBusy, Outcome, UsageError
from drorch.ids import SHORT_HEX

_CODES = (
    *(*exit_codes.OPENS, ConfigError.exit_code, CatalogError.exit_code),
    *(JobBusy.exit_code, Outcome.CHAIN_BROKEN),
)


@click.command("bootstrap", cls=VerbCommand, exit_with=_CODES)
@click.option("-H", "--host", metavar="HOST", help="Whose state, where the repository holds that of several hosts.")
@click.option("--to", metavar="DIR", help="Put everything into this folder instead, and derive nothing.")
@click.option("--yes", is_flag=True, help="Replace what is there; it is kept aside.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Bring a bare host back.

    From the newest state in the repository that --repo names come the configuration (to the file that -c names, or
    /etc/drorch/jobs.toml), the catalog and the spool (into the state_dir of that configuration); the rest is derived
    from the targets that answer. Secrets are never saved with it: which have to be put back is said.
    """
    session = Session.of(context)
    if session.values.get("target"):
        raise UsageError("a bare host has no targets yet", hint="Name the repository with --repo.")
    request = app.BootstrapRequest(
        access=session.access(),
        host=options["host"],
        config=Path(session.values.get("config") or app.USUAL_CONFIG).absolute(),
        to=Path(options["to"]).absolute() if options["to"] else None,
        overwrite=options["yes"],
    )
    done = app.bootstrap(request, SystemClock())
    if session.output.json:
        session.output.message(_facts(done))
    else:
        _tell(session.output, done)
    if done.rebuilt is not None:
        tell_faults(session.output, done.rebuilt)
    if done.broken is None:
        return int(Outcome.OK)
    tell_broken(session.output, done.broken)
    return int(Outcome.CHAIN_BROKEN)


def _tell(output: Output, done: app.Bootstrapped) -> None:
    name = done.snapshot[:SHORT_HEX]
    output.line(f"state of {done.host}, saved {done.taken:%Y-%m-%d %H:%M:%S UTC} (snapshot {name})")
    output.line(f"came back: configuration {done.config}")
    if done.catalog:
        output.line(f"came back: catalog {done.state_dir}/catalog.sqlite; its audit log is {_soundness(done)}")
    if done.spooled:
        output.line(f"came back: {done.spooled} records of the spool")
    for aside in done.aside:
        output.line(f"kept aside: {aside}")
    if done.rebuilt is not None:
        tell_taken(output, done.rebuilt)
        tell_derived(output, done.rebuilt)
    for lost in done.lost:
        output.line(f"did not come back: {lost}")
    for secret in done.secrets:
        kept = ", ".join(f"{kind} = {json.dumps(where)}" for kind, where in secret.reference.items())
        output.line(f"{'secret is there' if secret.there else 'put this secret back'}: {secret.purpose} {{ {kept} }}")


def _soundness(done: app.Bootstrapped) -> str:
    return "whole" if done.broken is None else "broken"


def _facts(done: app.Bootstrapped) -> dict[str, object]:
    return {
        "message_type": "bootstrap",
        "snapshot_id": done.snapshot,
        "hostname": done.host,
        "time": done.taken.isoformat(),
        "config": str(done.config),
        "state_dir": str(done.state_dir),
        "catalog": done.catalog,
        "spooled": done.spooled,
        "aside": [str(aside) for aside in done.aside],
        "lost": done.lost,
        "secrets": [
            {"purpose": one.purpose, "reference": dict(one.reference), "there": one.there} for one in done.secrets
        ],
        "audit": broken_facts(done.broken),
        "rebuilt": rebuilt_facts(done.rebuilt) if done.rebuilt is not None else None,
    }
