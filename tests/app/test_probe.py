"""What the configuration says of a target is held against what a probe of it found."""

from pathlib import Path

from drorch.actions.probe.facts import Answer
from drorch.app import configuration as app_configuration
from drorch.app.probe import Report, probe
from drorch.clock import SystemClock
from tests.actions.scratch_places import SMALL, Listener
from tests.servers.seaweedfs import SeaweedFS


def installed(folder: Path, server: SeaweedFS, bucket: str, *, account: tuple[str, str], extra: str = "") -> Path:
    """A job that is saved to a folder and a bucket; `extra` are lines of the bucket's table."""
    (folder / "source").mkdir()
    (folder / "onsite").mkdir()
    for name, text in (("access", account[0]), ("secret", account[1]), ("password", "x")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    file = folder / "jobs.toml"
    file.write_text(
        f"""
        [drorch]
        state_dir = "{folder}/state"
        [targets.onsite]
        type = "local"
        path = "{folder}/onsite"
        password = {{ file = "{folder}/password" }}
        [targets.vault]
        type = "s3"
        endpoint = "{server.endpoint}"
        bucket = "{bucket}"
        prefix = "web1"
        access_key = {{ file = "{folder}/access" }}
        secret_key = {{ file = "{folder}/secret" }}
        password = {{ file = "{folder}/password" }}
        {extra}
        [jobs.homes]
        source = {{ type = "files", paths = ["{folder}/source"] }}
        targets = ["onsite", "vault"]
        """
    )
    file.chmod(0o600)
    return file


def report_of(file: Path, name: str) -> Report:
    return probe(app_configuration.load(str(file)), name, SystemClock(), Listener(), SMALL)


def stands(report: Report) -> list[Answer]:
    return [stand.finding.answer for stand in report.stands]


def test_a_bucket_that_is_locked_and_that_these_credentials_cannot_unlock(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("vault", object_lock=True)
    account = (seaweedfs.limited_access_key, seaweedfs.limited_secret_key)
    lock = 'object_lock = { mode = "governance", days = 30 }'
    report = report_of(installed(tmp_path, seaweedfs, bucket, account=account, extra=lock), "vault")
    assert report.probed.broken == ()
    assert "/web1/drorch-probe-" in report.probed.place
    assert stands(report) == [Answer.YES, Answer.UNKNOWN, Answer.NO, Answer.YES, Answer.UNKNOWN]
    assert "Versions" not in seaweedfs.client.list_object_versions(Bucket=bucket)


def test_a_lock_that_is_configured_and_not_there_is_a_broken_promise(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    account = (seaweedfs.access_key, seaweedfs.secret_key)
    lock = 'object_lock = { mode = "compliance", days = 30 }'
    file = installed(tmp_path, seaweedfs, seaweedfs.new_bucket("plain"), account=account, extra=lock)
    report = report_of(file, "vault")
    assert [fact.name for fact in report.probed.broken] == ["lock"]
    assert report.stands[3].finding.answer is Answer.NO


def test_a_folder_names_what_other_targets_of_its_jobs_may_stand_for(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    account = (seaweedfs.access_key, seaweedfs.secret_key)
    lock = 'object_lock = { mode = "governance", days = 30 }'
    file = installed(tmp_path, seaweedfs, "vault", account=account, extra=lock)
    report = report_of(file, "onsite")
    assert stands(report) == [Answer.YES, Answer.NO, Answer.NO, Answer.NO, Answer.UNKNOWN]
    assert "same file system as the source of homes" in report.stands[1].finding.meaning
    assert "Object lock is set for vault" in report.stands[3].finding.meaning


def test_limits_of_the_line_hold_for_a_probe_too(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    account = (seaweedfs.access_key, seaweedfs.secret_key)
    limits = 'limits = [{ upload = "250 KiB/s" }]'
    file = installed(tmp_path, seaweedfs, seaweedfs.new_bucket("slow"), account=account, extra=limits)
    found = report_of(file, "vault").probed
    assert found.by_name["upload"].finding.figures["bytes_per_second"] < 1024**2
    assert found.broken == ()
