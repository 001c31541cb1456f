"""drorch watch: a daemon that is dead, stands still or is another's is told of once, and again when it is well."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.app.configuration import load
from drorch.app.watch import pulse_of
from tests.cli.commandline import drorch, fault_line
from tests.cli.scheduled import install

Answer = Callable[[socket.socket], object]


@contextmanager
def listening(place: Path, answer: Answer) -> Iterator[None]:
    """Somebody who listens where the daemon would, and does this with each caller."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(place))
        listener.listen(8)
        listener.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    caller, _ = listener.accept()
                except TimeoutError:
                    continue
                with caller:
                    caller.settimeout(30)
                    answer(caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            place.unlink()


def says(value: object) -> Answer:
    """Hears the question out and says this."""

    def answer(caller: socket.socket) -> None:
        assert json.loads(caller.recv(4096)) == {"verb": "hello"}
        caller.sendall(json.dumps(value).encode() + b"\n")
        caller.recv(1)

    return answer


def identity(file: Path, state: Path) -> dict[str, object]:
    return {"hello": {"version": "1.2.3", "config": str(file), "state_dir": str(state), "digest": "0" * 64}}


def findings(file: Path, *arguments: str) -> list[tuple[str, str]]:
    lines = drorch("-c", file, "findings", "list", "--json", *arguments).stdout.splitlines()
    return [(one["kind"], one["state"]) for one in map(json.loads, lines)]


def test_a_daemon_from_its_death_to_its_return(tmp_path: Path) -> None:
    file, state = install(tmp_path), tmp_path / "state"
    place = state / "control.sock"
    alarm = alarm_of(file)
    assert alarm.startswith(f"watch: daemon: no daemon runs: nothing is at {place}. Type: systemctl status drorch")
    alarm_of(file)
    assert findings(file) == [("daemon-dead", "open")]
    with listening(place, says(identity(file, state))):
        done = drorch("-c", file, "watch", "--patience", "0s")
    assert done.stdout == b"the daemon answers (drorch 1.2.3)\n"
    assert done.stderr == b"the daemon answers again\n"
    assert findings(file) == []
    assert findings(file, "--all") == [("daemon-dead", "closed")]


def alarm_of(file: Path) -> str:
    """The one line on stderr."""
    done = drorch("-c", file, "watch", "--patience", "0s", status=70)
    [line] = done.stderr.decode().splitlines()
    assert done.stdout == b""
    return line


def test_a_daemon_that_was_killed_is_told_from_one_that_was_stopped(tmp_path: Path) -> None:
    file, place = install(tmp_path), tmp_path / "state" / "control.sock"
    place.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(str(place))
    assert "the daemon is dead: nobody listens any more" in pulse_of(load(str(file))).fault


def test_a_daemon_that_starts_meanwhile_is_waited_for(tmp_path: Path) -> None:
    file, state = install(tmp_path), tmp_path / "state"
    state.mkdir(mode=0o700)
    found: list[bytes] = []
    patient = threading.Thread(target=lambda: found.append(drorch("-c", file, "watch", "--patience", "50s").stdout))
    patient.start()
    with listening(state / "control.sock", says(identity(file, state))):
        patient.join()
    assert found == [b"the daemon answers (drorch 1.2.3)\n"]
    assert findings(file, "--all") == []


def test_what_answers_as_no_daemon_of_ours_is_none(tmp_path: Path) -> None:
    file, state = install(tmp_path), tmp_path / "state"
    state.mkdir(mode=0o700)
    place, configuration = state / "control.sock", load(str(file))
    for answer, told in (
        (says(identity(file, tmp_path / "other")), "is another's: its state_dir is"),
        (says({"hello": {}}), "in words that are not known here"),
        (lambda caller: caller.recv(4096), "hung up"),
    ):
        with listening(place, answer):
            assert told in pulse_of(configuration).fault
    busy = {"error": {"message": "64 others ask the daemon now", "hint": None, "code": 1}}
    with listening(place, says(busy)):
        assert pulse_of(configuration).alive


def test_a_loop_that_stands_still_is_noticed(tmp_path: Path) -> None:
    file, state = install(tmp_path), tmp_path / "state"
    state.mkdir(mode=0o700)
    still = threading.Event()
    with listening(state / "control.sock", lambda _: still.wait(60)):
        try:
            assert "gives no answer" in pulse_of(load(str(file))).fault
        finally:
            still.set()


def test_the_monitor_is_told_each_time_and_json_says_it_too(tmp_path: Path) -> None:
    file = install(tmp_path)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as monitor:
        port = monitor.getsockname()[1]
        text = file.read_text()
        file.write_text(f'{text}\n[daemon]\nping = "http://127.0.0.1:{port}/of-the-daemon"\n')

        def serve() -> None:
            for _ in range(2):
                caller, _ = monitor.accept()
                with caller:
                    caller.settimeout(30)
                    heard.append(caller.recv(65536))
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(2):
            done = drorch("-c", file, "watch", "--patience", "0s", "--json", status=70)
        thread.join(60)
    assert [line.split()[1] for line in heard] == [b"/of-the-daemon/fail"] * 2
    said = json.loads(done.stdout)
    assert (said["message_type"], said["alive"]) == ("watch", False)
    assert "no daemon runs" in said["fault"]
    assert json.loads(done.stderr)["during"] == "watch"


def test_a_catalog_that_cannot_be_opened_keeps_nobody_from_the_alarm(tmp_path: Path) -> None:
    file, state = install(tmp_path), tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "catalog.sqlite").write_bytes(b"no database at all " * 100)
    done = drorch("-c", file, "watch", "--patience", "0s", status=70)
    alarm, complaint = done.stderr.decode().splitlines()
    assert "no daemon runs" in alarm
    assert "no finding is opened or closed" in complaint


def test_a_configuration_with_faults_is_told(tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text("[daemon\n")
    tmp_path.chmod(0o700)
    assert drorch("-c", file, "watch", status=4).stderr
    file.unlink()
    assert "cannot be read" in fault_line(drorch("-c", file, "watch", status=4))
