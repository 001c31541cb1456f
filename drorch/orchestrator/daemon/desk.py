"""What the daemon does for whoever asks over its socket: the core's side of control."""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from drorch.errors import CatalogError, ConfigError, UsageError
from drorch.model.audit import Deed
from drorch.model.launch import Launch, Pause, Work, WorkKind
from drorch.model.names import JobName, TargetName
from drorch.model.run import Trigger
from drorch.orchestrator.control.contract import Coming, DaemonStanding, Going, Identity, PauseOrder, RunOrder
from drorch.orchestrator.daemon.core import Core
from drorch.orchestrator.daemon.retelling import moved
from drorch.orchestrator.daemon.runs import Running
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.doer import Doer

_LEAST_PREFIX = 4


class Desk:
    """Fits `Control` (control/contract.py). What changes anything is in the audit log before it is done."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def identity(self) -> Identity:
        """Which daemon this is."""
        return self._core.house.identity()

    def standing(self) -> DaemonStanding:
        """How things stand."""
        core = self._core
        return DaemonStanding(
            identity=self.identity(),
            pid=os.getpid(),
            since=core.since,
            reloaded=core.reloaded,
            refused=core.refused,
            draining=core.stopping,
            going=tuple(self._going()),
            coming=tuple(Coming(one.entry.work, one.due, one.begins) for one in core.agenda.upcoming()),
            pauses=tuple(core.pauses),
        )

    def _going(self) -> Iterator[Going]:
        runs = self._core.runs
        yield from (Going(one.launch, _progress(one)) for one in runs.running.values())
        yield from (Going(one.launch) for one in sorted(runs.waiting.values(), key=lambda each: each.rank))

    def run(self, order: RunOrder, doer: Doer) -> Sequence[Launch]:
        """Queue a launch for each job. Raises `ConfigError`, before anything is queued."""
        works = [self._work(name, order.target) for name in order.jobs]
        if self._core.stopping:
            raise UsageError("the daemon is about to end", hint="Try again when it is back.")
        for work in works:
            for target in work.targets:
                self._did(doer, "run", job=work.name, target=target)
        now = self._core.clock.now()
        return [self._launch(work, doer, now) for work in works]

    def _launch(self, work: Work, doer: Doer, now: datetime) -> Launch:
        launch = Launch(uuid.uuid4().hex, work, Trigger.HAND, now, now, user=doer.user)
        self._core.register.claim(launch)
        return self._core.enter(launch)

    def _work(self, name: JobName, only: TargetName | None) -> Work:
        lines = [entry.work for entry in self._core.roster.entries if _is_job(entry.work, name)]
        if not lines:
            raise ConfigError(f'there is no job "{name}" in {self.identity().config}', hint=self._names())
        targets = tuple(target for line in lines for target in line.targets)
        if only is not None and only not in targets:
            raise ConfigError(f"job {name} has no target {only}", hint=f"Its targets: {', '.join(targets)}.")
        return Work(WorkKind.JOB, name, name, targets if only is None else (only,))

    def _names(self) -> str:
        names = dict.fromkeys(entry.work.name for entry in self._core.roster.entries if entry.work.kind is WorkKind.JOB)
        return f"Its jobs: {', '.join(names)}." if names else "It has no jobs."

    def pause(self, order: PauseOrder, doer: Doer) -> Sequence[Pause]:
        """Let schedules rest. Raises `ConfigError` for a job that does not exist."""
        for name in order.jobs:
            self._work(name, None)
        now = self._core.clock.now()
        pauses = [Pause(job, now, doer.user, order.until, order.reason) for job in order.jobs or ("",)]
        for pause in pauses:
            self._did(doer, "pause", job=pause.job or "all", until="" if pause.until is None else str(pause.until))
            self._core.register.pause(pause)
        self._core.look_at_pauses()
        return pauses

    def resume(self, jobs: Sequence[JobName], doer: Doer) -> Sequence[Pause]:
        """End pauses, all of them where no job is named; those that were ended."""
        now = self._core.clock.now()
        ended: list[Pause] = []
        for job in jobs or (None,):
            self._did(doer, "resume", job=job or "all")
            ended += self._core.register.resume(job, now)
        self._core.look_at_pauses()
        return ended

    def cancel(self, what: str, doer: Doer) -> Sequence[Launch]:
        """Stop or unqueue launches of a job, or the one whose id begins so. Raises `UsageError`."""
        runs = self._core.runs
        going = [one.launch for one in runs.running.values()] + [one.launch for one in runs.waiting.values()]
        meant = [launch for launch in going if _is_job(launch.work, what)] or _by_id(going, what)
        for launch in meant:
            self._did(doer, "cancel", job=launch.work.name, launch=launch.id)
            self._core.cancel(launch, f"{doer.user} cancelled it")
        return meant

    def reload(self, doer: Doer) -> Identity:
        """Take over the configuration as it is now. Raises `ConfigError`; then the old one stays in force."""
        self._core.reload()
        self._did(doer, "reload")
        return self.identity()

    def _did(self, doer: Doer, action: str, **detail: str) -> None:
        catalog = self._core.house.open()
        if catalog is None:
            return
        detail[CONFIGURATION] = self._core.roster.digest
        try:
            write_down(catalog.audit, Deed(self._core.clock.now(), doer.user, doer.uid, doer.tty, action, detail))
        except CatalogError as fault:
            self._core.house.note(
                "warning", f"the audit log lacks that {doer.user} asked for {action}: {fault.message}"
            )


def _progress(running: Running) -> Mapping[str, object] | None:
    return None if running.ward.progress is None else moved(running.ward.progress)


def _is_job(work: Work, name: str) -> bool:
    return work.kind is WorkKind.JOB and work.name == name


def _by_id(going: Sequence[Launch], prefix: str) -> list[Launch]:
    found = [launch for launch in going if launch.id.startswith(prefix)]
    if not found or len(prefix) < _LEAST_PREFIX:
        raise UsageError(f"nothing that runs or waits is called {prefix}", hint="Run drorch status.")
    if len(found) > 1:
        raise UsageError(f"several launches begin with {prefix}", hint="Give more of the id.")
    return found
