"""A job of a database, run as an operator runs it, and everything that must hold after a run, whatever came of it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import SystemClock
from drorch.repository.repository import Repository
from drorch.storage.local import LocalTarget
from tests.cli.commandline import PASSWORD, TIMEOUT_SECONDS, command_line, environment
from tests.cli.homes import install

JOB = "orders"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended. `peak_bytes` is the most memory that any one process of it had resident."""

    status: int
    stdout: bytes
    stderr: bytes
    peak_bytes: int

    @property
    def line(self) -> str:
        """The one line on standard error."""
        lines = self.stderr.decode().splitlines()
        assert len(lines) == 1, lines
        return lines[0]


class Place:
    """An installation whose job orders saves a database to target one; everything temporary of it is in one folder."""

    def __init__(self, folder: Path, source: str, *, more: str = "") -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.file = install(folder, extra=f'[jobs.{JOB}]\nsource = {source}\ntargets = ["one"]\n{more}\n')

    @property
    def environment(self) -> dict[str, str]:
        """Variables of its commands."""
        return environment({"TMPDIR": str(self.temporary)})

    def run(self, *further: str) -> Ran:
        """Run the job, and further ones after it, and wait."""
        output, complaints = self.folder / "stdout", self.folder / "stderr"
        with output.open("wb") as out, complaints.open("wb") as err:
            child = subprocess.Popen(
                command_line("-c", self.file, "run", JOB, *further),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self.environment,
            )
            usage = _wait(child)
        ran = Ran(child.returncode, output.read_bytes(), complaints.read_bytes(), usage)
        output.unlink()
        complaints.unlink()
        return ran

    def snapshots(self, job: str = JOB) -> list[str]:
        """Ids of a job's snapshots in target one."""
        repository = Repository.open(LocalTarget(self.folder / "one"), PASSWORD)
        listed = repository.list_snapshots().snapshots
        return [one.id.hex() for one in listed if f"drorch:job={job}" in one.snapshot.tags]

    def assert_tidy(self, *secrets: str) -> None:
        """Nothing temporary, no lock and no process is left, and no secret is anywhere in the state."""
        assert list(self.temporary.rglob("*")) == []
        assert list((self.folder / "one" / "locks").iterdir()) == []
        assert processes_of(self.temporary) == []
        for path in (self.folder / "state").rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(secret.encode() in content for secret in secrets), path


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Wait for a child; the greatest resident size, in bytes, of it and of the children it waited for."""
    clock = SystemClock()
    end = clock.monotonic() + TIMEOUT_SECONDS
    pid, status, usage = os.wait4(child.pid, os.WNOHANG)
    while not pid and clock.monotonic() < end:
        clock.sleep(0.02)
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
    if not pid:
        child.kill()
        child.wait()
        raise AssertionError(f"the run did not end within {TIMEOUT_SECONDS:.0f} s")
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * 1024


def processes_of(temporary: Path) -> list[bytes]:
    """Command lines of the processes whose temporary folder this is."""
    mark = f"TMPDIR={temporary}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes())
            except OSError:
                continue
    return found
