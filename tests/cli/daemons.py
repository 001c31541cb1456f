"""drorch daemon as an administrator meets it: a process that is started, asked, and ended in whichever way."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drorch.process.family import family_of
from tests.cli.commandline import PASSWORD, command_line, environment, new_repository

READY_SECONDS = 60.0
_YESTERDAY = 2 * 86400.0


def install(folder: Path, jobs: str, *, general: str = "", targets: tuple[str, ...] = ("one",)) -> Path:
    """A configuration with these targets and the given tables of jobs, in force for two days."""
    folder.chmod(0o700)
    (folder / "source").mkdir()
    (folder / "source" / "file").write_text("content")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    for name in targets:
        new_repository(folder / name)
    places = "".join(
        f"""
        [targets.{name}]
        type = "local"
        path = "{folder}/{name}"
        password = {{ file = "{folder}/password" }}
        """
        for name in targets
    )
    file = folder / "jobs.toml"
    write(
        file,
        f"""
        [drorch]
        state_dir = "{folder}/state"
        host = "web1"
        timezone = "UTC"
        {general}
        {places}
        {jobs}
        """,
    )
    return file


def write(file: Path, text: str) -> None:
    """Write a configuration that has been in force for two days: what is due daily is overdue."""
    file.write_text(text)
    file.chmod(0o600)
    then = time.time() - _YESTERDAY
    os.utime(file, (then, then))


def command_job(name: str, *argv: str, more: str = "") -> str:
    """The table of a job that saves what a command prints."""
    return f"""
        [jobs.{name}]
        source = {{ type = "command", dump = {json.dumps(list(argv))}, filename = "{name}.txt" }}
        targets = ["one"]
        {more}
        """


class Daemon:
    """A running daemon. Its log is read from a file; what it tells the service manager is not lost.

    `prefix` is a command that becomes the daemon.
    """

    def __init__(self, config: Path, extra: Mapping[str, str] | None = None, *, prefix: tuple[str, ...] = ()) -> None:
        self.config = config
        self.state = config.parent / "state"
        self._place = tempfile.TemporaryDirectory(prefix="drorch-")
        self._log = Path(self._place.name) / "log"
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = f"{self._place.name}/notify"
        self._notices.bind(address)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*prefix, *command_line("-c", config, "daemon")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment({"NOTIFY_SOCKET": address, **(extra or {})}, password=None),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> "Daemon":
        self._notices.settimeout(READY_SECONDS)
        while b"READY=1" not in self._notices.recv(4096):
            pass
        return self

    @property
    def text(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text("utf-8", "backslashreplace")

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log so far."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def ended(self, job: str = "") -> list[dict[str, Any]]:
        """What the log tells of launches that are over, of one job or of all."""
        over = [line for line in self.log if line.get("event") == "launch-ended"]
        return [line for line in over if not job or line["subject"] == job]

    def wait(self, until: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until something is true. Fails the test where it does not come to be."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"it did not happen:\n{self.text}"
            assert self.process.poll() is None, f"the daemon has ended:\n{self.text}"
            time.sleep(0.05)

    def ask(self, **request: object) -> dict[str, Any]:
        """What the daemon answers over its socket."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(20)
            folder = os.open(self.state, os.O_PATH | os.O_DIRECTORY)
            try:
                caller.connect(f"/proc/self/fd/{folder}/control.sock")
            finally:
                os.close(folder)
            caller.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(caller.makefile("rb").readline())
            return answer

    def running(self) -> list[str]:
        """The ids of launches that run now."""
        return [one["id"] for one in self.ask(verb="status")["status"]["launches"] if one["state"] == "running"]

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60.0) -> int:
        """Send it a signal and wait for its end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Whatever is left of it is ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._notices.close()
        self._place.cleanup()


@contextmanager
def daemon(config: Path, extra: Mapping[str, str] | None = None) -> Iterator[Daemon]:
    """A daemon that works."""
    made = Daemon(config, extra)
    try:
        yield made.wait_until_ready()
    finally:
        made.close()


def nobody_is_left_of(launches: list[str], seconds: float = 15.0) -> None:
    """Fails the test where a process of one of these launches lives on."""
    deadline = time.monotonic() + seconds
    while left := [one for launch in launches for one in family_of(launch)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
