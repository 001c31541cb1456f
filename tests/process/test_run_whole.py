"""Commands that are run to their end: what they say is kept, bounded; nothing of them is left."""

import sys
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.process.commands import ChildFailed, run_whole
from tests.process.test_process import wait_until_gone

_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def test_what_it_says_is_kept_in_order_and_its_status_told() -> None:
    ended = run_whole(["sh", "-c", "echo one; echo two >&2; echo three; exit 7"], timeout=60, environment=_PATH)
    assert (ended.status, ended.said, ended.output) == (7, "one\ntwo\nthree\n", b"")


def test_output_that_is_asked_for_is_kept_apart() -> None:
    command = ["sh", "-c", "printf 'a\\0b'; echo beside >&2"]
    ended = run_whole(command, timeout=60, environment=_PATH, output_bytes=100)
    assert (ended.status, ended.output, ended.said) == (0, b"a\0b", "beside\n")


def test_it_sees_no_variable_that_it_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "geheim")
    said = run_whole(["/usr/bin/env"], timeout=60, environment={"GIVEN": "yes"}).said
    assert said == "GIVEN=yes\n"


def test_it_is_run_in_the_root_folder_without_input() -> None:
    assert run_whole(["sh", "-c", "pwd; cat"], timeout=60, environment=_PATH).said == "/\n"


def test_of_much_talk_the_end_is_kept() -> None:
    talk = "import sys; sys.stdout.write('x' * 1_000_000 + 'the end'); sys.stderr.write('y' * 100_000)"
    ended = run_whole([sys.executable, "-c", talk], timeout=60, environment={}, output_bytes=1000)
    assert len(ended.output) == 1000
    assert ended.output.endswith(b"xthe end")
    assert ended.said == "y" * 8192


def test_one_that_takes_too_long_is_killed_whole_and_what_it_said_is_told(tmp_path: Path) -> None:
    begun = SystemClock().monotonic()
    script = f"sleep 600 & echo $! > {tmp_path}/pid; echo waiting; wait"
    with pytest.raises(ChildFailed, match="command sh did not end within 2 s") as caught:
        run_whole(["sh", "-c", script], timeout=2, environment=_PATH)
    assert caught.value.context["said"] == "waiting\n"
    assert wait_until_gone(int((tmp_path / "pid").read_text()))
    assert SystemClock().monotonic() - begun < 60


def test_what_it_leaves_running_is_not_waited_for_and_is_killed(tmp_path: Path) -> None:
    begun = SystemClock().monotonic()
    ended = run_whole(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; echo done"], timeout=300, environment=_PATH)
    assert (ended.status, ended.said) == (0, "done\n")
    assert wait_until_gone(int((tmp_path / "pid").read_text()))
    assert SystemClock().monotonic() - begun < 150


def test_one_that_is_not_there_is_named() -> None:
    with pytest.raises(ChildFailed, match="command /nowhere/hook: No such file or directory"):
        run_whole(["/nowhere/hook"], timeout=60, environment=_PATH)


def test_a_signal_that_ended_it_is_told() -> None:
    assert run_whole(["sh", "-c", "kill -9 $$"], timeout=60, environment=_PATH).status == -9
