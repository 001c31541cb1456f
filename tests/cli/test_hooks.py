"""Hooks and commands of jobs, as an administrator meets them."""

import json
import signal
import subprocess
from pathlib import Path

from drorch.clock import SystemClock
from tests.cli.commandline import command_line, drorch, drorch_json, environment
from tests.cli.homes import install


def hook(folder: Path, when: str, script: str, **keys: str) -> str:
    """A hook in TOML that notes that it was run, and then does what a script says."""
    noting = f"echo $DRORCH_HOOK $DRORCH_OUTCOME $DRORCH_EXIT_CODE >> {folder}/noted; {script}"
    more = "".join(f', {key} = "{value}"' for key, value in keys.items())
    return f'{{ when = "{when}", command = ["/bin/sh", "-c", {json.dumps(noting)}]{more} }}'


def installed(folder: Path, *hooks: str) -> Path:
    return install(folder, extra=f"hooks = [{', '.join(hooks)}]")


def noted(folder: Path) -> list[str]:
    return (folder / "noted").read_text().splitlines()


def test_a_job_on_two_targets_has_its_hooks_once(tmp_path: Path) -> None:
    times = ("before", "after", "failure", "always")
    file = installed(tmp_path, *(hook(tmp_path, when, "exit 0") for when in times))
    drorch("-c", file, "run", "homes")
    assert noted(tmp_path) == ["before", "after ok 0", "always ok 0"]


def test_a_hook_that_fails_before_ends_it_with_its_own_code(tmp_path: Path) -> None:
    file = installed(tmp_path, hook(tmp_path, "before", "echo no room; exit 9"), hook(tmp_path, "failure", "exit 0"))
    said = drorch("-c", file, "run", "homes", status=63).stderr.decode()
    assert "homes@one: the hook /bin/sh (before) exited with status 9." in said
    assert "it said: no room" in said
    assert drorch_json("-c", file, "snapshots", "-t", "one") == []
    assert noted(tmp_path) == ["before", "failure failed 63"]


def test_a_hook_that_fails_afterwards_leaves_the_snapshot_and_tells(tmp_path: Path) -> None:
    file = installed(tmp_path, hook(tmp_path, "after", "exit 9"), hook(tmp_path, "failure", "exit 0"))
    first, *_, last = drorch("-c", file, "run", "homes", "-t", "one", "--json", status=63).stdout.splitlines()
    before, after = json.loads(first), json.loads(last)
    assert (before["outcome"], before["exit_code"]) == ("ok", 0)
    assert (after["outcome"], after["exit_code"], after["run_id"]) == ("incomplete", 63, before["run_id"])
    assert noted(tmp_path) == ["after ok 0", "failure incomplete 63"]
    [snapshot] = [one for one in drorch_json("-c", file, "snapshots", "-t", "one") if "homes" in str(one["tags"])]
    assert snapshot["id"] == before["snapshot_id"]


def test_a_hook_whose_failure_is_a_warning_fails_nothing(tmp_path: Path) -> None:
    file = installed(tmp_path, hook(tmp_path, "before", "exit 9", on_failure="warn"))
    said = drorch("-c", file, "run", "homes", "-t", "one").stderr.decode()
    assert "the hook /bin/sh (before) exited with status 9" in said


def test_a_job_that_is_stopped_has_time_for_its_hooks(tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    file = installed(
        tmp_path,
        hook(tmp_path, "before", f"touch {reached}; exec sleep 600"),
        hook(tmp_path, "failure", "sleep 1; echo done"),
        hook(tmp_path, "always", "sleep 1; echo done"),
    )
    child = subprocess.Popen(
        command_line("-c", file, "run", "homes"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        clock = SystemClock()
        end = clock.monotonic() + 60
        while not reached.exists() and clock.monotonic() < end:
            clock.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 130
    assert noted(tmp_path) == ["before", "failure failed 130", "always failed 130"]


def with_command(folder: Path, script: str, *, more: str = "") -> Path:
    """A configuration with a job dump that saves what a script prints."""
    return install(
        folder,
        extra=f"""
        [jobs.dump]
        source = {{ type = "command", dump = ["/bin/sh", "-c", "{script}"], filename = "mail.ldif"{more} }}
        targets = ["one", "two"]
        hooks = [{hook(folder, "always", "exit 0")}]
        """,
    )


def test_what_a_command_prints_is_saved_and_copied(tmp_path: Path) -> None:
    file = with_command(tmp_path, "echo entry; echo two")
    said = drorch("-c", file, "run", "dump").stdout.decode()
    assert said.count("dump@one: ok") == said.count("dump@two: ok") == 1
    for target in ("one", "two"):
        assert drorch("-c", file, "dump", "latest:dump", "/mail.ldif", "-t", target).stdout == b"entry\ntwo\n"
    assert noted(tmp_path) == ["always ok 0"]


def test_a_command_that_fails_or_prints_too_little_leaves_no_snapshot(tmp_path: Path) -> None:
    cases = [("echo half; exit 3", "", 31), ("echo little", ", min_bytes = 100", 32)]
    for number, (script, more, status) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        file = with_command(folder, script, more=more)
        drorch("-c", file, "run", "dump", "-t", "one", status=status)
        assert drorch_json("-c", file, "snapshots", "-t", "one", "--tag", "drorch:job=dump") == []
        assert noted(folder) == [f"always failed {status}"]
