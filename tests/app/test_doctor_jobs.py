"""The doctor looks at what jobs start: hooks, commands that print data, programs that take snapshots."""

from pathlib import Path

import pytest

from drorch.app.doctor.sources import job_symptoms
from drorch.app.doctor.symptom import Severity
from drorch.model.hook import Hook, HookFailure, HookTime
from drorch.model.job import CommandSpec, Destination, FilesSpec, FileSystemSnapshot, Job, SourceSpec
from drorch.model.names import JobName, TargetName


def job(source: SourceSpec, *hooks: Hook) -> Job:
    return Job(JobName("homes"), source, (Destination(TargetName("one")),), hooks=hooks)


def test_hooks_that_cannot_be_started_are_told_and_are_errors_where_their_failure_is_one(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    hooks = (
        Hook(HookTime.BEFORE, (str(plain),)),
        Hook(HookTime.ALWAYS, ("no-such-program", "x"), on_failure=HookFailure.WARN),
        Hook(HookTime.AFTER, ("sh", "-c", "true")),
    )
    first, second = job_symptoms(job(FilesSpec((str(plain),)), *hooks), "web1")
    assert (first.severity, first.message) == (
        Severity.ERROR,
        f"the hook {plain} (before) is missing or not executable",
    )
    assert first.mend == f"Install it, or type: chmod +x {plain}"
    assert (second.severity, second.message) == (
        Severity.WARNING,
        "the hook no-such-program (always) is missing or not executable",
    )


def test_a_command_that_is_missing_is_told() -> None:
    [told] = job_symptoms(job(CommandSpec(("no-such-program",), "x")), "web1")
    assert told.message == "there is no program no-such-program"
    assert list(job_symptoms(job(CommandSpec(("sh",), "x")), "web1")) == []


@pytest.mark.parametrize(
    ("kind", "why"), [("btrfs", "not on btrfs"), ("zfs", "not on zfs"), ("lvm", "no logical volume")]
)
def test_a_path_that_no_snapshot_of_its_kind_can_be_had_of_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: FileSystemSnapshot, why: str
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("needs a file system in memory at /dev/shm")
    monkeypatch.setenv("PATH", str(tmp_path))
    for program in ("btrfs", "zfs", "lvs", "lvcreate", "lvremove", "mount", "umount", "mountpoint"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    file = tmp_path / "file"
    file.write_text("x")
    source = FilesSpec((str(file), str(memory)), snapshot=kind)
    last = list(job_symptoms(job(source), "web1"))[-1]
    assert last.message.startswith(f"{memory} is on ")
    assert last.message.endswith(why)


def test_a_program_that_a_snapshot_needs_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    told = [one.message for one in job_symptoms(job(FilesSpec((str(tmp_path),), snapshot="zfs")), "web1")]
    if not any(Path(folder, "zfs").exists() for folder in ("/sbin", "/usr/sbin", "/bin", "/usr/bin")):
        assert "there is no program zfs, which a snapshot of zfs needs" in told
    assert all("zfs" in message for message in told)
