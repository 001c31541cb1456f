"""What is shown of the daemon: its launches, what is due next, what rests, and whether it knows the configuration."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from drorch.app.control.reaching import Reached
from drorch.cli.output.writer import Output
from drorch.errors import ConfigError
from drorch.ids import SHORT_HEX
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.run import Trigger
from drorch.orchestrator.control.contract import Coming, DaemonStanding, Going
from drorch.orchestrator.control.wording import said_launch, said_pause
from drorch.units import format_size, rough_span

_GOING = ("Launch", "What", "Targets", "State", "Asked for", "Progress")
_COMING = ("What", "Targets", "Due", "Begins")
_MOST_COMING = 10


def note_outdated(output: Output, found: Reached) -> None:
    """Say that the daemon works with something else than what the configuration says now, where it does."""
    if not found.is_outdated:
        return
    if isinstance(found.fault, ConfigError) and found.fault.problems:
        output.note(f"{found.fault.message}; the daemon works with what it said before")
    elif found.configuration is not None:
        output.note("the configuration has changed since the daemon read it. Type: drorch reload")


def show_daemon(output: Output, standing: DaemonStanding, now: datetime, *, jobs_too: bool) -> None:
    """Show how the daemon stands; `jobs_too`: what is due next of jobs, too."""
    identity = standing.identity
    ends = "; it ends when what runs has ended" if standing.draining else ""
    output.line(f"daemon {identity.version}, process {standing.pid}, up for {rough_span(now - standing.since)}{ends}")
    if standing.reloaded is not None:
        output.line(f"it read {identity.config} anew {rough_span(now - standing.reloaded)} ago")
    if standing.refused:
        output.line(f"it refuses the configuration as it is now: {standing.refused}")
    show_pauses(output, standing.pauses)
    if standing.going:
        output.table(_GOING, [_going_row(one, now) for one in standing.going])
    coming = [one for one in standing.coming if jobs_too or one.work.kind is not WorkKind.JOB]
    if coming:
        output.table(_COMING, [_coming_row(one) for one in coming[:_MOST_COMING]])
        if len(coming) > _MOST_COMING:
            output.line(f"and {len(coming) - _MOST_COMING} more later")


def show_pauses(output: Output, pauses: Sequence[Pause]) -> None:
    """One line for each pause."""
    for pause in pauses:
        output.line(pause_text(pause))


def pause_text(pause: Pause) -> str:
    """A pause in one line."""
    what = pause.job or "every schedule"
    until = "until it is resumed" if pause.until is None else f"until {pause.until.astimezone():%a %Y-%m-%d %H:%M}"
    reason = f": {pause.reason}" if pause.reason else ""
    return f"{what} rests {until}, by {pause.by}{reason}"


def resumed_text(pause: Pause) -> str:
    """That a pause has ended, in one line."""
    return f"{pause.job or 'every schedule'} rests no longer"


def launch_text(launch: Launch) -> str:
    """A launch in a few words."""
    return f"launch {launch.id[:SHORT_HEX]} of {work_text(launch.work)}"


def work_text(work: Work) -> str:
    """What is run, in a word or two."""
    return work.name if work.kind is WorkKind.JOB else f"{work.kind} of {work.name}"


def launch_record(message_type: str, launch: Launch) -> dict[str, Any]:
    """A launch, for --json."""
    return {"message_type": message_type, **said_launch(launch)}


def pause_record(message_type: str, pause: Pause) -> dict[str, Any]:
    """A pause, for --json."""
    return {"message_type": message_type, **said_pause(pause)}


def _going_row(going: Going, now: datetime) -> tuple[str, ...]:
    launch = going.launch
    runs = launch.state is LaunchState.RUNNING and launch.started is not None
    since = launch.started if runs and launch.started is not None else launch.asked
    return (
        launch.id[:SHORT_HEX],
        work_text(launch.work),
        ", ".join(launch.work.targets),
        f"{'runs' if runs else 'waits'}, {rough_span(now - since)}",
        f"by {launch.user}" if launch.trigger is Trigger.HAND else "by its schedule",
        "" if going.progress is None else _progress_text(going),
    )


def _progress_text(going: Going) -> str:
    said = going.progress or {}
    done, total, files = (_count(said.get(name)) for name in ("bytes_done", "bytes_total", "files_done"))
    share = f"{min(100, done * 100 // total)} % of {format_size(total)}" if total else format_size(done)
    return f"{said.get('kind', 'run')} on {said.get('target', '?')}: {share}, {files} files"


def _count(said: object) -> int:
    return said if isinstance(said, int) else 0


def _coming_row(coming: Coming) -> tuple[str, ...]:
    due, begins = (moment.astimezone() for moment in (coming.due, coming.begins))
    targets = ", ".join(coming.work.targets)
    return (work_text(coming.work), targets, f"{due:%a %m-%d %H:%M}", f"{begins:%a %m-%d %H:%M}")
