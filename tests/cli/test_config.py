"""drorch config: checked, shown, described; what is wrong is told line by line."""

import json
from pathlib import Path

import pytest

from drorch.config.reference import example
from drorch.config.schema import json_schema
from tests.cli.commandline import PASSWORD, drorch, drorch_json, fault_line, new_repository

SOUND = """
[drorch]
timezone = "Europe/Berlin"
host = "web1"
[targets.onsite]
type = "local"
path = "/srv/backup"
password = { env = "REPO_PASSWORD" }
[jobs.homes]
source = { type = "files", paths = ["/home"] }
targets = ["onsite"]
schedule = "30 2 * * *"
[jobs.etc]
source = { type = "files", paths = ["/etc"] }
targets = ["onsite"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound configuration that is its owner's."""
    path = tmp_path / "jobs.toml"
    path.write_text(SOUND)
    path.chmod(0o600)
    return path


def test_check_tells_the_next_three_times_of_every_schedule(file: Path) -> None:
    told = drorch("config", "check", "-c", file)
    homes, etc = told.stdout.decode().splitlines()[2:]
    assert homes.split()[:7] == ["homes", "onsite", "30", "2", "*", "*", "*"]
    assert homes.count("02:30 CE") == 3
    assert etc.split() == ["etc", "onsite", "by", "hand"]
    assert told.stderr.decode().splitlines() == [f"{file} is sound: 2 jobs, 1 target"]


MORE = """
[jobs.dump]
source = { type = "command", dump = ["true"] }
targets = ["onsite"]
after = "homes"
[jobs.night]
source = { type = "files", paths = ["/etc"] }
targets = ["onsite"]
schedule = "every 1h"
timezone = "UTC"
jitter = "90m"
allowed = ["23:00-24:00"]
blackout = ["2001-01-01"]
[jobs.over]
source = { type = "files", paths = ["/etc"] }
targets = ["onsite"]
schedule = "@daily"
allowed = ["2001-01-01/2001-01-31"]
[maintenance.onsite]
check = { schedule = "0 4 * * sun", parts = 4 }
"""


def test_check_tells_what_begins_when_and_what_never_does(file: Path) -> None:
    file.write_text(SOUND + MORE)
    told = drorch("config", "check", "-c", file)
    dump, night, over, check = told.stdout.decode().splitlines()[4:]
    assert dump.split() == ["dump", "onsite", "after", "homes"]
    rule = "every 1h; UTC; up to 90m later; in 23:00-24:00; not in 2001-01-01"
    assert night.split(None, 2)[2].startswith(rule)
    assert night.count(" 23:") == 4
    assert over.endswith("never")
    assert check.split()[:7] == ["(check)", "onsite", "0", "4", "*", "*", "sun"]
    assert check.count("Sun ") == check.count("04:00 CE") == 3
    assert told.stderr.decode().splitlines()[0] == f"warning: {file}: the windows of over let it begin no more"


def test_check_as_json(file: Path) -> None:
    file.write_text(SOUND + MORE)
    told = drorch_json("-c", file, "config", "check")
    homes, etc, dump, night, over, check = told["schedules"]
    assert (told["file"], told["timezone"]) == (str(file), "Europe/Berlin")
    assert told["warnings"] == ["the windows of over let it begin no more"]
    assert (homes["kind"], homes["name"], homes["line"], homes["targets"]) == ("job", "homes", "homes", ["onsite"])
    assert (homes["schedule"], homes["timezone"], homes["after"]) == ("30 2 * * *", "Europe/Berlin", None)
    assert [moment[10:16] for moment in homes["next"]] == ["T02:30"] * 3
    assert homes["begins"] == homes["next"]
    assert (etc["schedule"], etc["next"], etc["begins"]) == (None, [], [])
    assert (dump["schedule"], dump["after"]) == (None, "homes")
    assert (night["jitter_seconds"], night["allowed"], night["blackout"]) == (5400.0, ["23:00-24:00"], ["2001-01-01"])
    assert all(moment[10:13] == "T23" for moment in night["begins"])
    assert (over["begins"], len(over["next"])) == ([None], 1)
    assert (check["kind"], check["name"], check["targets"]) == ("check", "onsite", ["onsite"])
    assert len(told["digest"]) == 64


def test_check_warns_of_promises_that_cannot_be_kept(file: Path, tmp_path: Path) -> None:
    general = f'[drorch]\nstate_dir = "{tmp_path}/state"\n'
    sound = SOUND.replace("[drorch]\n", general).replace(
        'paths = ["/home"] }', 'paths = ["/home"] }\nobjectives = { rpo = "2h" }'
    )
    file.write_text(sound)
    told = drorch("config", "check", "-c", file).stderr.decode().splitlines()
    assert told[0].startswith(f"warning: {file}: job homes promises an RPO of 2h, but 2")
    assert not (tmp_path / "state").exists()


def test_the_example_is_worth_no_warning(file: Path) -> None:
    file.write_text(example())
    assert drorch_json("config", "check", "-c", file)["warnings"] == []


def test_every_fault_is_told_on_a_line_of_its_own(file: Path) -> None:
    file.write_text(SOUND.replace("host", "hots").replace('["/etc"]', '["/etc"], exclude = ["!"]'))
    told = drorch("config", "check", "-c", file, status=4).stderr.decode().splitlines()
    assert told == [
        f'{file}:4:1: unknown key "hots"; did you mean "host"?',
        f'{file}:14:57: exclude pattern "!" would never match; '
        'write a gitignore pattern, for instance "*.cache" or "/var/tmp"',
        f"drorch: {file} has 2 faults. Mend it, then type: drorch config check",
    ]
    fault = json.loads(drorch("config", "check", "-c", file, "--json", status=4).stderr)
    assert (fault["code"], [one["item"] for one in fault["problems"]]) == (4, [f"{file}:4:1", f"{file}:14:57"])


def test_names_of_a_hostile_file_are_escaped(file: Path) -> None:
    file.write_text('"\\u001b[2J" = 1\n')
    assert b"\x1b" not in drorch("config", "check", "-c", file, status=4).stderr


def test_show_reads_back_the_same_and_shows_references(file: Path, tmp_path: Path) -> None:
    shown = drorch("config", "show", "-c", file, env={"REPO_PASSWORD": "canary-93"}).stdout
    assert b"canary" not in shown
    assert b'password = { env = "REPO_PASSWORD" }' in shown
    again = tmp_path / "again.toml"
    again.write_bytes(shown)
    again.chmod(0o600)
    assert drorch("config", "show", "-c", again).stdout == shown
    assert drorch_json("config", "show", "-c", file)["drorch"]["host"] == "web1"


def test_the_schema_and_the_example_are_written() -> None:
    assert json.loads(drorch("config", "schema").stdout) == json_schema()
    assert drorch_json("config", "schema") == json_schema()
    assert drorch("config", "example").stdout.decode() == example()
    assert drorch_json("config", "example")["text"] == example()


def test_a_variable_that_names_no_configuration_is_told(tmp_path: Path) -> None:
    told = fault_line(drorch("config", "check", status=4, cwd=tmp_path, env={"DRORCH_CONFIG": "/nonexistent/x"}))
    assert "/nonexistent/x" in told


def test_what_others_may_write_is_refused(file: Path) -> None:
    file.chmod(0o666)
    told = fault_line(drorch("config", "check", "-c", file, status=4))
    assert told.endswith(f"can be written by everyone, and a configuration can run commands. Type: chmod o-w {file}")


def test_an_unknown_command_is_told_with_the_one_that_was_meant() -> None:
    told = fault_line(drorch("config", "chek", status=64))
    assert told == 'drorch: unknown command "config chek". Did you mean "check"?'
    drorch("config", status=64)


def test_targets_of_a_job_that_cut_files_differently_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    tmp_path.chmod(0o700)
    (tmp_path / "source").mkdir()
    targets = [
        f'[targets.{name}]\ntype = "local"\npath = "{new_repository(tmp_path / name)}"\n'
        f'password = {{ file = "{tmp_path}/password" }}\n'
        for name in ("one", "two")
    ]
    job = f'[jobs.a]\nsource = {{ type = "files", paths = ["{tmp_path}/source"] }}\ntargets = ["one", "two"]\n'
    (tmp_path / "jobs.toml").write_text("".join(targets) + job)
    told = drorch("-c", tmp_path / "jobs.toml", "config", "check").stderr.decode()
    assert "one and two do not share a chunker polynomial" in told
