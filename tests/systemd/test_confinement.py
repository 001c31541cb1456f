"""What the units take away, drorch does not need: it works with the rights of the service and no others."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.app.unit_files import DAEMON, RESTORE, WATCH
from tests.cli.commandline import command_line, environment
from tests.cli.scheduled import install
from tests.sources.needs import need_program, need_root
from tests.systemd.units import TIMEOUT_SECONDS, setting, tool

_CALL = re.compile(r"^(?:\d+ +)?([a-z_0-9]+)\(", re.MULTILINE)
_WRITABLE_CODE = re.compile(r"PROT_WRITE\|PROT_EXEC|mprotect\([^)\n]*PROT_EXEC|SHM_EXEC")
_NOBODY = 65534


def system_calls(set_name: str) -> Iterator[str]:
    """The calls of a set of systemd's, those of the sets in it included."""
    for line in tool("systemd-analyze", "--no-pager", "syscall-filter", set_name).stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            yield from system_calls(word)
        elif word and not word.startswith("#"):
            yield word


def allowed(unit: str) -> set[str]:
    """The system calls that a unit allows."""
    calls: set[str] = set()
    for value in setting(unit, "SystemCallFilter"):
        for word in value.removeprefix("~").split():
            meant = set(system_calls(word)) if word.startswith("@") else {word}
            calls = calls - meant if value.startswith("~") else calls | meant
    return calls


def confined(unit: str) -> list[str]:
    """What gives a command the capabilities of a unit, and no more."""
    kept = " ".join(setting(unit, "CapabilityBoundingSet")).lower().replace("cap_", "+").split()
    setpriv = [need_program("setpriv"), "--no-new-privs", "--bounding-set", ",".join(["-all", *kept])]
    return [*setpriv, "--inh-caps", "-all"]


def run(command: list[str], *, status: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done


def line(*arguments: str | Path) -> list[str]:
    return [str(one) for one in command_line(*arguments)]


def test_a_job_makes_no_system_call_that_is_not_allowed(tmp_path: Path) -> None:
    config, trace = install(tmp_path), tmp_path / "trace"
    strace = [need_program("strace"), "-f", "-qq", "-o", str(trace)]
    if subprocess.run([*strace, "true"], capture_output=True, timeout=TIMEOUT_SECONDS, check=False).returncode:
        pytest.skip("strace may trace nothing here")
    work: dict[str, list[tuple[str | Path, ...]]] = {
        DAEMON: [("run", "homes"), ("check", "--read-data", "-t", "one")],
        RESTORE: [("restore", "-t", "one", "--to", tmp_path / "restored", "latest:homes")],
        WATCH: [("status",)],
    }
    for unit, commands in work.items():
        calls: set[str] = set()
        for arguments in commands:
            run([*strace, *line("-c", config, *arguments)])
            text = trace.read_text(errors="replace")
            calls |= set(_CALL.findall(text))
            assert _WRITABLE_CODE.findall(text) == []
        assert {"openat", "execve", "fcntl"} <= calls
        assert calls - allowed(unit) == set()
    assert {"mount", "setuid", "reboot", "ptrace"} & allowed(DAEMON) == set()


def test_a_daemon_under_its_unit_runs_a_job_reloads_and_ends(tmp_path: Path) -> None:
    """It has the capabilities of the unit, and whatever it and its workers do is allowed by the unit."""
    need_root()
    config, trace, place = install(tmp_path), tmp_path / "trace", tmp_path / "notify"
    strace = [need_program("strace"), "-D", "-f", "-qq", "-o", str(trace)]
    if subprocess.run([*strace, "true"], capture_output=True, timeout=TIMEOUT_SECONDS, check=False).returncode:
        pytest.skip("strace may trace nothing here")
    asked = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "1000000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, (tmp_path / "log").open("wb") as log:
        listening.bind(str(place))
        listening.settimeout(TIMEOUT_SECONDS)
        daemon = subprocess.Popen(
            [*strace, *confined(DAEMON), *line("-c", config, "daemon")], stderr=log, env=environment(asked)
        )
        try:
            awaited(listening, "READY=1")
            run([*confined(WATCH), *line("-c", config, "watch", "--patience", "0s")])
            run(line("-c", config, "run", "homes"))
            awaited(listening, "WATCHDOG=1")
            daemon.send_signal(signal.SIGHUP)
            awaited(listening, "RELOADING=1")
            awaited(listening, "READY=1")
            daemon.send_signal(signal.SIGTERM)
            awaited(listening, "STOPPING=1")
            assert daemon.wait(TIMEOUT_SECONDS) == 0, (tmp_path / "log").read_text()
        finally:
            daemon.kill()
            daemon.wait()
    # What setpriv does before the daemon begins is not the daemon's.
    text = trace.read_text(errors="replace").partition(f'execve("{sys.executable}"')[2]
    assert {"execve", "pidfd_open"} <= set(_CALL.findall(text))
    assert set(_CALL.findall(text)) - allowed(DAEMON) == set()
    assert _WRITABLE_CODE.findall(text) == []


def awaited(listening: socket.socket, word: str) -> None:
    """Read what the daemon tells the service manager until it says this."""
    while word not in listening.recv(65536).decode().split("\n"):
        pass


def test_the_daemon_reads_what_is_anybodys_and_writes_what_is_its_own(tmp_path: Path) -> None:
    need_root()
    config = install(tmp_path)
    secret = tmp_path / "source" / "secret"
    secret.write_text("of somebody else")
    os.chown(secret, _NOBODY, _NOBODY)
    secret.chmod(0o000)
    run([*confined(DAEMON), *line("-c", config, "run", "homes")])
    run([*confined(DAEMON), *line("-c", config, "check", "--read-data", "-t", "one")])
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, _NOBODY, _NOBODY)
    run([*confined(DAEMON), need_program("touch"), str(theirs / "file")], status=1)
    run([*confined(WATCH), need_program("cat"), str(secret)], status=1)


def test_a_job_writes_to_its_state_and_its_targets_only(tmp_path: Path) -> None:
    """As ProtectSystem=strict has it: all is read-only but what the drop-in names, and a /tmp of its own."""
    need_root()
    config, own_tmp = install(tmp_path), tmp_path / "tmp"
    writable = [tmp_path / "state", tmp_path / "one", tmp_path / "two", own_tmp]
    for folder in writable:
        folder.mkdir(mode=0o700, exist_ok=True)
    bound = "; ".join(f"mount --bind '{folder}' '{folder}'" for folder in writable)
    # The folder may lie on another file system than the root does.
    rest = f"mount --rbind '{tmp_path}' '{tmp_path}'; mount -o remount,bind,ro '{tmp_path}'; mount -o remount,bind,ro /"
    script = f'set -e; {bound}; {rest}; export TMPDIR="{own_tmp}"; "$@"'
    unshare = [need_program("unshare"), "--mount", "--propagation", "slave", "sh", "-c", script, "sh"]
    if subprocess.run([*unshare, "true"], capture_output=True, timeout=TIMEOUT_SECONDS, check=False).returncode:
        pytest.skip("no mounts can be made here")
    run([*unshare, "touch", str(tmp_path / "one" / "file")])
    run([*unshare, "touch", str(tmp_path / "file")], status=1)
    (tmp_path / "one" / "file").unlink()
    run([*unshare, *confined(DAEMON), *line("-c", config, "run", "homes")])
    run([*unshare, *confined(DAEMON), *line("-c", config, "check", "-t", "two")])
    run([*unshare, *confined(WATCH), *line("-c", config, "watch", "--patience", "0s")], status=70)


def test_the_environment_of_a_child_can_be_read() -> None:
    """A family of processes is found by its mark there, whatever sessions its members made."""
    need_root()
    # What is being exec'd has no environment for a moment.
    code = (
        "import subprocess, pathlib\n"
        "child = subprocess.Popen(['sleep', '60'], env={'DRORCH_RUN_ID': 'mark'}, start_new_session=True)\n"
        "place, said = pathlib.Path(f'/proc/{child.pid}/environ'), b''\n"
        "while not said and child.poll() is None: said = place.read_bytes()\n"
        "child.kill(); child.wait()\n"
        "assert said == b'DRORCH_RUN_ID=mark\\0', said"
    )
    run([*confined(DAEMON), need_program("python3"), "-c", code])


def test_a_restore_gives_back_owners_modes_and_devices(tmp_path: Path) -> None:
    need_root()
    config = install(tmp_path)
    source, restored = tmp_path / "source", tmp_path / "restored"
    (source / "theirs").mkdir()
    (source / "theirs" / "run-as").write_text("")
    os.chown(source / "theirs" / "run-as", _NOBODY, _NOBODY)
    (source / "theirs" / "run-as").chmod(0o4750)
    os.chown(source / "theirs", _NOBODY, _NOBODY)
    os.mknod(source / "null", 0o020666, os.makedev(1, 3))
    run([*confined(DAEMON), *line("-c", config, "run", "homes")])
    arguments = ("restore", "--target", "one", "--to", restored, f"latest:homes:{source}")
    run([*confined(RESTORE), *line("-c", config, *arguments)])
    status = (restored / "theirs" / "run-as").stat()
    assert (status.st_uid, status.st_mode & 0o7777) == (_NOBODY, 0o4750)
    assert (restored / "null").is_char_device()
    shutil.rmtree(restored)
    run([*confined(WATCH), *line("-c", config, *arguments)], status=40)
