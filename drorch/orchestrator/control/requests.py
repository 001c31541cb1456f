"""What may be asked: seven verbs, whose arguments are names, a span of time, yes or no, and a reason to be shown.

Promise: nothing else gets past here: no path, no command, no argument that is not known, no verb that is not listed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from drorch.errors import UsageError
from drorch.model.names import NAME_RULE, STATE_JOB, JobName, TargetName, is_name

MOST_JOBS = 500
LONGEST_REASON = 200
_LONGEST_PAUSE = timedelta(days=3660)
_LONGEST_SHOWN = 40


class Malformed(UsageError):
    """What was said is no request at all; whoever says that is not listened to any longer."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Which daemon is this?"""


@dataclass(frozen=True, slots=True)
class Status:
    """How do things stand?"""


@dataclass(frozen=True, slots=True)
class Run:
    """Run jobs now; `follow`: tell all of it until they have ended."""

    jobs: tuple[JobName, ...]
    target: TargetName | None
    follow: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Let jobs rest, or (none) all of them; `span` None: until resumed."""

    jobs: tuple[JobName, ...]
    span: timedelta | None
    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    """End pauses of jobs, or (none) all."""

    jobs: tuple[JobName, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the launches of a job, or the one whose id begins so."""

    what: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the configuration anew."""


Request = Hello | Status | Run | Pause | Resume | Cancel | Reload


def parse(line: bytes) -> Request:
    """The request in a line. Raises `Malformed`, and `UsageError` for what is not on offer."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise Malformed("that is no line of JSON") from fault
    if not isinstance(said, dict):
        raise Malformed("that is no request")
    verb = said.pop("verb", None)
    known = _VERBS.get(verb) if isinstance(verb, str) else None
    if known is None:
        raise UsageError(f"there is no verb {_shown(verb)}", hint=f"There are: {', '.join(_VERBS)}.")
    taken, make = known
    unknown = next((name for name in said if name not in taken), None)
    if unknown is not None:
        raise UsageError(f"{verb} takes no {_shown(unknown)}", hint=f"It takes: {', '.join(taken) or 'nothing'}.")
    return make(said)


def _run(said: Mapping[str, Any]) -> Request:
    jobs = _jobs(said)
    if not jobs:
        raise UsageError("run names no job", hint="Name a job.")
    return Run(jobs, _target(said.get("target")), _flag(said, "follow"))


def _pause(said: Mapping[str, Any]) -> Request:
    return Pause(_jobs(said), _span(said.get("for")), _reason(said.get("reason", "")))


def _cancel(said: Mapping[str, Any]) -> Request:
    what = said.get("what")
    if not isinstance(what, str) or not (is_name(what) or what == STATE_JOB):
        raise UsageError(f"{_shown(what)} names no job or launch", hint="Type: drorch status")
    return Cancel(what)


def _jobs(said: Mapping[str, Any]) -> tuple[JobName, ...]:
    jobs = said.get("jobs", [])
    if not isinstance(jobs, list) or len(jobs) > MOST_JOBS:
        raise UsageError(f"jobs must be a list of at most {MOST_JOBS} names", hint=_HINT)
    for job in jobs:
        if not isinstance(job, str) or not (is_name(job) or job == STATE_JOB):
            raise UsageError(f"{_shown(job)} is no name of a job", hint=f"A name is {NAME_RULE}.")
    return tuple(dict.fromkeys(map(JobName, jobs)))


def _target(said: object) -> TargetName | None:
    if said is None:
        return None
    if not isinstance(said, str) or not is_name(said):
        raise UsageError(f"{_shown(said)} is no name of a target", hint=f"A name is {NAME_RULE}.")
    return TargetName(said)


def _flag(said: Mapping[str, Any], name: str) -> bool:
    flag = said.get(name, False)
    if not isinstance(flag, bool):
        raise UsageError(f"{name} must be true or false, not {_shown(flag)}", hint=_HINT)
    return flag


def _span(said: object) -> timedelta | None:
    if said is None:
        return None
    longest = _LONGEST_PAUSE.total_seconds()
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said <= longest:
        raise UsageError(f"{_shown(said)} is no time to pause", hint=f"Name seconds, at most {longest:.0f}.")
    return timedelta(seconds=said)


def is_reason(text: str) -> bool:
    """Whether a pause may have this reason: one line that shows as it is."""
    return len(text) <= LONGEST_REASON and text.isprintable()


def _reason(said: object) -> str:
    if not isinstance(said, str) or not is_reason(said):
        raise UsageError("that is no reason", hint=f"Write one line of at most {LONGEST_REASON} characters.")
    return said


def _shown(said: object) -> str:
    """What was said, short and in ASCII: it may be anything, and nested deeper than it can be written."""
    if isinstance(said, list | dict):
        return "a list" if isinstance(said, list) else "an object"
    text = json.dumps(said[: _LONGEST_SHOWN + 1] if isinstance(said, str) else said)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


_HINT = 'Say for instance: {"verb":"status"}'
_VERBS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Request]]] = {
    "hello": ((), lambda _said: Hello()),
    "status": ((), lambda _said: Status()),
    "run": (("jobs", "target", "follow"), _run),
    "pause": (("jobs", "for", "reason"), _pause),
    "resume": (("jobs",), lambda said: Resume(_jobs(said))),
    "cancel": (("what",), _cancel),
    "reload": ((), lambda _said: Reload()),
}
