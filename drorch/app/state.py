"""The job @state, composed: what only drorch knows goes to the targets of the configuration."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

from drorch import __version__
from drorch.actions.backup import BackupResult
from drorch.app.catalogs import place_of, upgrade
from drorch.app.door import opened
from drorch.app.targets import access_of
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import DrorchError
from drorch.model.audit import AuditHead
from drorch.model.names import STATE_JOB, TargetName
from drorch.orchestrator.books import Books
from drorch.orchestrator.doer import Doer, Occasion
from drorch.orchestrator.kinship import notice
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.orchestrator.state import State, heads, save_state
from drorch.repository.repository import Repository

_PATIENCE = timedelta(seconds=30)
"""How long one waits while another process saves the state: it is done in seconds, and lacks what we know."""


def run_state(
    configuration: Configuration,
    target: TargetName,
    books: Books,
    clock: Clock,
    retry_lock: timedelta,
    occasion: Occasion | None = None,
) -> RunReport:
    """Save the state to a target, and write down what became of it; an error of drorch's is in the report.

    Without an occasion, the user of this process asked for it.
    """
    occasion = occasion or Occasion(Doer.here())
    assignment = Assignment(
        job=STATE_JOB,
        target=target,
        host=configuration.host,
        doer=occasion.doer,
        config_hash=configuration.digest,
        versions={"drorch": __version__},
        keeps_history=False,
        trigger=occasion.trigger,
        patience=_PATIENCE,
        launch=occasion.launch,
    )
    state = State(
        place=place_of(configuration),
        upgrade=upgrade(),
        configuration=configuration.file,
        host=configuration.host,
        program_version=f"drorch {__version__}",
    )

    def work(repository: Repository) -> BackupResult:
        notice(books, target, repository, configuration.host)
        return save_state(repository, state, retry_lock)

    runner = Runner(books, configuration.state_dir, clock)
    return runner.back_up(assignment, door_to(configuration, target), work)


def door_to(configuration: Configuration, target: TargetName) -> Callable[[], AbstractContextManager[Repository]]:
    """What opens the repository on a target; it is not locked."""
    access = access_of(configuration, target)
    return lambda: opened(access, lock=False)


def complaint_about(report: RunReport, said: Sequence[str]) -> str | None:
    """What must be said of a run of @state that nobody asked for, beside what was said; None where it went well."""
    about = f"what only drorch knows is not on {report.run.target}"
    if report.fault is not None:
        return f"{about}: {report.fault.message}"
    problems = [one for one in report.run.problems if not any(one.message in complaint for complaint in said)]
    if problems:
        told = "; ".join(f"{problem.subject}: {problem.message}" for problem in problems)
        return f"{about}, not all of it: {told}"
    return None


def travelled_heads(configuration: Configuration) -> tuple[list[AuditHead], list[str]]:
    """The ends of the audit log that lie on the targets, and which targets could not be asked, in words."""
    found: list[AuditHead] = []
    silent: list[str] = []
    for name in configuration.targets:
        try:
            with door_to(configuration, name)() as repository:
                found += heads(repository, configuration.host)
        except DrorchError as fault:
            silent.append(f"target {name}: {fault.message}")
    return found, silent
