"""How commands end: the exit code, the one line, and nothing else."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drorch.cli.entry import main
from drorch.cli.faults import Interrupted, fault_of
from drorch.cli.root import VERBS
from drorch.errors import IntegrityError
from tests.cli.commandline import PASSWORD, command_line, drorch, environment, fault_line, new_repository

HEAVY = (
    *("cryptography", "zstandard", "orjson", "pathspec", "rich", "fastcdc", "hashlib", "subprocess", "multiprocessing"),
    *("drorch.app", "drorch.repository", "drorch.storage", "drorch.sources", "drorch.actions", "drorch.process"),
)


def test_help_imports_nothing_that_it_does_not_need() -> None:
    code = "import sys; from drorch.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.splitlines()[-1].split() if name.startswith(HEAVY)}
    assert "click" in done.stdout.splitlines()[-1].split()
    assert loaded == set()


def test_help_takes_little_time() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        drorch("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_seconds() for _ in range(5)) < 0.15


def test_version() -> None:
    assert drorch("--version").stdout.startswith(b"drorch 0")


def test_no_verb_shows_the_help_and_is_a_usage_error() -> None:
    done = drorch(status=64)
    assert done.stdout == b""
    assert b"snapshots" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["snapshot"], 'unknown command "snapshot". Did you mean "snapshots"?'),
        (["xyzzy"], 'unknown command "xyzzy". Type: drorch --help'),
        (["\x1b[31mred"], r"\x1b[31mred"),
        (["--jsom"], "no such option"),
        (["snapshots", "--latest", "0"], "drorch snapshots --help"),
        (["ls"], "missing argument"),
        (["snapshots"], "no repository is named"),
        (["snapshots", "--repo", "x", "--repository-file", "y"], "contradict each other"),
        (["snapshots", "--repo", "x", "-q", "-v"], "contradict each other"),
        (["snapshots", "--repo", "x", "--password-file", "a", "--password-command", "b"], "contradict each other"),
        (["snapshots", "--repo", "sftp:u@h"], "names no path"),
        (["snapshots", "--repo", "rest:https://h/b"], "rest repositories are not supported"),
        (["snapshots", "--repo", "x", "--retry-lock", "soon"], "is not a duration"),
        (["backup", "--repo", "x"], "nothing to back up"),
        (["backup", "--repo", "x", "/etc", "--exclude-larger-than", "big"], "is not a size"),
        (["backup", "--repo", "x", "/etc", "--time", "noon"], "is not a time"),
        (["backup", "--repo", "x", "/etc", "--stdin"], "a stream is backed up alone"),
        (["backup", "--repo", "x", "--files-from", "/nowhere"], "/nowhere cannot be read"),
        (["ls", "--repo", "x", "newest"], "is not a snapshot"),
        (["ls", "--repo", "x", "latest", "etc"], "begins with a slash"),
        (["ls", "--repo", "x", "latest:/a", "/b"], "given twice"),
    ],
)
def test_what_does_not_make_sense(arguments: list[str], part: str) -> None:
    done = drorch(*arguments, status=64)
    assert part in fault_line(done)
    assert done.stdout == b""


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(verb: str) -> None:
    shown = drorch(verb, "--help").stdout.decode()
    assert VERBS[verb].summary in shown
    assert "--password-file" in shown


def test_not_a_repository(tmp_path: Path) -> None:
    assert "holds no repository" in fault_line(drorch("-r", tmp_path, "snapshots", status=10))
    assert "holds no repository" in fault_line(drorch("-r", tmp_path / "gone", "snapshots", status=10))


def test_wrong_password(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    assert "wrong password" in fault_line(drorch("-r", repository, "snapshots", status=12, password="no"))  # noqa: S106


def test_a_fault_with_json_is_one_object(tmp_path: Path) -> None:
    done = drorch("-r", tmp_path, "--json", "snapshots", status=10)
    (line,) = done.stderr.splitlines()
    fault = json.loads(line)
    assert fault.keys() == {"message_type", "code", "message", "hint"}
    assert (fault["message_type"], fault["code"]) == ("exit_error", 10)
    assert done.stdout == b""


def test_a_traceback_only_with_debug(tmp_path: Path) -> None:
    shown = drorch("-r", tmp_path, "snapshots", "--debug", status=10).stderr.decode()
    assert shown.startswith("Traceback")
    assert shown.splitlines()[-1].startswith("drorch: ")


def test_options_before_and_after_the_verb_are_the_same(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    before = drorch("--json", "-r", repository, "snapshots").stdout
    assert before == drorch("snapshots", "-r", repository, "--json").stdout == b"[]\n"
    assert drorch("-r", tmp_path, "snapshots", "-r", repository, "--json").stdout == before


@pytest.mark.parametrize(
    "variables",
    [
        {"RESTIC_PASSWORD": PASSWORD},
        {"RESTIC_PASSWORD_FILE": "{place}/password"},
        {"RESTIC_PASSWORD_COMMAND": "cat '{place}/password'"},
    ],
)
def test_restics_variables_are_understood(tmp_path: Path, variables: dict[str, str]) -> None:
    repository = new_repository(tmp_path / "r")
    secret, url = tmp_path / "password", tmp_path / "url"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    url.write_text(f"{repository}\n")
    for place in ({"RESTIC_REPOSITORY": str(repository)}, {"RESTIC_REPOSITORY_FILE": str(url)}):
        given = {name: value.format(place=tmp_path) for name, value in variables.items()}
        assert drorch("snapshots", "--json", env={**given, **place}, password=None).stdout == b"[]\n"


def test_options_count_more_than_variables(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    env = {"RESTIC_REPOSITORY": str(tmp_path), "RESTIC_PASSWORD_COMMAND": "false"}
    drorch("snapshots", "-r", repository, "-p", secret, env=env)


@pytest.mark.parametrize(
    ("content", "mode", "part"),
    [(PASSWORD, 0o644, "chmod 600"), ("", 0o600, "is empty"), (None, 0, "No such file"), ("\xff\xfe", 0o600, "not")],
)
def test_password_files_that_are_refused(tmp_path: Path, content: str | None, mode: int, part: str) -> None:
    repository = new_repository(tmp_path / "r")
    secret = tmp_path / "password"
    if content is not None:
        secret.write_bytes(content.encode("latin-1") + (b"\xff" if content == "\xff\xfe" else b""))
        secret.chmod(mode)
    done = drorch("snapshots", "-r", repository, "-p", secret, status=62)
    assert part in fault_line(done)


def test_no_password_and_nobody_to_ask(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    assert "--password-file" in fault_line(drorch("snapshots", "-r", repository, status=62, password=None))


def test_a_password_command_that_fails(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    done = drorch("snapshots", "-r", repository, "--password-command", "false", status=1)
    assert "command false exited with status 1" in fault_line(done)


def test_a_reader_that_goes_away_is_no_fault_worth_a_word(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "r")
    source = tmp_path / "source"
    source.mkdir()
    for number in range(4000):
        (source / f"{number:050}").touch()
    drorch("backup", "-r", repository, source)
    with subprocess.Popen(
        command_line("ls", "latest", "-q", "-r", repository),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(30) == 1
    assert list((repository / "locks").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_in_order_and_leaves_no_lock(tmp_path: Path, number: signal.Signals) -> None:
    repository = new_repository(tmp_path / "r")
    reading, writing = os.pipe()
    with subprocess.Popen(
        command_line("backup", "-r", repository, "--stdin"), stdin=reading, stderr=subprocess.PIPE, env=environment()
    ) as child:
        os.close(reading)
        deadline = time.monotonic() + 30
        while not list((repository / "locks").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.write(writing, b"x" * 10)
        time.sleep(0.5)
        assert list((repository / "locks").iterdir()) != []
        child.send_signal(number)
        try:
            assert child.wait(30) == 130
        finally:
            child.kill()
            os.close(writing)
        assert child.stderr is not None
        assert child.stderr.read() == b"drorch: interrupted by " + number.name.encode() + b"\n"
    assert list((repository / "locks").iterdir()) == []
    assert list((repository / "snapshots").iterdir()) == []


def test_a_bug_is_one_line_that_asks_for_a_report() -> None:
    fault = fault_of(ZeroDivisionError("division by zero"))
    assert fault.code == 1
    assert fault.line == (
        "drorch: this is a bug in drorch: ZeroDivisionError: division by zero. "
        "Run the same command with --debug and report what it prints."
    )


def test_faults_keep_their_codes_and_hints() -> None:
    assert fault_of(IntegrityError("pack x: damaged", hint="type: drorch check")).line == (
        "drorch: pack x: damaged. Type: drorch check"
    )
    assert fault_of(Interrupted("SIGTERM")).code == fault_of(KeyboardInterrupt()).code == 130
    assert fault_of(BrokenPipeError()).message == ""


def test_no_core_is_dumped_and_hostile_arguments_are_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["\x1b]0;x\x07"]) == 64
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    assert "\x1b" not in capfd.readouterr().err
