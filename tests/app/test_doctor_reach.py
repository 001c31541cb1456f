"""The doctor finds what is wrong on the way to a target, and at its end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.app.doctor.reach import file_symptoms, room_there_symptoms, skew_symptoms
from drorch.app.doctor.symptom import Severity
from drorch.storage.memory import MemoryTarget
from drorch.units import GIB, MIB

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "severity"), [(0, None), (4, None), (-6, Severity.WARNING), (6, Severity.WARNING), (20, Severity.ERROR)]
)
def test_a_clock_elsewhere_that_differs_is_told(minutes: int, severity: Severity | None) -> None:
    found = list(skew_symptoms("target offsite", NOW, NOW + timedelta(minutes=minutes)))
    assert [one.severity for one in found] == ([] if severity is None else [severity])
    assert all("differ by" in one.message and "timedatectl" in one.mend for one in found)


def test_files_of_a_way_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key")
    files = {"identity_file": tmp_path / "key", "known_hosts": None, "ca_file": tmp_path / "ca.pem"}
    (told,) = file_symptoms("target vault", files)
    assert told.message == f"ca_file {tmp_path}/ca.pem cannot be read: no such file or directory"


@dataclass
class Room:
    free_bytes: int = 10 * GIB
    free_files: int | None = None
    is_read_only: bool = False


class TargetWithRoom(MemoryTarget):
    """A target elsewhere that says how much room it has."""

    def __init__(self, room: Room | None) -> None:
        super().__init__()
        self._room = room

    def room(self) -> Room | None:
        return self._room


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (None, []),
        (Room(), []),
        (Room(free_bytes=MIB), ["only 1.000 MiB are free there"]),
        (Room(free_files=3), ["only 3 more files fit there"]),
        (Room(is_read_only=True), ["its disk is mounted read-only"]),
    ],
)
def test_a_disk_elsewhere_that_is_full_is_told(room: Room | None, told: list[str]) -> None:
    assert [one.message for one in room_there_symptoms("target vault", TargetWithRoom(room))] == told
    assert list(room_there_symptoms("target vault", MemoryTarget())) == []
