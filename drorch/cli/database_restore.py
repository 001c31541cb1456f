"""What `drorch restore` does where a database is meant: looked at first, then loaded, then compared with the facts.

Imported by name: whoever restores files does not pay for the configuration and the catalog.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from drorch.actions.snapshots import parse_reference
from drorch.app.databases.receiving import receivers_of
from drorch.app.databases.restoring import (
    DatabaseRestore,
    PlannedLoad,
    configuration_with_jobs,
    load_and_write_down,
    planned_load,
)
from drorch.cli.choosing import chosen
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.proving import tell
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Outcome, Problem, RestoreError, UsageError
from drorch.ids import SHORT_HEX
from drorch.orchestrator.loading import LoadedFrom
from drorch.sources.databases.contract import Loaded, Objection, RestoreWish
from drorch.sources.databases.facts import DatabaseFacts, Facts
from drorch.units import counted, format_duration, format_size

_ALWAYS = "always"
_NEVER = "never"


def run(session: Session, options: Mapping[str, Any]) -> int:
    """Restore a database, or show what that would do; the exit code. Raises `UsageError` and what app raises."""
    output, clock = session.output, SystemClock()
    asked = DatabaseRestore(
        reference=parse_reference(options["snapshot"]),
        wish=wish_of(options),
        using=options["using"] or "",
        chosen=chosen(options),
    )
    configuration = configuration_with_jobs(session.values.get("config"))
    target = "" if session.values.get("at") else session.values.get("target", "")
    access = session.access() if options["dry_run"] else session.access().uncached()
    started = clock.monotonic()
    with (
        showing(output, "restore", terminal=session.terminal) as progress,
        planned_load(access, asked, receivers_of(configuration, clock), progress) as planned,
    ):
        objections = planned.objections()
        if options["dry_run"]:
            _show_plan(output, planned, objections)
        _judge(output, planned, objections)
        if options["dry_run"]:
            return int(Outcome.OK)
        done, complaints = load_and_write_down(planned, configuration, target, clock)
    tell(output, (), complaints)
    _report(output, planned, done, clock.monotonic() - started)
    return int(Outcome.FACTS_DIFFER if done.loaded.differences else Outcome.OK)


def wish_of(options: Mapping[str, Any]) -> RestoreWish:
    """What the options ask for. Raises `UsageError` for an empty name and an overwriting that only files know."""
    if options["into"] == "":
        raise UsageError("--into names no database", hint="To restore under the recorded names, type --in-place.")
    if options["overwrite"] not in (None, _ALWAYS, _NEVER):
        raise UsageError(
            f"--overwrite {options['overwrite']} is for files: a database is replaced, or it is not",
            hint="To replace one that is not empty, type --overwrite alone.",
        )
    return RestoreWish(
        into=options["into"],
        only=options["only"],
        tables=options["tables"],
        schemas=options["schemas"],
        overwrite=options["overwrite"] == _ALWAYS,
        as_superuser=options["as_superuser"],
        jobs=options["jobs"] or 1,
        globals_too=options["globals"],
    )


def _judge(output: Output, planned: PlannedLoad, objections: Sequence[Objection]) -> None:
    """Tell what should be known. Raises `RestoreError` where something stands in the way."""
    fatal = [objection for objection in objections if objection.fatal]
    for objection in objections:
        if not objection.fatal or len(fatal) > 1:
            hint = f". {objection.hint[:1].upper()}{objection.hint[1:]}" if objection.hint else ""
            what = "objection" if objection.fatal else "warning"
            output.problem(Problem(planned.receiver.job, f"{objection.message}{hint}"), during=what)
    if len(fatal) == 1:
        raise RestoreError(f"{fatal[0].message}; nothing was touched", hint=fatal[0].hint or None)
    if fatal:
        raise RestoreError(
            f"{len(fatal)} things stand in the way of this restore; nothing was touched",
            hint="Settle them all; to look again without touching anything, type --dry-run.",
        )


def _show_plan(output: Output, planned: PlannedLoad, objections: Sequence[Objection]) -> None:
    parts, facts = planned.parts, planned.facts
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "dry_run": True,
                **_identity(planned),
                "parts": [{"name": name, "size": parts.size(name)} for name in parts.names()],
                "total_bytes": parts.total(),
                "facts": None if facts is None else _facts_record(facts),
                "without_facts": planned.without_facts,
                "objections": [{"message": one.message, "hint": one.hint, "fatal": one.fatal} for one in objections],
            }
        )
        return
    output.line(f"would restore {_title(planned)}, {_into(planned.asked.wish)}, on {planned.receiver.place}, from")
    for name in parts.names():
        output.line(f"  {name}  {format_size(parts.size(name))}")
    if facts is None:
        if planned.without_facts:
            output.line(f"could not be compared afterwards: {planned.without_facts}")
        return
    output.line(f"recorded at {facts.taken}: {facts.server}, dumped by {facts.tool}")
    for name, database in facts.databases.items():
        output.line(f"  {name}: {_rows_text([database])}")
    if not facts.consistent:
        output.line("  the databases are not of one moment; each is consistent in itself")


def _report(output: Output, planned: PlannedLoad, done: LoadedFrom, seconds: float) -> None:
    loaded = done.loaded
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "seconds_elapsed": int(seconds),
                **_identity(planned),
                "databases": list(loaded.databases),
                "bytes_read": done.bytes_read,
                "compared": loaded.compared,
                "agrees": False if loaded.differences else True if loaded.compared else None,
                "differences": list(loaded.differences),
                "notes": list(loaded.notes),
            }
        )
        return
    what, into = ", ".join(loaded.databases), planned.asked.wish.into
    if into is not None and into != what:
        what = f"{what} into {into}"
    output.line(
        f"{_title(planned)}: restored {what} on {planned.receiver.place} in {format_duration(seconds)}, "
        f"{format_size(done.bytes_read)} read"
    )
    for line in _verdict(planned, loaded):
        output.line(line)
    if loaded.compared:
        for note in loaded.notes:
            output.note(f"note: {note}")


def _verdict(planned: PlannedLoad, loaded: Loaded) -> list[str]:
    """What was seen of what is there now. Not compared is never said to agree."""
    lines = []
    if loaded.differences:
        lines.append("differs from the facts recorded at backup:")
        lines.extend(f"  {difference}" for difference in loaded.differences)
    if not loaded.compared:
        whole = "not all of it could be compared" if loaded.differences else "could not be compared"
        lines.append(f"{whole} with the facts recorded at backup:")
        lines.extend(f"  {note}" for note in loaded.notes or ("nothing is known to compare with",))
    elif not loaded.differences:
        lines.append(f"agrees with the facts recorded at backup{_agreeing(planned)}")
    return lines


def _agreeing(planned: PlannedLoad) -> str:
    """How much agrees, where all that was recorded of whole databases was wanted."""
    wish, facts = planned.asked.wish, planned.facts
    if facts is None or wish.tables or wish.schemas:
        return ""
    wanted = [one for name, one in facts.databases.items() if wish.only in (None, name)]
    return f": {_rows_text(wanted)}" if wanted else ""


def _rows_text(databases: Sequence[DatabaseFacts]) -> str:
    """Tables and rows; rows that were not counted exactly are none."""
    counts = [count for database in databases for count in database.tables.values()]
    exact = [count.rows for count in counts if count.exact]
    text = f"{counted(len(counts), 'table')}, {sum(exact):,} {'row' if sum(exact) == 1 else 'rows'}"
    return text if len(exact) == len(counts) else f"{text} in the {len(exact)} that were counted exactly"


def _title(planned: PlannedLoad) -> str:
    return f"snapshot {planned.named.id.hex()[:SHORT_HEX]}"


def _into(wish: RestoreWish) -> str:
    what = "everything in it" if wish.only is None else f"only {wish.only}"
    parts = [f"tables {', '.join(wish.tables)}"] if wish.tables else []
    parts += [f"schemas {', '.join(wish.schemas)}"] if wish.schemas else []
    where = "under the recorded names" if wish.into is None else f"into {wish.into}"
    return ", ".join([what, *parts, where])


def _identity(planned: PlannedLoad) -> dict[str, object]:
    return {
        "snapshot_id": planned.named.id.hex(),
        "job": planned.receiver.job,
        "kind": planned.receiver.loader.kind,
        "place": planned.receiver.place,
        "into": planned.asked.wish.into,
    }


def _facts_record(facts: Facts) -> dict[str, object]:
    return {
        "server": facts.server,
        "tool": facts.tool,
        "taken": facts.taken,
        "consistent": facts.consistent,
        "databases": {
            name: {"tables": len(one.tables), "rows": sum(count.rows for count in one.tables.values() if count.exact)}
            for name, one in facts.databases.items()
        },
    }
