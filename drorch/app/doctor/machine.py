"""What the doctor asks of the machine: its clock, its disks, the rights on folders, the programs and libraries."""

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from shutil import which

from drorch.app.doctor.symptom import Symptom, error, warning
from drorch.errors import DrorchError
from drorch.process.commands import output_of
from drorch.units import GIB, MIB, duration_text, format_size

EARLIEST_YEAR, LATEST_YEAR = 2025, 2100
"""A clock outside of these years was never set."""

OLDEST_RESTIC = (0, 14)
"""The first restic that reads and writes format version 2 as a stable one."""

_SLACK = timedelta(minutes=5)
_TOO_SMALL, _SMALL = 64 * MIB, GIB
_FEWEST_INODES = 1000
_PROGRAM_SECONDS = 10.0
_LOWEST = re.compile(r"\s*([A-Za-z0-9_.-]+)(?:\[[^]]*\])?\s*(>=|==)\s*([0-9][0-9.]*)")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def clock_symptoms(now: datetime, newest: Mapping[str, datetime]) -> Iterator[Symptom]:
    """A clock that was never set, or is behind what files of a place (by subject) were written at."""
    mend = "Set the clock: timedatectl set-ntp true"
    if not EARLIEST_YEAR <= now.year <= LATEST_YEAR:
        yield error("clock", f"it says that this is the year {now.year}", mend)
        return
    for subject, written in newest.items():
        if written > now + _SLACK:
            ahead = duration_text(timedelta(seconds=int((written - now).total_seconds())))
            yield error("clock", f"files of {subject} are {ahead} newer than now", f"{mend}; or touch those files.")


@dataclass(frozen=True, slots=True)
class Space:
    """What is free on the disk below a path, in bytes and in files; `inodes` is None where they are not counted."""

    free: int
    inodes: int | None

    @staticmethod
    def below(path: Path) -> "Space":
        """As it is now. Raises `OSError`."""
        told = os.statvfs(path)
        return Space(told.f_bavail * told.f_frsize, told.f_favail if told.f_files else None)


def space_symptoms(subject: str, path: Path, space: Space) -> Iterator[Symptom]:
    """A disk that is full, or soon will be."""
    yield from room_symptoms(subject, space, f"at {path}", f"Free space there: df -h {path}")


def room_symptoms(subject: str, space: Space, where: str, mend: str) -> Iterator[Symptom]:
    """A disk somewhere that is full, or soon will be."""
    if space.free < _TOO_SMALL:
        yield error(subject, f"only {format_size(space.free)} are free {where}", mend)
    elif space.free < _SMALL:
        yield warning(subject, f"only {format_size(space.free)} are free {where}", mend)
    if space.inodes is not None and space.inodes < _FEWEST_INODES:
        yield error(subject, f"only {space.inodes} more files fit {where}", mend.replace("df -h", "df -i"))


def folder_symptoms(subject: str, folder: Path, used: Iterable[str]) -> Iterator[Symptom]:
    """A folder that is to be written to, with those of its entries (`used`) that are: rights and space.

    One that does not exist yet is made by the first run, in the nearest folder above that does.
    """
    there = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not there.is_dir():
        yield error(subject, f"{there} is not a folder", f"Move it away, or name another place than {folder}.")
        return
    wrong = list(_not_writable(subject, there, used if there == folder else ()))
    yield from wrong
    if not wrong:
        yield from space_symptoms(subject, there, Space.below(there))
        if there == folder and there.stat().st_mode & stat.S_IWOTH:
            yield error(subject, f"everyone may write {there}", f"Type: chmod o-w {there}")


def _not_writable(subject: str, folder: Path, names: Iterable[str]) -> Iterator[Symptom]:
    if not _may(folder, os.R_OK | os.W_OK | os.X_OK):
        yield error(subject, f"{folder} cannot be written", f"Give user {os.geteuid()} the right to: ls -ld {folder}")
        return
    for place in (folder / name for name in names):
        wanted = os.R_OK | os.W_OK | (os.X_OK if place.is_dir() else 0)
        if place.exists() and not _may(place, wanted):
            yield error(subject, f"{place} cannot be written", f"Give user {os.geteuid()} the right to: ls -ld {place}")


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def required() -> list[str]:
    """What drorch says that it needs, as package requirements."""
    return [line for line in metadata.requires("drorch") or () if "extra ==" not in line]


def installed(name: str) -> str | None:
    """The version of an installed package; None where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def library_symptoms(requirements: Iterable[str], version_of: Callable[[str], str | None]) -> Iterator[Symptom]:
    """Packages that are missing, or of another version than what is required of them."""
    for line in requirements:
        wanted = _LOWEST.match(line)
        if wanted is None:
            continue
        name, relation, version = wanted.groups()
        found = version_of(name)
        mend = f"Install it: pip install '{name}{relation}{version}'"
        if found is None:
            yield error("libraries", f"{name} is not installed", mend)
        elif not _fits(numbers(found), relation, numbers(version)):
            yield error("libraries", f"{name} {found} is installed, {relation} {version} is needed", mend)


def _fits(found: tuple[int, ...], relation: str, wanted: tuple[int, ...]) -> bool:
    return found[: len(wanted)] == wanted if relation == "==" else found >= wanted


def numbers(version: str) -> tuple[int, ...]:
    """The first dotted number in a text, as numbers."""
    found = _NUMBERS.search(version)
    return tuple(map(int, found[0].split("."))) if found else ()


def restic_version() -> str | None:
    """What the restic on the path says it is; None where there is none, or it does not run."""
    program = which("restic")
    if program is None:
        return None
    try:
        return output_of([program, "version"], timeout=_PROGRAM_SECONDS).decode("utf-8", "replace").strip()
    except DrorchError:
        return None


def restic_symptoms(told: str | None) -> Iterator[Symptom]:
    """A restic that cannot read what drorch writes. drorch does not need it; who restores without drorch does."""
    if told is not None and numbers(told)[:2] < OLDEST_RESTIC:
        lowest = ".".join(map(str, OLDEST_RESTIC))
        yield warning("restic", f"{told} cannot read what drorch writes", f"Install restic {lowest} or newer.")


def versions(restic: str | None) -> dict[str, str]:
    """Which programs and libraries take part."""
    names = [wanted[1] for line in required() if (wanted := _LOWEST.match(line))]
    found = {name: version for name in sorted(names) if (version := installed(name)) is not None}
    return {"python": sys.version.split()[0], **found, **({"restic": restic.split("\n")[0]} if restic else {})}
