"""Faults that no single value has: names that name nothing, and keys that are nothing, or wrong, beside others."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from drorch.config import syntax
from drorch.config.databases import ASKED
from drorch.config.faults import Fault, meant
from drorch.config.schema import SOURCE_KINDS
from drorch.config.shape import as_table, table_at
from drorch.config.syntax import Document
from drorch.model.window import Window, parse_window

_TIMING = ("timezone", "jitter", "allowed", "blackout")
"""Keys that say when what is due begins."""
_ANY_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)


def faults(document: Document) -> Iterator[Fault]:
    """All such faults of a document that could be read to its end."""
    yield from _targets(document)
    yield from _followed(document)
    yield from _unscheduled(document)
    yield from _maintained(document)
    yield from _without_room(document)
    yield from _unanswered(document)
    yield from _beside(document.data, (), document)


def _jobs(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, job in as_table(document.data.get("jobs")).items():
        yield name, as_table(job)


def _targets(document: Document) -> Iterator[Fault]:
    """Names of targets that no target has, wherever a job uses them."""
    targets = as_table(document.data.get("targets"))
    for name, job in _jobs(document):
        used = job.get("targets")
        listed = [one for one in used if isinstance(one, str)] if isinstance(used, list) else []
        for number, one in enumerate(used if isinstance(used, list) else ()):
            if isinstance(one, str) and one not in targets:
                words = f'there is no target "{one}"{meant(one, targets, kind="targets")}'
                yield Fault(document.value_place(("jobs", name, "targets", number)), words)
        sound = [one for one in listed if one in targets]
        for one in as_table(job.get("on")):
            if one not in listed:
                words = f'"{one}" is not among the targets of job {name}{meant(one, sound, kind="its targets")}'
                yield Fault(document.key_place(("jobs", name, "on", one)), words)


def _followed(document: Document) -> Iterator[Fault]:
    """Jobs that run after one that there is not, or after themselves, or on a schedule too."""
    jobs = dict(_jobs(document))
    after = {name: job["after"] for name, job in jobs.items() if isinstance(job.get("after"), str)}
    told: set[str] = set()
    for name, other in after.items():
        path = ("jobs", name, "after")
        if "schedule" in jobs[name]:
            words = "a job runs on its schedule or after another job; leave one of the two out"
            yield Fault(document.key_place(path), words)
        if other not in jobs:
            others = [one for one in jobs if one != name]
            yield Fault(document.value_place(path), f'there is no job "{other}"{meant(other, others, kind="jobs")}')
        elif name not in told and (circle := _circle(name, after)):
            told.update(circle)
            yield Fault(document.value_place(path), f"job {name} runs after {_in_words(circle)}")


def _circle(name: str, after: Mapping[str, str]) -> tuple[str, ...]:
    """The jobs of the circle that this one is in, itself first; nothing where it is in none."""
    chain = [name]
    while (following := after.get(chain[-1])) is not None and following not in chain:
        chain.append(following)
    return tuple(chain) if following == name else ()


def _in_words(circle: tuple[str, ...]) -> str:
    first, *others = circle
    return ", which runs after ".join((*others, first)) if others else "itself"


def _unscheduled(document: Document) -> Iterator[Fault]:
    """What says when a job begins, of one that is never due."""
    for name, job in _jobs(document):
        if "schedule" in job or any("schedule" in as_table(there) for there in as_table(job.get("on")).values()):
            continue
        for key in _TIMING:
            if key in job:
                words = f"{key} is nothing without a schedule, and job {name} has none"
                yield Fault(document.key_place(("jobs", name, key)), words)


def _maintained(document: Document) -> Iterator[Fault]:
    """Maintenance of what is no target."""
    targets = as_table(document.data.get("targets"))
    for name in as_table(document.data.get("maintenance")):
        if name not in targets:
            words = f'there is no target "{name}"{meant(name, targets, kind="targets")}'
            yield Fault(document.key_place(("maintenance", name)), words)


def _without_room(document: Document) -> Iterator[Fault]:
    """Windows that never let anything begin."""
    for kind in ("jobs", "maintenance"):
        for name, table in as_table(document.data.get(kind)).items():
            allowed, blackout = _windows(as_table(table).get("allowed")), _windows(as_table(table).get("blackout"))
            if blackout and allowed is not None and not _leave_room(allowed, blackout):
                what = "leaves nothing of the allowed windows" if allowed else "never ends"
                words = f"this blackout {what}: nothing would ever begin"
                yield Fault(document.value_place((kind, name, "blackout")), words)


def _windows(written: object) -> list[Window] | None:
    """The windows of a list; None where it is not sound."""
    try:
        return [parse_window(one) for one in written] if isinstance(written, list) else []
    except (ValueError, TypeError, AttributeError):
        return None


def _leave_room(allowed: list[Window], blackout: list[Window]) -> bool:
    """Whether there is a moment of the week to begin at. Windows with dates come and go: they leave room."""
    always = [window for window in blackout if window.first is None and window.last is None]
    if any(window.first or window.last for window in allowed):
        return True
    zone = ZoneInfo("UTC")
    # Where there is room, it begins as an allowed window does, as a blackout ends, or as the week does.
    clocks = {_ANY_MONDAY.time(), *(window.start for window in allowed), *(window.end for window in always)}
    moments = [datetime.combine(_ANY_MONDAY + timedelta(days=day), clock, UTC) for day in range(7) for clock in clocks]
    return any(
        (not allowed or any(window.holds(moment, zone) for window in allowed))
        and not any(window.holds(moment, zone) for window in always)
        for moment in moments
    )


def _unanswered(document: Document) -> Iterator[Fault]:
    """Facts of what answers no queries."""
    for name, job in _jobs(document):
        source = as_table(job.get("source"))
        kind = source.get("type")
        if "facts" not in job or not isinstance(kind, str) or kind not in SOURCE_KINDS:
            continue
        words = ""
        if kind not in ASKED:
            words = f"a source of type {kind} answers no queries; leave facts out"
        elif whole := next((key for key in ("base", "physical") if source.get(key) is True), ""):
            words = f"facts are nothing beside {whole}, which saves files; leave one of the two out"
        if words:
            yield Fault(document.key_place(("jobs", name, "facts")), words)


def _beside(data: object, path: syntax.Path, document: Document) -> Iterator[Fault]:
    """Keys that are nothing without another one, which is not there, or nothing beside one that is."""
    here = as_table(data)
    kind = table_at(path, document.data)
    for key, other in kind.companions if kind is not None else ():
        if key in here and other not in here:
            words = f"{key} is nothing without {other}; say that too, or leave both out"
            yield Fault(document.key_place((*path, key)), words)
    if kind is not None and isinstance(data, dict):
        for key, words in (clash for rule in kind.rules for clash in rule(here)):
            yield Fault(document.key_place((*path, key)) if key else document.value_place(path), words)
    for key, value in here.items():
        yield from _beside(value, (*path, key), document)
