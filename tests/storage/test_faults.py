"""Backups over bad lines to real servers: they finish or end cleanly in time, and whatever is listed can be read."""

import contextlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from drorch.actions.backup import BackupRequest, BackupResult, Label, backup, choose_parent
from drorch.actions.check import CheckRequest, ReadAll, check
from drorch.actions.progress import NoProgress
from drorch.clock import SystemClock
from drorch.errors import TargetUnavailable
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import Repository, initialize
from drorch.repository.writer import WritePolicy
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.storage.retry import RetryingTarget, RetryPolicy
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.target import S3Target
from drorch.storage.sftp.target import SftpTarget
from drorch.storage.target import Target
from drorch.units import KIB, MIB
from tests.repository.fresh import CHEAP
from tests.restic import PASSWORD
from tests.servers.fault_proxy import FaultProxy
from tests.servers.http_faults import HttpFault, HttpFaults
from tests.servers.seaweedfs import SeaweedFS
from tests.servers.sshd import Sshd
from tests.storage.s3.places import settings_for

TIMEOUT = 1.5
"""Seconds that a target waits for an answer."""

PATIENT = RetryPolicy(deadline=60, first_wait=0.1, longest_wait=1)
IMPATIENT = RetryPolicy(deadline=2, first_wait=0.1, longest_wait=1)
LONG_ENOUGH = 60.0


class Way(Protocol):
    """A place on a real server, and two ways there: a straight one, and one over a line with faults."""

    line: FaultProxy

    def straight(self) -> Target:
        """A target that nothing happens to."""
        ...

    def crooked(self) -> Target:
        """A target that what is set on the line happens to."""
        ...


class S3Way:
    """A prefix in a bucket."""

    def __init__(self, settings: S3Settings, line: FaultProxy) -> None:
        self.settings = settings
        self.line = line

    def straight(self) -> Target:
        return S3Target(self.settings, SystemClock())

    def crooked(self) -> Target:
        return self.by(self.line.endpoint)

    def by(self, endpoint: str) -> Target:
        """A target that talks to another endpoint."""
        return S3Target(replace(self.settings, endpoint=endpoint, timeout_seconds=TIMEOUT), SystemClock())


class SftpWay:
    """A folder of a server."""

    def __init__(self, server: Sshd, line: FaultProxy, known_hosts: Path) -> None:
        self.line = line
        self._server = server
        self._folder = f"repository-{secrets.token_hex(4)}"
        self._known_hosts = known_hosts
        known_hosts.write_text(server.known_hosts.read_text().replace(f":{server.port} ", f":{line.port} "))

    def straight(self) -> Target:
        return SftpTarget(self._server.settings(self._folder))

    def crooked(self) -> Target:
        changes = {"port": self.line.port, "known_hosts": self._known_hosts, "timeout_seconds": TIMEOUT}
        return SftpTarget(self._server.settings(self._folder, **changes))


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with tempfile.TemporaryDirectory(prefix="drorch-sshd-") as place, Sshd(Path(place)) as server:
        yield server


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.new_bucket("faults")


@pytest.fixture
def s3(seaweedfs: SeaweedFS, bucket: str) -> Iterator[S3Way]:
    with FaultProxy("127.0.0.1", seaweedfs.port) as line:
        yield S3Way(settings_for(seaweedfs, bucket), line)


@pytest.fixture
def sftp(sshd: Sshd, tmp_path: Path) -> Iterator[SftpWay]:
    with FaultProxy("127.0.0.1", sshd.port) as line:
        yield SftpWay(sshd, line, tmp_path / "known_hosts")


@pytest.fixture(params=["s3", "sftp"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few folders with 4 MiB that do not compress: a pack of data, and one of trees."""
    return filled(tmp_path_factory.mktemp("source"), 4)


@pytest.fixture(scope="module")
def large_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much as takes a while on a slow line, and does not fit into what the kernel sends on its own (4 MiB)."""
    return filled(tmp_path_factory.mktemp("source"), 15)


def filled(folder: Path, files: int) -> Path:
    """A folder with so many files of 1 MiB."""
    for number in range(files):
        (folder / f"{number}").mkdir()
        (folder / f"{number}" / "file").write_bytes(os.urandom(MIB))
    return folder


@pytest.fixture(autouse=True)
def repository(request: pytest.FixtureRequest) -> None:
    """Every place that a test uses holds a repository already."""
    for name in {"way", "s3", "sftp"}.intersection(request.fixturenames):
        with contextlib.closing(request.getfixturevalue(name).straight()) as target:
            initialize(target, PASSWORD, cost=CHEAP)


def back_up(target: Target, source: Path, ready: Callable[[], None] = lambda: None) -> BackupResult:
    """Open the repository, let `ready` bring about what is to come, and back up."""
    repository = Repository.open(target, PASSWORD)
    ready()
    files = FilesSource(Selection((bytes(source),)))
    label = Label(time.time_ns(), (str(source),), "h", 0, 0, "drorch test")
    request = BackupRequest(
        label=label,
        parent=choose_parent(repository.list_snapshots().snapshots, label),
        accept=lambda *_: None,
        problems=lambda: files.problems,
        walk=WalkOptions(workers=0),
        policy=WritePolicy(index_blobs=12),
    )
    return backup(repository, files, request, NoProgress())


def readable(target: Target) -> int:
    """How many snapshots are listed, after all of them were read to the last byte."""
    with contextlib.closing(target):
        repository = Repository.open(target, PASSWORD)
        report = check(repository, CheckRequest(ReadAll()))
    assert report.errors == ()
    assert all(standing.sound and standing.read for standing in report.snapshots)
    return len(report.snapshots)


def over(way: Way, policy: RetryPolicy = PATIENT) -> contextlib.closing[RetryingTarget]:
    return contextlib.closing(RetryingTarget(way.crooked(), SystemClock(), policy))


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_connection(way: Way, source: Path, direction: str) -> None:
    def cut() -> None:
        setattr(way.line.faults, f"cut_{direction}", 2 * MIB if direction == "up" else 500)

    with over(way) as target:
        back_up(target, source, cut)
    assert way.line.cuts == 1
    assert readable(way.straight()) == 1


def test_connections_that_are_cut_again_and_again(way: Way, source: Path) -> None:
    def keep_cutting() -> None:
        for _ in range(5):
            time.sleep(0.3)
            way.line.reset_all()

    cutting = threading.Thread(target=keep_cutting)
    with over(way) as target:
        way.line.faults.rate = 4 * MIB
        back_up(target, source, cutting.start)
    cutting.join()
    assert readable(way.straight()) == 1


def test_a_slow_line_is_not_taken_for_a_dead_one(way: Way, large_source: Path) -> None:
    with over(way) as target:
        way.line.faults.rate = 6 * MIB
        way.line.faults.latency = 0.001
        began = time.monotonic()
        back_up(target, large_source)
        assert time.monotonic() - began > TIMEOUT, "otherwise it was not slow"
    assert readable(way.straight()) == 1


def test_a_line_that_falls_silent_for_a_while(way: Way, source: Path) -> None:
    def silence() -> None:
        way.line.faults.blackhole = True
        threading.Timer(1.5 * TIMEOUT, way.line.heal).start()

    with over(way) as target:
        back_up(target, source, silence)
    assert readable(way.straight()) == 1


@pytest.mark.parametrize("fault", ["blackhole", "refuse"])
def test_a_line_that_is_gone_ends_the_run_in_time_and_the_next_one_goes_on(way: Way, source: Path, fault: str) -> None:
    def go() -> None:
        def silence() -> None:
            setattr(way.line.faults, fault, True)
            if fault == "refuse":
                way.line.reset_all()

        threading.Timer(0.3, silence).start()
        way.line.faults.rate = 4 * MIB

    began = time.monotonic()
    with pytest.raises(TargetUnavailable) as raised, over(way, IMPATIENT) as target:
        back_up(target, source, go)
    assert time.monotonic() - began < LONG_ENOUGH
    assert "\n" not in raised.value.message
    assert readable(way.straight()) == 0
    way.line.heal()
    with over(way) as target:
        back_up(target, source)
    assert readable(way.straight()) == 1


def test_a_server_that_cannot_be_reached_is_told_in_time(way: Way) -> None:
    way.line.faults.refuse = True
    began = time.monotonic()
    with pytest.raises(TargetUnavailable) as raised, over(way, IMPATIENT) as target:
        Repository.open(target, PASSWORD)
    assert time.monotonic() - began < LONG_ENOUGH
    assert "tried" in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    "plan",
    [
        [HttpFault("500", "PUT", "/data/", times=2)],
        [HttpFault("500", "PUT", "/data/", times=2, takes_effect=True)],
        [HttpFault("503", "PUT", number=2, times=5)],
        [HttpFault("503", number=3, times=4), HttpFault("500", "PUT", "/snapshots/", takes_effect=True)],
        [HttpFault("hang", "PUT", "/data/"), HttpFault("hang", "PUT", "/index/", takes_effect=True)],
        [HttpFault("hang", "PUT", "/snapshots/", takes_effect=True), HttpFault("500", "DELETE")],
    ],
    ids=["500", "500 done", "503", "503 and 500", "hang", "hang at the end"],
)
def test_a_service_that_fails_while_it_is_written_to(
    s3: S3Way, seaweedfs: SeaweedFS, source: Path, plan: list[HttpFault]
) -> None:
    with HttpFaults(seaweedfs.port) as faults:
        with contextlib.closing(RetryingTarget(s3.by(faults.endpoint), SystemClock(), PATIENT)) as target:
            back_up(target, source, lambda: faults.plan(*plan))
        assert {fault.answer for fault in faults.given} == {fault.answer for fault in plan}
    assert readable(s3.straight()) == 1


@pytest.mark.parametrize("answer", ["truncated", "hang", "503"])
def test_a_service_that_fails_while_it_is_read(s3: S3Way, seaweedfs: SeaweedFS, answer: str, tmp_path: Path) -> None:
    copy = tmp_path / "source"
    (copy / "a" / "b").mkdir(parents=True)
    (copy / "a" / "b" / "file").write_bytes(os.urandom(100 * KIB))
    with contextlib.closing(s3.straight()) as target:
        back_up(target, copy)
    plan = [HttpFault(answer, "GET", part) for part in ("/index/", "/data/")]  # type: ignore[arg-type]
    with HttpFaults(seaweedfs.port) as faults:
        with contextlib.closing(RetryingTarget(s3.by(faults.endpoint), SystemClock(), PATIENT)) as target:
            result = back_up(target, copy, lambda: faults.plan(*plan))
        assert len(faults.given) == 2
    assert result.summary["files_unmodified"] == 1
    assert readable(s3.straight()) == 2


def test_a_service_that_fails_for_good_ends_the_run_in_time(s3: S3Way, seaweedfs: SeaweedFS, source: Path) -> None:
    began = time.monotonic()
    with HttpFaults(seaweedfs.port) as faults:
        target = RetryingTarget(s3.by(faults.endpoint), SystemClock(), IMPATIENT)
        with pytest.raises(TargetUnavailable, match="tried"), contextlib.closing(target):
            back_up(target, source, lambda: faults.plan(HttpFault("503", "PUT", "/data/", number=2, times=10**9)))
    assert time.monotonic() - began < LONG_ENOUGH
    assert readable(s3.straight()) == 0
    with contextlib.closing(s3.straight()) as straight:
        assert list(straight.list("locks")) == []


def test_an_ssh_server_that_is_started_anew(sftp: SftpWay, sshd: Sshd, large_source: Path) -> None:
    assert_survives_restart(sftp, large_source, sshd.stop, sshd.start)


def test_an_s3_server_that_is_started_anew(tmp_path: Path, large_source: Path) -> None:
    server = SeaweedFS(tmp_path / "server")
    with server:
        bucket = server.new_bucket()
        with FaultProxy("127.0.0.1", server.port) as line:
            way = S3Way(settings_for(server, bucket), line)
            with contextlib.closing(way.straight()) as target:
                initialize(target, PASSWORD, cost=CHEAP)

            def start() -> None:
                server.__enter__()
                line.lead_to("127.0.0.1", server.port)
                way.settings = replace(way.settings, endpoint=server.endpoint)

            assert_survives_restart(way, large_source, lambda: server.__exit__(None, None, None), start)


def assert_survives_restart(way: Way, source: Path, stop: Callable[[], None], start: Callable[[], None]) -> None:
    """Stop a server while a backup is sending, and start it again."""
    sending, results = threading.Event(), list[BackupResult]()

    def work() -> None:
        with over(way) as target:
            results.append(back_up(target, source, sending.set))

    way.line.faults.rate = 8 * MIB
    working = threading.Thread(target=work)
    working.start()
    assert sending.wait(LONG_ENOUGH)
    time.sleep(0.5)
    assert results == []
    # From this thread: servers end with the thread that started them.
    stop()
    start()
    working.join(2 * PATIENT.deadline)
    assert len(results) == 1
    assert readable(way.straight()) == 1
