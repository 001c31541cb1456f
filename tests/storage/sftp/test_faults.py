"""What a target does when its server, its line or its disk fails: one error, nothing half visible, nothing left."""

import contextlib
import getpass
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import ObjectMissing, TargetDenied, TargetError, TargetFull, TargetUnavailable
from drorch.storage.keys import is_unfinished
from drorch.storage.retry import RetryingTarget, RetryPolicy
from drorch.storage.sftp.settings import Carrier, SftpSettings
from drorch.storage.sftp.target import SftpTarget
from drorch.units import KIB, MIB
from tests.servers.fault_proxy import FaultProxy
from tests.servers.sshd import Sshd, SshdOptions
from tests.storage.contract import OTHER_PACK, PACK
from tests.storage.privileges import need, run_quietly
from tests.storage.sftp.children import at_work_for, nothing_is_left_at_work_for

each_carrier = pytest.mark.parametrize("carrier", ["ssh", "paramiko"])


@pytest.fixture
def line(sshd: Sshd) -> Iterator[FaultProxy]:
    """A line to the server that can be cut."""
    with FaultProxy("127.0.0.1", sshd.port) as proxy:
        yield proxy


@contextlib.contextmanager
def created(settings: SftpSettings) -> Iterator[SftpTarget]:
    with contextlib.closing(SftpTarget(settings)) as target:
        target.create()
        yield target


def through(line: FaultProxy, sshd: Sshd, tmp_path: Path, carrier: Carrier) -> SftpSettings:
    """A folder at the other end of a line."""
    known = tmp_path / "known_hosts"
    known.write_text(sshd.known_hosts.read_text().replace(f":{sshd.port}", f":{line.port}"))
    folder = f"line-{secrets.token_hex(4)}"
    return sshd.settings(folder, port=line.port, known_hosts=known, carrier=carrier)


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if is_unfinished(path.name)]


def open_below(folder: Path) -> list[Path]:
    """What any process has open of a folder and what is in it."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.readlink().is_relative_to(folder):
                found.append(link.readlink())
    return found


@each_carrier
def test_the_next_call_after_a_restart_works(tmp_path: Path, carrier: Carrier) -> None:
    with Sshd(tmp_path) as server, created(server.settings(carrier=carrier)) as target:
        target.save(PACK, b"before")
        server.stop()
        with pytest.raises(TargetUnavailable) as raised:
            target.save(OTHER_PACK, b"meanwhile")
        assert raised.value.retryable
        server.start()
        assert target.load(PACK) == b"before"
        with pytest.raises(ObjectMissing):
            target.stat(OTHER_PACK)
        target.save(OTHER_PACK, b"after")
        assert target.load(OTHER_PACK) == b"after"


@each_carrier
def test_a_drop_in_the_middle_of_an_upload_leaves_no_object(
    sshd: Sshd, line: FaultProxy, tmp_path: Path, carrier: Carrier
) -> None:
    settings = through(line, sshd, tmp_path, carrier)
    content = secrets.token_bytes(4 * MIB)
    with created(settings) as target:
        target.save("config", b"the config")
        line.faults.cut_up = 2 * MIB
        with pytest.raises(TargetUnavailable, match=PACK):
            target.save(PACK, content)
        assert line.cuts == 1
        assert list(target.list("data")) == []
        with pytest.raises(ObjectMissing):
            target.load(PACK)
        target.save(PACK, content)
        assert target.load(PACK) == content
        (left,) = unfinished(sshd.data / settings.path)
        assert target.remove_abandoned(3600, datetime.now(UTC)) == 0
        os.utime(left, (0, 0))
        assert target.remove_abandoned(3600, datetime.now(UTC)) == 1
        assert unfinished(sshd.data / settings.path) == []
        assert [item.key for item in target.list("data")] == [PACK]


@each_carrier
def test_drops_are_bridged_by_trying_again(sshd: Sshd, line: FaultProxy, tmp_path: Path, carrier: Carrier) -> None:
    content = secrets.token_bytes(MIB)
    with created(through(line, sshd, tmp_path, carrier)) as plain:
        target = RetryingTarget(plain, SystemClock(), RetryPolicy(deadline=60.0, first_wait=0.01))
        line.faults.cut_up = MIB // 2
        target.save(PACK, content)
        line.faults.cut_down = MIB // 2
        assert target.load(PACK) == content
        assert line.cuts == 2


@each_carrier
def test_a_silent_server_is_not_waited_for_longer_than_allowed(
    sshd: Sshd, line: FaultProxy, tmp_path: Path, carrier: Carrier
) -> None:
    settings = through(line, sshd, tmp_path, carrier)
    with created(settings) as target:
        target.save(PACK, b"something")
    impatient = SftpTarget(replace(settings, timeout_seconds=2.0))
    with contextlib.closing(impatient) as target:
        assert target.load(PACK) == b"something"
        line.faults.blackhole = True
        with pytest.raises(TargetUnavailable):
            target.load(PACK)
        line.heal()
        assert target.load(PACK) == b"something"


@each_carrier
def test_a_server_that_never_greets_is_given_up(sshd: Sshd, line: FaultProxy, tmp_path: Path, carrier: Carrier) -> None:
    line.faults.blackhole = True
    settings = replace(through(line, sshd, tmp_path, carrier), timeout_seconds=1.0)
    # ssh has a timeout of its own, which is as long and may come first.
    words = "cannot be reached: (no answer within 1 s|Connection timed out during banner exchange)"
    silent = pytest.raises(TargetUnavailable, match=words)
    with contextlib.closing(SftpTarget(settings)) as target, silent as raised:
        target.load(PACK)
    assert "ssh-keyscan" in (raised.value.hint or "")
    nothing_is_left_at_work_for(line.port)


@each_carrier
def test_nothing_is_left_running(sshd: Sshd, line: FaultProxy, tmp_path: Path, carrier: Carrier) -> None:
    settings = sshd.settings(f"left-{carrier}", carrier=carrier, connections=3)
    nothing_is_left_at_work_for(sshd.port)
    with created(settings) as target:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda number: target.save(f"keys/{number:064x}", b"x"), range(9)))
        assert 1 <= len(at_work_for(sshd.port)) <= 3
        with pytest.raises(ObjectMissing):
            target.load(PACK)
        with pytest.raises(ValueError, match="not a key"):
            target.load("..")
    nothing_is_left_at_work_for(sshd.port)
    with pytest.raises(TargetUnavailable, match="closed"):
        target.load(PACK)
    with created(through(line, sshd, tmp_path, carrier)) as target:
        line.faults.cut_up = MIB // 2
        with pytest.raises(TargetUnavailable):
            target.save(PACK, bytes(MIB))
        nothing_is_left_at_work_for(line.port)


@pytest.fixture
def lowly() -> Iterator[Sshd]:
    """A server whose user is not root."""
    options = SshdOptions()
    if os.geteuid() == 0:
        need("the user daemon and setpriv", present=run_quietly("setpriv", "--reuid=daemon", "true") == 0)
        options = SshdOptions(user="daemon")
    # Not below the folder of pytest, where that user may not go.
    with tempfile.TemporaryDirectory(prefix="drorch-sshd-") as place, Sshd(Path(place), options) as server:
        yield server


@each_carrier
def test_what_may_not_be_written_is_denied(lowly: Sshd, carrier: Carrier) -> None:
    with created(lowly.settings(carrier=carrier)) as target:
        target.save(PACK, b"something")
        folder = lowly.data / "repository" / PACK.rpartition("/")[0]
        folder.chmod(0o500)
        with pytest.raises(TargetDenied, match="permission denied"):
            target.save(PACK, b"other")
        with pytest.raises(TargetDenied, match="permission denied"):
            target.remove(PACK)
        assert target.load(PACK) == b"something"
        (folder / PACK.rpartition("/")[2]).chmod(0)
        with pytest.raises(TargetDenied, match="permission denied"):
            target.load(PACK)
        folder.chmod(0o700)
        target.remove(PACK)


@each_carrier
def test_a_folder_on_the_way_that_may_not_be_made(lowly: Sshd, carrier: Carrier) -> None:
    lowly.data.chmod(0o555)
    denied = pytest.raises(TargetDenied, match="its folders cannot be created: permission denied")
    with contextlib.closing(SftpTarget(lowly.settings(carrier=carrier))) as target, denied:
        target.create()
    lowly.data.chmod(0o755)


def test_a_full_disk_is_told_and_leaves_no_trace(sshd: Sshd, small_disk: Path) -> None:
    root = small_disk / "repository"
    with created(sshd.settings(root)) as target:
        target.save("config", b"the config")
        for size in (3 * MIB, 100 * KIB):
            # What fits nearly and what does not fit at all.
            target.save(OTHER_PACK, bytes(size))
            with pytest.raises(TargetFull, match="no space left") as raised:
                target.save(PACK, bytes(8 * MIB))
            assert "df -h" in (raised.value.hint or "")
            assert [item.key for item in target.list("data")] == [OTHER_PACK]
            assert unfinished(root) == []
        target.save(PACK, b"small enough")
        assert target.load(PACK) == b"small enough"
        target.remove(PACK)
        assert open_below(root) == [], "the server was left with handles that nobody closes"


def test_a_disk_that_went_read_only_is_told(sshd: Sshd, small_disk: Path) -> None:
    with created(sshd.settings(small_disk / "repository")) as target:
        target.save(PACK, b"something")
        remounted = run_quietly("mount", "-o", "remount,ro", str(small_disk)) == 0
        need("the right to mount a tmpfs read-only", present=remounted)
        with pytest.raises(TargetDenied, match="read-only file system"):
            target.save(PACK, b"other")
        with pytest.raises(TargetDenied, match="read-only file system"):
            target.remove(PACK)
        assert target.load(PACK) == b"something"


@each_carrier
def test_an_empty_mount_point_is_not_filled(sshd: Sshd, carrier: Carrier) -> None:
    settings = sshd.settings(f"mount-point-{carrier}", carrier=carrier)
    (sshd.data / settings.path).mkdir()
    with contextlib.closing(SftpTarget(settings)) as target:
        with pytest.raises(TargetUnavailable, match="there is no repository here"):
            target.save(PACK, b"something")
        assert list((sshd.data / settings.path).iterdir()) == []


def test_a_folder_that_somebody_removed_is_made_again(sshd: Sshd) -> None:
    settings = sshd.settings("removed")
    with created(settings) as target:
        target.save("config", b"the config")
        (sshd.data / "removed" / "data" / "ab").rmdir()
        target.save(PACK, b"something")
        assert target.load(PACK) == b"something"


def test_what_is_no_file_is_no_object(sshd: Sshd) -> None:
    with created(sshd.settings("no-files")) as target:
        root = sshd.data / "no-files"
        (root / PACK).mkdir()
        os.mkfifo(root / OTHER_PACK)
        (root / "keys" / "elsewhere").symlink_to(root / "keys" / "nowhere")
        assert list(target.list("data")) == list(target.list("keys")) == []
        for key in (PACK, OTHER_PACK, "keys/elsewhere"):
            with pytest.raises(ObjectMissing):
                target.load(key)
            with pytest.raises(ObjectMissing):
                target.stat(key)
        writing_end = os.open(root / OTHER_PACK, os.O_RDWR | os.O_NONBLOCK)  # or the server waits for one for ever
        (root / "keys" / "nowhere").write_bytes(b"somewhere")
        assert {item.key: item.size for item in target.list("keys")} == {"keys/elsewhere": 9, "keys/nowhere": 9}
        with pytest.raises(TargetError):
            target.save(PACK, b"something")
    os.close(writing_end)


@pytest.mark.parametrize(("config", "folder", "file"), [(0o400, 0o700, 0o400), (0o440, 0o770, 0o440)])
def test_objects_are_as_private_as_the_config(sshd: Sshd, config: int, folder: int, file: int) -> None:
    name = f"private-{config:o}"
    with created(sshd.settings(name)) as target:
        target.save("config", b"the config")
    (sshd.data / name / "config").chmod(config)
    (sshd.data / name / "data" / "ab").rmdir()
    with contextlib.closing(SftpTarget(sshd.settings(name))) as target:
        target.save(PACK, b"something")
    made = sshd.data / name / PACK
    assert stat.S_IMODE(made.stat().st_mode) == file
    assert stat.S_IMODE(made.parent.stat().st_mode) == folder


def test_a_path_is_relative_to_where_the_user_logs_in(sshd: Sshd) -> None:
    assert sshd.user == getpass.getuser()
    with created(sshd.settings("here/and/there")) as target:
        target.save("config", b"the config")
    with contextlib.closing(SftpTarget(sshd.settings(sshd.data / "here" / "and" / "there"))) as target:
        assert target.load("config") == b"the config"
