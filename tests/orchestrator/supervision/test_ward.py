"""A ward hears what its worker says, stops it in time, and leaves nothing of it behind, whatever it does."""

import os
import resource
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.model.conduct import Allowance, DiskPriority
from drorch.model.launch import StopCause
from drorch.orchestrator.supervision.heard import Complained, Ended, Moved, Reported, Said
from drorch.orchestrator.supervision.order import Order
from drorch.process.commands import ChildFailed
from drorch.process.family import family_of
from drorch.process.identity import is_gone
from tests.orchestrator.supervision.watching import (
    CLOCK,
    SECONDS,
    all_heard,
    an_order,
    ended,
    log_of,
    python,
    shell,
    turn,
    ward_over,
)
from tests.process.test_family import lives


@pytest.mark.parametrize("code", [0, 3, 24, 130])
def test_an_exit_code_speaks_for_itself(tmp_path: Path, code: int) -> None:
    with ward_over(tmp_path, shell(f"exit {code}")) as ward:
        assert ended(ward) == Ended(code)
        assert ward.attend() == []
        assert ward.descriptors == ()
        assert ward.wakes is None
        assert is_gone(ward.identity)


def test_what_a_worker_that_fails_complained_of_last_is_the_reason(tmp_path: Path) -> None:
    code = 'line.say(\'{"complaint": "one"}\')\nline.say(\'{"complaint": "two"}\')\nsys.exit(%d)'
    for status, reason in ((4, "two"), (0, ""), (3, ""), (24, "")):
        with ward_over(tmp_path, python(code % status)) as ward:
            assert ended(ward) == Ended(status, reason)


def test_a_fault_that_was_reported_is_told_by_the_report(tmp_path: Path) -> None:
    words = ('{"told": {"fault": {"message": "x"}}}', '{"complaint": "the catalog is closed"}')
    with ward_over(tmp_path, python(f"for word in {words!r}: line.say(word)\nsys.exit(20)")) as ward:
        assert ended(ward) == Ended(20)


def test_one_that_dies_without_a_word_has_a_reason(tmp_path: Path) -> None:
    with ward_over(tmp_path, shell("kill -KILL $$")) as ward:
        assert ended(ward) == Ended(None, "its process was killed by SIGKILL")
        assert b"its process was killed by SIGKILL" in log_of(tmp_path, ward)


def test_one_that_cannot_be_started_is_no_ward(tmp_path: Path) -> None:
    plain = Allowance(nice=0, disk=DiskPriority.NORMAL)
    with pytest.raises(ChildFailed), ward_over(tmp_path, ("/no/such/worker",), allowance=plain):
        pass


def test_the_order_arrives_as_it_was_given(tmp_path: Path) -> None:
    order = an_order(part=(3, 30), memory=1 << 30, tty="/dev/pts/7", config="/etc/drorch/j\udcffobs.toml")
    with ward_over(tmp_path, python("print(order, end='')"), order) as ward:
        assert ended(ward) == Ended(0)
        assert Order.from_json(log_of(tmp_path, ward).decode().splitlines()[0]) == order


def test_what_a_worker_says_is_heard_in_order_and_kept(tmp_path: Path) -> None:
    words = (
        '{"progress": {"kind": "backup", "target": "one", "files_done": 3, "bytes_done": 9, "current": "/a"}}',
        '{"log": {"level": "note", "message": "tried again"}}',
        '{"told": {"run": {}, "exit_code": 7}}',
        '{"complaint": "the catalog is closed"}',
    )
    with ward_over(tmp_path, python(f"for word in {words!r}: line.say(word)\nprint('bye', file=sys.stderr)")) as ward:
        heard = all_heard(ward)
        moved = Moved("backup", "one", {"files_done": 3, "bytes_done": 9}, "/a")
        assert heard == [
            moved,
            Said("note", "tried again"),
            Reported({"run": {}, "exit_code": 7}),
            Complained("the catalog is closed"),
            Ended(0),
        ]
        assert ward.progress == moved
        log = log_of(tmp_path, ward).decode()
        assert all(text in log for text in ("note: tried again", "complaint: the catalog is closed", "bye"))
        assert log.strip() == ward.tail.strip()


def test_nonsense_is_not_heard_and_hurts_nobody(tmp_path: Path) -> None:
    nonsense = (
        "", "{", "7", "null", "[]", '"x"', '{"a": 1, "b": 2}', '{"progress": 3}', '{"progress": {"kind": 1}}',
        '{"log": null}', '{"told": [1]}', '{"told": "xx"}', '{"complaint": {}}', '{"unknown": {}}', "[" * 60000,
    )  # fmt: skip
    code = f'for word in {nonsense!r}: line.say(word)\nline.say(\'{{"complaint": "sense"}}\')'
    with ward_over(tmp_path, python(code)) as ward:
        assert all_heard(ward) == [Complained("sense"), Ended(0)]


def test_bytes_that_are_no_text_hurt_nobody(tmp_path: Path) -> None:
    code = "import socket\nline._socket.send(bytes(range(256)))\nos.write(1, bytes(range(256)))"
    with ward_over(tmp_path, python(code)) as ward:
        assert all_heard(ward) == [Ended(0)]
        assert ward.tail


def test_being_asked_to_stop_reaches_the_worker_with_its_reason(tmp_path: Path) -> None:
    code = 'line.say(\'{"complaint": "ready"}\')\nprint(line.wait_for_line(60), flush=True)\nsys.exit(130)'
    with ward_over(tmp_path, python(code)) as ward:
        while Complained("ready") not in turn(ward):
            pass
        ward.stop("somebody cancelled it", StopCause.CANCELLED)
        ward.stop("another reason", StopCause.SHUTDOWN)
        assert ended(ward) == Ended(130, "it was stopped: somebody cancelled it", StopCause.CANCELLED)
        assert b'{"stop":"somebody cancelled it","cause":"cancelled"}' in log_of(tmp_path, ward)


def test_one_that_ended_well_was_not_stopped(tmp_path: Path) -> None:
    with ward_over(tmp_path, python("line.wait_for_line(60)")) as ward:
        ward.stop("too late", StopCause.CANCELLED)
        assert ended(ward) == Ended(0)


def test_one_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    code = "print(line.wait_for_line(60), flush=True)\nsys.exit(130)"
    with ward_over(tmp_path, python(code), max_runtime=timedelta(seconds=1)) as ward:
        assert ended(ward) == Ended(130, "it was stopped: it took longer than 1s", StopCause.OVERRUN)


def test_one_that_does_not_listen_is_asked_by_a_signal(tmp_path: Path) -> None:
    script = "trap 'echo asked; exit 130' TERM; echo ready; while :; do sleep 0.05; done"
    with ward_over(tmp_path, shell(script), grace=timedelta(seconds=1)) as ward:
        while "ready" not in ward.tail:
            turn(ward)
        ward.stop("enough", StopCause.SHUTDOWN)
        assert ended(ward) == Ended(130, "it was stopped: enough", StopCause.SHUTDOWN)
        assert b"asked" in log_of(tmp_path, ward)


def test_one_that_does_not_obey_is_killed_whole_after_its_grace(tmp_path: Path) -> None:
    script = "trap '' TERM; setsid sleep 600 & echo pid $!; while :; do sleep 0.05; done"
    with ward_over(tmp_path, shell(script), grace=timedelta(seconds=0.6)) as ward:
        while "pid" not in ward.tail:
            turn(ward)
        pid = int(ward.tail.split()[1])
        ward.stop("enough", StopCause.SHUTDOWN)
        assert ended(ward) == Ended(None, "it was stopped: enough", StopCause.SHUTDOWN)
        assert not lives(pid)


def test_killing_does_not_ask(tmp_path: Path) -> None:
    with ward_over(tmp_path, shell("trap '' TERM; setsid sleep 600 & sleep 600")) as ward:
        ward.kill("the machine goes down", StopCause.SHUTDOWN)
        assert ended(ward) == Ended(None, "it was stopped: the machine goes down", StopCause.SHUTDOWN)
        assert family_of(ward.launch) == []


def test_what_a_worker_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """Even where it holds the streams and the line open, and whether the worker ended well or was killed."""
    for end in ("exit 0", "kill -KILL $$"):
        with ward_over(tmp_path, shell(f"setsid sleep 600 & echo pid $!; {end}")) as ward:
            ended(ward)
            pid = int(ward.tail.split()[1])
            assert not lives(pid)


def test_a_flood_is_kept_within_bounds_and_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    code = (
        "import threading\n"
        'def flood():\n    while True: line.say(\'{"log": {"level": "note", "message": "\' + \'x\' * 50000 + \'"}}\')\n'
        "threading.Thread(target=flood, daemon=True).start()\n"
        "while True: os.write(2, b'y' * 60000 + b'\\n')\n"
    )
    with ward_over(tmp_path, python(code)) as ward:
        while ward.tail.count("x") < 100 and ward.tail.count("y") < 100:
            turn(ward)
        before, turns = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
        began = CLOCK.monotonic()
        while CLOCK.monotonic() - began < 1.5:
            turn(ward)
            turns += 1
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 64 * 1024, f"{grown} KiB more"
        assert turns >= 15
        assert (tmp_path / "logs" / f"{ward.launch}.log").stat().st_size <= 256 * 1024
        ward.kill("enough", StopCause.SHUTDOWN)
        ended(ward)
    assert len(log_of(tmp_path, ward)) <= 256 * 1024


def test_the_last_words_before_a_death_are_heard(tmp_path: Path) -> None:
    code = (
        'for number in range(200): line.say(\'{"complaint": "%d"}\' % number)\n'
        "print('famous last words', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    with ward_over(tmp_path, python(code)) as ward:
        ended_by = CLOCK.monotonic() + SECONDS
        while not is_gone(ward.identity) and lives(ward.identity.pid) and CLOCK.monotonic() < ended_by:
            CLOCK.sleep(0.02)
        heard = all_heard(ward)
        assert [one.text for one in heard if isinstance(one, Complained)] == [str(number) for number in range(200)]
        assert heard[-1] == Ended(None, "its process was killed by SIGKILL")
        assert b"famous last words" in log_of(tmp_path, ward)


def test_a_place_that_takes_no_log_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with ward_over(tmp_path, shell("echo hello")) as ward:
        heard = all_heard(ward)
        assert [type(one) for one in heard] == [Complained, Ended]
        assert "hello" in ward.tail


def test_an_interrupt_of_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    with ward_over(tmp_path, shell("echo ready; sleep 600")) as ward:
        while "ready" not in ward.tail:
            turn(ward)
        assert os.getpgid(ward.identity.pid) != os.getpgrp()
        ward.kill("enough", StopCause.SHUTDOWN)
        assert ended(ward).exit_code is None
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
