"""What the doctor asks of a way to a target: its secrets, its files, the clock and the room at its end."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from drorch.app.doctor.machine import Space, room_symptoms
from drorch.app.doctor.symptom import Symptom, error, of_fault, warning
from drorch.app.locations import Location
from drorch.app.opening import BRIEF_SECONDS
from drorch.clock import Clock
from drorch.errors import DrorchError, TargetError
from drorch.secrets import SecretRef
from drorch.storage.s3.settings import S3Settings
from drorch.storage.target import Target
from drorch.units import rough_span

_SKEW = timedelta(minutes=5)
_REFUSED_SKEW = timedelta(minutes=15)
"""From here on services refuse what is signed, AWS among them."""


def secret_symptoms(subject: str, secrets: Mapping[str, SecretRef]) -> Iterator[Symptom]:
    """Secrets that cannot be read."""
    for secret in secrets.values():
        try:
            secret.read()
        except DrorchError as fault:
            yield of_fault(subject, fault, "Run that command by hand and see.")


def file_symptoms(subject: str, files: Mapping[str, Path | None]) -> Iterator[Symptom]:
    """Files that belong to a way and cannot be read."""
    for key, file in files.items():
        if file is None:
            continue
        try:
            with file.open("rb"):
                pass
        except OSError as fault:
            reason = (fault.strerror or "").lower()
            yield error(subject, f"{key} {file} cannot be read: {reason}", f"Put it back, or set another {key}.")


def skew_symptoms(subject: str, here: datetime, there: datetime) -> Iterator[Symptom]:
    """Clocks that differ."""
    skew = abs(here - there)
    message = f"its clock and this machine's differ by {rough_span(skew)}"
    mend = "Set the clock that is wrong; this one: timedatectl set-ntp true"
    if skew > _REFUSED_SKEW:
        yield error(subject, message, mend)
    elif skew > _SKEW:
        yield warning(subject, message, mend)


def time_there(location: Location, clock: Clock) -> datetime | None:
    """What a service's clock says now; None for places that do not tell without being written to.

    Raises `SecretMissing` and `TargetError`.
    """
    if not isinstance(location.settings, S3Settings):
        return None
    settings = replace(location.settings, timeout_seconds=BRIEF_SECONDS)
    parts = [importlib.import_module(f"drorch.storage.s3.{name}") for name in ("client", "place", "translation")]
    place = parts[1].Place.of(settings)
    with closing(parts[0].connect(settings)) as client:
        able = importlib.import_module("drorch.storage.s3.abilities").S3Abilities(
            client, place, parts[2].Translator(place, clock)
        )
        told: datetime = able.time_there()
        return told


def clock_there_symptoms(subject: str, location: Location, clock: Clock) -> Iterator[Symptom]:
    """A service whose clock is not this machine's."""
    try:
        there = time_there(location, clock)
    except TargetError as fault:
        yield of_fault(subject, fault)
        return
    if there is not None:
        yield from skew_symptoms(subject, clock.now(), there)


class Room(Protocol):
    """What a server says of its disk: bytes and files that may be added (None: no limit)."""

    @property
    def free_bytes(self) -> int:
        """Bytes that may be added."""
        ...

    @property
    def free_files(self) -> int | None:
        """Files that may be added."""
        ...

    @property
    def is_read_only(self) -> bool:
        """Whether nothing may be added."""
        ...


@runtime_checkable
class Roomy(Protocol):
    """A target that can tell how much room it has, without being written to."""

    def room(self) -> Room | None:
        """The room there is; None where the server does not tell. Raises `TargetError`."""
        ...


def room_there_symptoms(subject: str, target: Target) -> Iterator[Symptom]:
    """A disk elsewhere that is full or read-only. Raises `TargetError`."""
    room = target.room() if isinstance(target, Roomy) else None
    if room is None:
        return
    if room.is_read_only:
        yield error(subject, "its disk is mounted read-only", "Mount it writable on the server.")
    yield from room_symptoms(subject, Space(room.free_bytes, room.free_files), "there", "Free space there: df -h")
