"""The doctor finds each fault that was planted, names it with its mend, shows no secret and changes nothing."""

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.app.doctor.examination import Diagnosis, Patient, examine
from drorch.app.doctor.machine import (
    Space,
    clock_symptoms,
    folder_symptoms,
    library_symptoms,
    restic_symptoms,
    space_symptoms,
)
from drorch.app.doctor.sources import job_symptoms
from drorch.app.doctor.symptom import Severity, Symptom
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.catalog.record import Record
from drorch.clock import SystemClock
from drorch.errors import ConfigError
from drorch.model.job import Destination, FilesSpec, Job
from drorch.model.names import JobName, TargetName
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.repository.gojson import encode
from drorch.repository.layout import FileKind, key_of
from drorch.repository.repository import Repository, initialize
from drorch.storage.local import LocalTarget
from drorch.units import GIB, MIB
from tests.cli.commandline import PASSWORD, drorch, drorch_lines
from tests.cli.homes import install

NOBODY = 65534
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound installation whose targets share a polynomial, and whose catalog exists."""
    config = install(tmp_path)
    shutil.rmtree(tmp_path / "two")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade):
        pass
    return config


def look(file: Path, *jobs: str, target: str | None = None) -> Diagnosis:
    return examine(Patient(str(file), jobs, target), SystemClock())


def only(found: Diagnosis) -> Symptom:
    """The one symptom there is; machines whose disks are nearly full may have more to say."""
    (symptom,) = [one for one in found.symptoms if "are free at" not in one.message]
    assert symptom.mend
    return symptom


def everything_below(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Names, modes, times and content of all there is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        told = path.lstat()
        found[str(path)] = (told.st_mode, told.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def test_what_is_sound_has_no_symptom(file: Path) -> None:
    found = look(file)
    assert [one for one in found.symptoms if "are free at" not in one.message] == []
    assert not found.would_fail
    assert {"python", "sqlalchemy", "cryptography"} <= found.versions.keys()


def test_nothing_is_changed(file: Path, tmp_path: Path) -> None:
    before = everything_below(tmp_path)
    look(file)
    (tmp_path / "state").rename(tmp_path / "kept")
    look(file)
    (tmp_path / "kept").rename(tmp_path / "state")
    assert everything_below(tmp_path) == before


def test_a_configuration_with_faults_is_told_fault_by_fault(file: Path) -> None:
    file.write_text(file.read_text().replace("schedule", "shedule").replace("[jobs.homes]", "[jobs.homes]\nextra = 1"))
    found = look(file)
    assert found.would_fail
    assert [one.message.split(";")[0] for one in found.symptoms] == ['unknown key "extra"', 'unknown key "shedule"']
    assert found.symptoms[0].subject.startswith(f"{file}:")


def test_a_schedule_that_is_none_is_told(file: Path) -> None:
    file.write_text(file.read_text().replace("30 2 * * *", "30 2 * *"))
    assert "is not a schedule" in only(look(file)).message


def test_a_configuration_that_others_may_write_is_told(file: Path) -> None:
    file.chmod(0o666)
    told = only(look(file))
    assert (told.severity, told.mend) == (Severity.ERROR, f"Type: chmod o-w {file}")


def test_no_configuration_is_told(tmp_path: Path) -> None:
    assert look(tmp_path / "none.toml").would_fail


def test_a_job_that_does_not_exist_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match="nobody"):
        look(file, "nobody")


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ('{ file = "/nonexistent/password" }', "password file /nonexistent/password"),
        ('{ env = "DRORCH_TEST_UNSET" }', "environment variable DRORCH_TEST_UNSET is not set"),
        ('{ command = ["/nonexistent/tool"] }', "command /nonexistent/tool"),
        ('{ command = ["false"] }', "command false exited with status 1"),
        ('{ credential = "repo" }', "credential repo is known to the service only"),
    ],
)
def test_a_secret_that_cannot_be_had_is_told(file: Path, tmp_path: Path, reference: str, fault: str) -> None:
    file.write_text(file.read_text().replace(f'{{ file = "{tmp_path}/password" }}', reference, 1))
    told = only(look(file))
    assert (told.subject, told.severity) == ("target one", Severity.ERROR)
    assert told.message.startswith(fault)


def test_a_secret_that_everyone_may_read_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "password").chmod(0o644)
    assert {one.message for one in look(file).symptoms} == {
        f"the secret in {tmp_path}/password can be read by everyone; type: chmod 600 {tmp_path}/password"
    }


def test_no_secret_is_ever_shown(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = f"canary-{uuid.uuid4().hex}"
    (tmp_path / "canary").write_text(canary)
    (tmp_path / "canary").chmod(0o600)
    monkeypatch.setenv("CANARY_OF_A_TEST", canary)
    sound = file.read_text()
    for reference in (
        f'{{ file = "{tmp_path}/canary" }}',
        '{ env = "CANARY_OF_A_TEST" }',
        f'{{ command = ["cat", "{tmp_path}/canary"] }}',
    ):
        file.write_text(sound.replace(f'{{ file = "{tmp_path}/password" }}', reference, 1))
        done = drorch("-c", file, "doctor", "-v", "--debug", status=1)
        assert b"target one: wrong password" in done.stdout
        polynomial = Repository.open(LocalTarget(tmp_path / "one"), PASSWORD).config.chunker_polynomial
        for secret in (canary, PASSWORD, f"{polynomial:x}", str(polynomial)):
            assert secret.encode() not in done.stdout + done.stderr


def test_a_target_without_its_repository_is_told_with_both_mends(file: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "two")
    told = only(look(file))
    assert told.subject == "target two"
    assert told.mend == "Mount its disk; or, where there never was one, type: drorch init -t two"
    assert look(file, target="one").symptoms == ()


def test_only_the_targets_of_named_jobs_are_visited(file: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "two")
    file.write_text(file.read_text().replace('targets = ["one", "two"]', 'targets = ["one"]'))
    assert "no job uses target two" in only(look(file, "homes")).message


def test_a_damaged_repository_is_told(file: Path, tmp_path: Path) -> None:
    config = tmp_path / "one" / "config"
    config.chmod(0o600)
    config.write_bytes(b"\0" * 200)
    assert "damaged" in only(look(file)).message


def test_targets_that_cut_files_differently_are_a_warning(file: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "two")
    initialize(LocalTarget(tmp_path / "two"), PASSWORD)
    found = look(file)
    told = only(found)
    assert (told.subject, told.severity, found.would_fail) == ("job homes", Severity.WARNING, False)
    assert "targets one and two do not share a chunker polynomial" in told.message


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_lock_that_was_left_behind_is_told(file: Path, tmp_path: Path, exclusive: bool) -> None:
    repository = Repository.open(LocalTarget(tmp_path / "one"), PASSWORD)
    holder = {"hostname": "elsewhere", "username": "root", "pid": 4711}
    lock = {"time": "2026-01-01T00:00:00.000000000Z", "exclusive": exclusive, **holder}
    repository.files.save(FileKind.LOCK, encode(lock))
    found = look(file)
    assert only(found).mend == "Type: drorch unlock -t one"
    assert found.would_fail is exclusive


def test_a_lock_that_cannot_be_read_is_told(file: Path, tmp_path: Path) -> None:
    LocalTarget(tmp_path / "one").save(key_of(FileKind.LOCK, b"\7" * 32), b"nonsense")
    assert "cannot be read" in only(look(file)).message


def test_a_source_that_is_missing_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    told = only(look(file))
    assert (told.subject, told.severity) == ("job homes", Severity.ERROR)
    assert f"{tmp_path}/source is missing" in told.message


def a_job(*paths: Path, exclude_file: tuple[str, ...] = (), expect_mount: tuple[str, ...] = ()) -> Job:
    source = FilesSpec(tuple(map(str, paths)), exclude_file=exclude_file, expect_mount=expect_mount)
    return Job(JobName("homes"), source, (Destination(TargetName("one")),))


def test_one_source_of_several_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (told,) = job_symptoms(a_job(tmp_path, tmp_path / "gone"), "web1")
    assert told.message == f"{tmp_path}/gone: no such file or directory"


def test_a_source_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (told,) = job_symptoms(a_job(tmp_path, expect_mount=(str(tmp_path),)), "web1")
    assert "is not mounted" in told.message


def test_exclude_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("!\n")
    files = (str(tmp_path / "gone"), str(tmp_path / "wrong"))
    gone, wrong = job_symptoms(a_job(tmp_path, exclude_file=files), "web1")
    assert gone.message == f"exclude file {tmp_path}/gone: no such file or directory"
    assert "would never match" in wrong.message


def test_a_lost_catalog_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "state" / "catalog.sqlite").unlink()
    told = only(look(file))
    assert (told.subject, told.mend) == ("catalog", "Type: drorch catalog rebuild")


@pytest.mark.parametrize("name", ["catalog.sqlite", "paths.sqlite"])
def test_a_damaged_catalog_is_told(file: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "state" / name).write_bytes(b"nonsense" * 2000)
    told = only(look(file))
    assert told.severity is Severity.ERROR
    assert name in told.message
    assert "catalog rebuild" in told.mend


@pytest.mark.parametrize(("revision", "severity"), [("0000", Severity.WARNING), ("9999", Severity.ERROR)])
def test_another_schema_is_told(file: Path, tmp_path: Path, revision: str, severity: Severity) -> None:
    with closing(sqlite3.connect(tmp_path / "state" / "catalog.sqlite")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    assert only(look(file)).severity is severity


def test_a_catalog_in_use_is_looked_at_all_the_same(file: Path, tmp_path: Path) -> None:
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as catalog:
        assert catalog.queries.runs() == []
        assert not look(file).would_fail


def test_records_that_wait_are_told(file: Path, tmp_path: Path) -> None:
    run = Run(uuid.uuid4().hex, "homes", RunKind.BACKUP, "web1", NOW, ended=NOW, outcome=RunOutcome.OK)
    CatalogPlace(tmp_path / "state").spool.save(Record(run))
    told = only(look(file))
    assert (told.severity, told.message) == (Severity.WARNING, "1 record of runs could not be written yet")


@pytest.mark.parametrize("name", ["state", "one"])
def test_a_folder_that_everyone_may_write_is_told(file: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).chmod(0o777)
    assert only(look(file)).mend == f"Type: chmod o-w {tmp_path / name}"


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    (told,) = folder_symptoms("state_dir", tmp_path / "state" / "drorch", ())
    assert told.message == f"{tmp_path}/state is not a folder"


@contextmanager
def without_rights() -> Iterator[None]:
    """Be a user without rights, where tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everyone may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_what_may_not_be_written_is_told(open_folder: Path) -> None:
    (open_folder / "state").mkdir(0o555)
    with without_rights():
        (closed,) = folder_symptoms("state_dir", open_folder / "state", ())
        (to_be_made,) = folder_symptoms("state_dir", open_folder / "state" / "new", ())
    assert closed.message == to_be_made.message == f"{open_folder}/state cannot be written"


def test_a_file_in_a_folder_that_may_not_be_written_is_told(open_folder: Path) -> None:
    folder = open_folder / "state"
    folder.mkdir()
    (folder / "catalog.sqlite").write_text("x")
    (folder / "catalog.sqlite").chmod(0o444)
    folder.chmod(0o777)
    with without_rights():
        told = [one.message for one in folder_symptoms("state_dir", folder, ("catalog.sqlite", "none"))]
    assert f"{folder}/catalog.sqlite cannot be written" in told


def test_a_source_that_may_not_be_read_is_told(open_folder: Path) -> None:
    (open_folder / "closed").mkdir(0o311)
    (open_folder / "file").write_text("x")
    with without_rights():
        (told,) = job_symptoms(a_job(open_folder / "file", open_folder / "closed"), "web1")
    assert told.message == f"{open_folder}/closed: permission denied"


@pytest.mark.parametrize("year", [1970, 2024, 2101])
def test_a_clock_that_was_never_set_is_told(year: int) -> None:
    (told,) = clock_symptoms(datetime(year, 6, 1, tzinfo=UTC), {"target one": NOW})
    assert told.message == f"it says that this is the year {year}"


def test_a_clock_that_is_behind_a_target_is_told(file: Path, tmp_path: Path) -> None:
    assert list(clock_symptoms(NOW, {"target one": NOW + timedelta(minutes=4)})) == []
    (told,) = clock_symptoms(NOW, {"target one": NOW + timedelta(hours=3)})
    assert told.message == "files of target one are 3h newer than now"
    ahead = SystemClock().now().timestamp() + 86400
    os.utime(tmp_path / "one" / "locks", (ahead, ahead))
    assert only(look(file)).subject == "clock"


@pytest.mark.parametrize(
    ("space", "severities"),
    [
        (Space(10 * GIB, None), []),
        (Space(10 * GIB, 2000), []),
        (Space(500 * MIB, 2000), [Severity.WARNING]),
        (Space(MIB, None), [Severity.ERROR]),
        (Space(10 * GIB, 3), [Severity.ERROR]),
    ],
)
def test_a_disk_that_is_full_or_nearly_is_told(space: Space, severities: list[Severity]) -> None:
    assert [one.severity for one in space_symptoms("target one", Path("/srv"), space)] == severities


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        ("1.10.2", None),
        ("1.9.9", "lib 1.9.9 is installed, >= 1.10 is needed"),
        (None, "lib is not installed"),
    ],
)
def test_libraries_are_compared_with_what_is_needed(version: str | None, fault: str | None) -> None:
    told = [one.message for one in library_symptoms(["lib[extra]>=1.10"], lambda _: version)]
    assert told == ([] if fault is None else [fault])


def test_a_pinned_library_is_exactly_that() -> None:
    assert list(library_symptoms(["lib==0.3.1"], lambda _: "0.3.1")) == []
    assert len(list(library_symptoms(["lib==0.3.1"], lambda _: "0.3.2"))) == 1


def test_a_restic_that_is_too_old_is_a_warning() -> None:
    assert [one.severity for one in restic_symptoms("restic 0.12.1 compiled")] == [Severity.WARNING]
    for told in (None, "restic 0.14.0 compiled with go1.19", "restic 0.18.1"):
        assert list(restic_symptoms(told)) == []


def test_the_command_says_it_line_by_line_and_as_json(file: Path, tmp_path: Path) -> None:
    drorch("-c", file, "doctor")
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    lines = drorch("-c", file, "doctor", status=1).stdout.decode().splitlines()
    assert any(line.startswith("error: job homes: the source has nothing in it: ") for line in lines)
    drorch("-c", file, "doctor", "nobody", status=4)
    (tmp_path / "elsewhere").rename(tmp_path / "source")
    *_, summary = drorch_lines("-c", file, "doctor")
    assert (summary["message_type"], summary["errors"]) == ("summary", 0)
