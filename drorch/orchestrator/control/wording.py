"""The values of control as JSON, and back: both ends of the socket speak through here."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from drorch.errors import ConfigError, DrorchError
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.names import TargetName
from drorch.model.run import Trigger
from drorch.orchestrator.control.contract import Coming, DaemonStanding, Going, Identity

Fields = Mapping[str, Any]
_MOST_PROBLEMS = 20


class NotUnderstood(DrorchError):
    """The other end says something that this end does not know."""


def said_identity(identity: Identity) -> dict[str, object]:
    """As JSON."""
    return {
        "version": identity.version,
        "config": str(identity.config),
        "state_dir": str(identity.state_dir),
        "digest": identity.digest,
    }


def said_launch(launch: Launch) -> dict[str, object]:
    """As JSON; its process is nobody's business."""
    return {
        "id": launch.id,
        **_said_work(launch.work),
        "trigger": launch.trigger.value,
        "state": launch.state.value,
        "asked": launch.asked.isoformat(),
        "begins": launch.begins.isoformat(),
        "due": _moment(launch.due),
        "attempt": launch.attempt,
        "user": launch.user,
        "started": _moment(launch.started),
        "ended": _moment(launch.ended),
        "exit_code": launch.exit_code,
        "reason": launch.reason,
    }


def said_pause(pause: Pause) -> dict[str, object]:
    """As JSON."""
    return {
        "job": pause.job,
        "since": pause.since.isoformat(),
        "by": pause.by,
        "until": _moment(pause.until),
        "reason": pause.reason,
    }


def said_standing(standing: DaemonStanding) -> dict[str, object]:
    """As JSON."""
    return {
        **said_identity(standing.identity),
        "pid": standing.pid,
        "since": standing.since.isoformat(),
        "reloaded": _moment(standing.reloaded),
        "refused": standing.refused,
        "draining": standing.draining,
        "launches": [
            {**said_launch(one.launch), "progress": None if one.progress is None else dict(one.progress)}
            for one in standing.going
        ],
        "next": [
            {**_said_work(one.work), "due": one.due.isoformat(), "begins": one.begins.isoformat()}
            for one in standing.coming
        ],
        "pauses": [said_pause(one) for one in standing.pauses],
    }


def said_fault(fault: DrorchError) -> dict[str, object]:
    """Why something is refused: message, hint, exit code, and the faults of a configuration one by one."""
    said: dict[str, object] = {"message": fault.message, "hint": fault.hint, "code": int(fault.exit_code)}
    if isinstance(fault, ConfigError) and fault.problems:
        said["problems"] = [[one.subject, one.message] for one in fault.problems[:_MOST_PROBLEMS]]
    return said


def heard_identity(said: Fields) -> Identity:
    """From JSON. Raises `NotUnderstood`, as all that is heard does."""
    try:
        return Identity(str(said["version"]), Path(said["config"]), Path(said["state_dir"]), str(said["digest"]))
    except (KeyError, TypeError, ValueError) as fault:
        raise not_understood("who it is", fault) from fault


def heard_launch(said: Fields) -> Launch:
    """From JSON."""
    try:
        return Launch(
            id=str(said["id"]),
            work=_heard_work(said),
            trigger=Trigger(said["trigger"]),
            asked=datetime.fromisoformat(said["asked"]),
            begins=datetime.fromisoformat(said["begins"]),
            due=_heard_moment(said["due"]),
            attempt=int(said["attempt"]),
            user=str(said["user"]),
            state=LaunchState(said["state"]),
            started=_heard_moment(said["started"]),
            ended=_heard_moment(said["ended"]),
            exit_code=None if said["exit_code"] is None else int(said["exit_code"]),
            reason=str(said["reason"]),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise not_understood("of a launch", fault) from fault


def heard_pause(said: Fields) -> Pause:
    """From JSON."""
    try:
        return Pause(
            job=str(said["job"]),
            since=datetime.fromisoformat(said["since"]),
            by=str(said["by"]),
            until=_heard_moment(said["until"]),
            reason=str(said["reason"]),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise not_understood("of a pause", fault) from fault


def heard_standing(said: Fields) -> DaemonStanding:
    """From JSON."""
    try:
        return DaemonStanding(
            identity=heard_identity(said),
            pid=int(said["pid"]),
            since=datetime.fromisoformat(said["since"]),
            reloaded=_heard_moment(said["reloaded"]),
            refused=str(said["refused"]),
            draining=bool(said["draining"]),
            going=tuple(Going(heard_launch(one), _heard_progress(one["progress"])) for one in said["launches"]),
            coming=tuple(
                Coming(_heard_work(one), datetime.fromisoformat(one["due"]), datetime.fromisoformat(one["begins"]))
                for one in said["next"]
            ),
            pauses=tuple(map(heard_pause, said["pauses"])),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise not_understood("how it stands", fault) from fault


def _said_work(work: Work) -> dict[str, object]:
    return {"kind": work.kind.value, "name": work.name, "line": work.line, "targets": list(work.targets)}


def _heard_work(said: Fields) -> Work:
    targets = tuple(TargetName(str(one)) for one in said["targets"])
    return Work(WorkKind(said["kind"]), str(said["name"]), str(said["line"]), targets)


def _heard_progress(said: Any) -> Fields | None:
    return None if said is None else dict(said)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _heard_moment(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)


def not_understood(what: str, fault: Exception) -> NotUnderstood:
    """The daemon says something (`what`) in a way that cannot be read."""
    return NotUnderstood(
        f"the daemon says {what} in words that are not known here ({type(fault).__name__}: {fault})",
        hint="It may be of another version; restart it.",
    )
