"""Children: workers that talk and die with their parent, commands killed whole, processes named beyond doubt."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.process.commands import ChildFailed, describe_status, output_of, start_piped, streaming
from drorch.process.identity import is_gone, own_identity
from drorch.process.workers import Channel, Worker, WorkerDied, start_worker

CLOCK = SystemClock()


@contextmanager
def worker(function: str, *descriptors: int) -> Iterator[Worker]:
    started = start_worker(f"tests.workers:{function}", descriptors=descriptors)
    try:
        yield started
    finally:
        started.kill()


def wait_until_gone(pid: int, seconds: float = 30.0) -> bool:
    """Whether the process ends in time; a zombie counts as ended."""
    end = CLOCK.monotonic() + seconds
    while CLOCK.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        CLOCK.sleep(0.02)
    return False


def test_whole_objects_go_there_and_back() -> None:
    with worker("echo") as child:
        for message in (None, 7, "ä\udcff", b"x" * 3_000_000, {"a": [1, (2, 3)]}, b""):
            child.channel.send(message)
            assert child.channel.receive() == message


def test_descriptors_are_handed_over_in_both_directions() -> None:
    with worker("read_descriptor") as child:
        ours = os.memfd_create("of the parent")
        os.write(ours, b"from the parent")
        child.channel.send_descriptor(ours)
        os.close(ours)
        assert child.channel.receive() == b"from the parent"
        theirs = child.channel.receive_descriptor()
        assert os.pread(theirs, 100, 0) == b"from the worker"
        os.close(theirs)


def test_named_descriptors_stay_open_in_the_worker_and_no_others() -> None:
    kept, other = os.memfd_create("kept"), os.memfd_create("other")
    os.set_inheritable(other, True)
    os.write(kept, b"inherited")
    try:
        with worker("read_inherited", kept) as child:
            child.channel.send(kept)
            assert child.channel.receive() == b"inherited"
        with worker("tell_about_yourself", kept) as child:
            found = child.channel.receive()["descriptors"]
            assert kept in found
            assert other not in found
    finally:
        os.close(kept)
        os.close(other)


def test_a_worker_is_a_child_that_ignores_hangups_and_knows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESTIC_PASSWORD", "RESTIC_PASSWORD_COMMAND", "RESTIC_PASSWORD_FILE"):
        monkeypatch.setenv(name, "canary")
    with worker("tell_about_yourself") as child:
        told = child.channel.receive()
    assert told["pid"] == child.pid
    assert told["parent"] == os.getpid()
    assert told["ignores"] == [True, True]
    assert "canary" not in repr(told["environment"])
    assert "canary" not in repr(told["arguments"])


def test_a_worker_runs_nothing_that_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's backup may be started in anybody's home."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    for module in ("socket", "contextlib", "drorch"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('a trap')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    with worker("tell_about_yourself") as child:
        assert child.channel.receive()["safe path"]


@pytest.mark.parametrize("ends", ["kill", "fail"])
def test_the_end_of_a_worker_is_noticed(ends: str) -> None:
    with worker("fail" if ends == "fail" else "echo") as child:
        if ends == "kill":
            os.kill(child.pid, signal.SIGKILL)
        else:
            assert child.channel.receive() == "hello"
        with pytest.raises(WorkerDied):
            child.channel.receive()
        with pytest.raises(WorkerDied):
            child.channel.receive_descriptor()
        with pytest.raises(WorkerDied):
            for _ in range(1000):
                child.channel.send(bytes(1_000_000))
        with pytest.raises(WorkerDied):
            child.channel.send_descriptor(0)


def test_a_worker_that_dies_in_the_middle_of_a_message_is_noticed() -> None:
    """The beginning of a message announces its length; then comes less, and then nothing."""
    ours, theirs = socket.socketpair()
    theirs.sendall(struct.pack("!i", 1000) + b"only this")
    theirs.close()
    channel = Channel(Connection(ours.detach()))
    with pytest.raises(WorkerDied):
        channel.receive()
    channel.close()


def test_stopping_waits_for_the_worker_and_killing_does_too() -> None:
    stopped = start_worker("tests.workers:echo")
    stopped.channel.send("x")
    assert stopped.channel.receive() == "x"
    stopped.stop()
    assert not Path(f"/proc/{stopped.pid}").exists()
    killed = start_worker("tests.workers:block_elsewhere")
    killed.kill()
    assert not Path(f"/proc/{killed.pid}").exists()


def test_a_worker_that_is_busy_elsewhere_stops_too() -> None:
    blocked = start_worker("tests.workers:block_elsewhere")
    assert blocked.channel.receive() == blocked.pid
    began = CLOCK.monotonic()
    blocked.stop()
    assert CLOCK.monotonic() - began < 5
    assert not Path(f"/proc/{blocked.pid}").exists()


def test_a_blocked_worker_dies_with_its_parent() -> None:
    code = (
        "import sys, threading\n"
        "from drorch.process.workers import start_worker\n"
        "worker = start_worker('tests.workers:block_elsewhere')\n"
        "print(worker.channel.receive(), flush=True)\n"
        "threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert not wait_until_gone(pid, 0.3)
        finally:
            parent.send_signal(signal.SIGKILL)
        parent.wait(30)
        assert wait_until_gone(pid)


def test_the_output_of_a_command_that_succeeds() -> None:
    assert output_of(["printf", "a\\nb"], timeout=30) == b"a\nb"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["sh", "-c", "echo secret; exit 3"], "exited with status 3"),
        (["sh", "-c", "kill -TERM $$"], "was killed by SIGTERM"),
        (["/nonexistent/command"], "no such file"),
        (["/etc/passwd"], "permission denied"),
    ],
)
def test_a_command_that_fails_is_named_and_its_output_is_not(argv: list[str], said: str) -> None:
    with pytest.raises(ChildFailed, match=argv[0]) as caught:
        output_of(argv, timeout=30)
    assert said in caught.value.message.lower().replace("sigterm", "SIGTERM")
    assert "secret" not in caught.value.message


def test_what_a_command_says_beside_its_output_reaches_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    assert output_of(["sh", "-c", "echo secret >&2; echo output"], timeout=30) == b"output\n"
    with pytest.raises(ChildFailed) as caught:
        output_of(["sh", "-c", "echo secret >&2; exit 2"], timeout=30)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert capfd.readouterr() == ("", "")


def test_a_command_that_takes_too_long_is_ended() -> None:
    began = CLOCK.monotonic()
    with pytest.raises(ChildFailed, match="did not end within"):
        output_of(["sleep", "60"], timeout=0.2)
    assert CLOCK.monotonic() - began < 20


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (2, "exited with status 2"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_statuses_in_words(status: int, words: str) -> None:
    assert describe_status(status) == words


def test_output_is_read_as_it_comes() -> None:
    with streaming(["sh", "-c", "echo one; echo two"]) as child:
        assert child.output.read() == b"one\ntwo\n"
        child.finish()


def test_a_streaming_command_that_fails_after_its_output_is_heard() -> None:
    with streaming(["sh", "-c", "echo half; exit 7"]) as child:
        assert child.output.read() == b"half\n"
        with pytest.raises(ChildFailed, match="exited with status 7"):
            child.finish()


def test_a_command_that_closes_its_output_and_stays_is_a_failure() -> None:
    with streaming(["sh", "-c", "exec >&-; sleep 60"], stop_timeout=0.2) as child:
        assert child.output.read() == b""
        with pytest.raises(ChildFailed, match="did not end"):
            child.finish()


def test_a_command_that_cannot_be_started_says_so() -> None:
    with pytest.raises(ChildFailed, match="/nonexistent"), streaming(["/nonexistent"]):
        pass


def test_a_streaming_command_knows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD", "canary")
    with streaming(["env"]) as child:
        assert b"canary" not in child.output.read()
        child.finish()


def test_leaving_early_kills_the_command_with_its_children() -> None:
    with pytest.raises(KeyError), streaming(["sh", "-c", "sleep 600 & echo $!; wait"]) as child:
        grandchild = int(child.output.readline())
        raise KeyError
    assert wait_until_gone(grandchild)


def test_leaving_early_kills_the_children_of_a_command_that_has_ended_itself() -> None:
    with pytest.raises(KeyError), streaming(["sh", "-c", "sleep 600 & echo $$ $!"]) as child:
        command, grandchild = map(int, child.output.readline().split())
        assert wait_until_gone(command)
        raise KeyError
    try:
        assert wait_until_gone(grandchild, 2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(grandchild, signal.SIGKILL)


def test_a_piped_command_is_talked_with_and_sees_the_end_of_its_input() -> None:
    child = start_piped(["sh", "-c", "cat; echo the end"])
    child.stream.settimeout(60)
    child.stream.sendall(b"there and back\n")
    assert child.stream.recv(100) == b"there and back\n"
    child.stream.shutdown(socket.SHUT_WR)
    assert child.stream.recv(100) == b"the end\n"
    assert child.stream.recv(100) == b""
    child.close()
    child.close()
    assert wait_until_gone(child.pid)


def test_a_silent_piped_command_is_not_waited_for() -> None:
    child = start_piped(["sleep", "600"])
    child.stream.settimeout(0.05)
    with pytest.raises(TimeoutError):
        child.stream.recv(1)
    child.close()
    assert wait_until_gone(child.pid)


def test_a_piped_command_is_killed_with_its_children() -> None:
    child = start_piped(["sh", "-c", "sleep 600 & echo $!; wait"])
    child.stream.settimeout(60)
    grandchild = int(child.stream.recv(100))
    child.close()
    assert wait_until_gone(grandchild)


def test_what_a_piped_command_complains_of_is_kept_and_bounded_and_does_not_block_it() -> None:
    child = start_piped(["sh", "-c", "head -c 1000000 /dev/zero >&2; echo filled; read line; echo the last word >&2"])
    child.stream.settimeout(60)
    assert child.stream.recv(100) == b"filled\n"
    assert 0 < len(child.complaints()) <= 8192
    child.stream.sendall(b"go on\n")
    assert child.stream.recv(100) == b""
    assert child.complaints().endswith("the last word\n")
    child.close()
    assert child.complaints().endswith("the last word\n")


def test_a_piped_command_inherits_only_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESTIC_PASSWORD", "AWS_SECRET_ACCESS_KEY", "WANTED"):
        monkeypatch.setenv(name, "canary")
    child = start_piped(["sh", "-c", "env; echo"], variables=["WANTED", "NOT_SET"])
    child.stream.settimeout(60)
    with child.stream.makefile("rb") as output:
        told = output.read().decode()
    child.close()
    assert [line for line in told.splitlines() if "canary" in line] == ["WANTED=canary"]
    assert "PATH=" in told


def test_a_command_that_is_not_there_cannot_be_talked_with() -> None:
    with pytest.raises(ChildFailed, match="no-such-command"):
        start_piped(["/no-such-command"])


def test_this_process_is_not_gone_and_changes_to_its_identity_are_judged() -> None:
    ours = own_identity()
    assert ours.pid == os.getpid()
    assert not is_gone(ours)
    assert is_gone(replace(ours, started=ours.started + 1))
    assert is_gone(replace(ours, boot="another")) is bool(ours.machine), "without a machine id, nothing is proven"
    assert not is_gone(replace(ours, namespace="pid:[1]", started=0))
    assert not is_gone(replace(ours, boot="another", machine="another"))
    assert not is_gone(replace(ours, boot="another", machine=""))


def test_another_process_is_gone_once_it_has_been_waited_for() -> None:
    with worker("block_elsewhere") as child:
        child.channel.receive()
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
        identity = replace(own_identity(), pid=child.pid, started=started)
        assert not is_gone(identity)
    assert is_gone(identity)


def test_a_process_that_may_only_be_hidden_is_not_gone() -> None:
    """Where /proc hides other users' processes (hidepid), a missing folder proves nothing; a signal does."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount /proc with hidepid for a process of its own")
    code = (
        "import os, sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from drorch.process.identity import is_gone, own_identity\n"
        "pid = int(sys.argv[1])\n"
        "assert not Path(f'/proc/{pid}').exists(), 'not hidden'\n"
        "print(is_gone(replace(own_identity(), pid=pid, started=1)))\n"
    )
    script = (
        "mount --make-private /proc && mount -t proc -o hidepid=2 proc /proc || exit 77\n"
        'exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$@"\n'
    )
    done = subprocess.run(
        [
            *["unshare", "--mount", "--propagation", "unchanged", "sh", "-c"],
            script,
            "sh",
            sys.executable,
            "-c",
            code,
            str(os.getpid()),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=60,
        check=False,
    )
    if done.returncode == 77 or done.stderr.startswith("unshare: "):
        pytest.skip(f"/proc cannot be mounted here: {done.stderr.strip()[-200:]}")
    assert done.stdout.strip() == "False", done.stderr
