"""The whole examination: configuration, machine, state, targets, jobs, in this order."""

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.app.configuration import load
from drorch.app.doctor.machine import (
    clock_symptoms,
    installed,
    library_symptoms,
    required,
    restic_symptoms,
    restic_version,
    versions,
)
from drorch.app.doctor.places import Visit, polynomial_symptoms, visited
from drorch.app.doctor.records import state_symptoms
from drorch.app.doctor.sources import job_symptoms
from drorch.app.doctor.symptom import Severity, Symptom, error, of_fault, warning
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import ConfigError
from drorch.model.job import Job
from drorch.model.names import TargetName


@dataclass(frozen=True, slots=True)
class Patient:
    """What is to be examined: the configuration, as the command line names it, all of its jobs or only some."""

    config_file: str | None = None
    jobs: tuple[str, ...] = ()
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, and which programs and libraries took part."""

    symptoms: tuple[Symptom, ...]
    versions: dict[str, str]

    @property
    def would_fail(self) -> bool:
        """Whether something would fail."""
        return any(symptom.severity is Severity.ERROR for symptom in self.symptoms)


def examine(patient: Patient, clock: Clock) -> Diagnosis:
    """Look at everything that a run needs. Raises `ConfigError` for a job or a target that does not exist."""
    restic = restic_version()
    found = [*library_symptoms(required(), installed), *restic_symptoms(restic)]
    try:
        configuration = load(patient.config_file)
    except ConfigError as fault:
        found += [*clock_symptoms(clock.now(), {}), *_of_configuration(fault)]
    else:
        jobs, targets = _chosen(configuration, patient)
        file = configuration.file.name
        found += [warning(file, told, "Mend the configuration.") for told in configuration.warnings]
        found += state_symptoms(configuration)
        found += _of_targets(configuration, jobs, targets, clock)
        found += [symptom for job in jobs for symptom in job_symptoms(job, configuration.host)]
    return Diagnosis(tuple(found), versions(restic))


def _of_configuration(fault: ConfigError) -> Iterator[Symptom]:
    for problem in fault.problems:
        yield error(problem.subject, problem.message, "Mend the configuration: drorch config check")
    if not fault.problems:
        yield of_fault("configuration", fault)


def _chosen(configuration: Configuration, patient: Patient) -> tuple[list[Job], list[TargetName]]:
    if patient.jobs:
        jobs = [configuration.job(name) for name in patient.jobs]
    else:
        jobs = [job for job in configuration.jobs.values() if job.enabled]
    if patient.target is not None:
        return jobs, [configuration.target(patient.target).name]
    if patient.jobs:
        return jobs, list(dict.fromkeys(target for job in jobs for target in job.targets))
    return jobs, list(configuration.targets)


def _of_targets(
    configuration: Configuration, jobs: list[Job], targets: list[TargetName], clock: Clock
) -> Iterator[Symptom]:
    visits: dict[TargetName, Visit] = {name: visited(configuration, name) for name in targets}
    newest = {f"target {name}": visit.newest for name, visit in visits.items() if visit.newest is not None}
    yield from clock_symptoms(clock.now(), newest)
    for visit in visits.values():
        yield from visit.symptoms
    polynomials = {name: visit.polynomial for name, visit in visits.items() if visit.polynomial is not None}
    yield from polynomial_symptoms(jobs, polynomials)
