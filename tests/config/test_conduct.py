"""How jobs and maintenance are conducted: what is said becomes values, and what is not said stays as it was."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.config import settled
from drorch.config.configuration import DaemonSpec
from drorch.config.location import User
from drorch.config.reading import Reader
from drorch.model.conduct import Allowance, Conduct, DiskPriority, Overlap, Retries
from drorch.model.hook import Hook, HookFailure, HookTime
from drorch.model.job import CommandSpec, FilesSpec, Line
from drorch.model.maintenance import CheckPlan, Maintenance
from drorch.model.names import JobName, TargetName
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable
from drorch.model.window import parse_window
from drorch.secrets import EnvSecret, FileSecret
from drorch.units import GIB, KIB
from tests.config.configs import ANNA, SOUND, configuration, faults

ONSITE, SHELF = TargetName("onsite"), TargetName("shelf")
VIENNA = ZoneInfo("Europe/Vienna")
SAID = """
timezone = "America/New_York"
jitter = "10m"
allowed = ["22:00-06:00", "Sat - Sun"]
blackout = ["2026-12-24/2026-12-27"]
retries = 3
retry_delay = "2h"
max_runtime = "8h"
priority = -5
overlap = "skip"
nice = 0
disk = "idle"
memory_limit = "1 GiB"
"""
CONDUCT = Conduct(
    Retries(3, timedelta(hours=2), timedelta(hours=2)),
    timedelta(hours=8),
    -5,
    Overlap.SKIP,
    Allowance(0, DiskPriority.IDLE, GIB),
)
PING = "https://hc-ping.com/canary-51fa"


def job_with(keys: str) -> str:
    return SOUND.replace("[jobs.homes]\n", f"[jobs.homes]\n{keys}\n")


def timetable(line: str, schedule: str) -> Timetable:
    allowed, blackout = ("22:00-06:00", "sat-sun"), ("2026-12-24/2026-12-27",)
    return Timetable(
        line,
        parse_schedule(schedule),
        ZoneInfo("America/New_York"),
        timedelta(minutes=10),
        tuple(map(parse_window, allowed)),
        tuple(map(parse_window, blackout)),
    )


def unwritten(found: Timetable) -> Timetable:
    """The same without how its windows were written."""
    loose = tuple(replace(window, text="") for window in found.allowed)
    return replace(found, allowed=loose, blackout=tuple(replace(window, text="") for window in found.blackout))


def test_what_is_not_said_is_as_the_model_has_it() -> None:
    found = configuration(SOUND)
    job = found.job("homes")
    assert (job.conduct, job.hooks, job.ping, job.after) == (Conduct(), (), None, None)
    assert (found.maintenance, found.target("onsite").max_parallel_runs) == ({}, None)
    socket = Path("/home/anna/.state/drorch/control.sock")
    assert found.daemon == DaemonSpec(socket, 2, None, timedelta(minutes=5))


def test_a_job_is_conducted_as_it_says_on_all_of_its_lines() -> None:
    job = configuration(job_with(SAID)).job("homes")
    assert job.conduct == CONDUCT
    [own, other] = job.lines()
    assert (own.name, own.targets, own.after) == ("homes", (ONSITE,), None)
    assert (other.name, other.targets, other.after) == ("homes@shelf", (SHELF,), None)
    assert own.timetable and unwritten(own.timetable) == unwritten(timetable("homes", "30 2 * * *"))
    assert other.timetable and unwritten(other.timetable) == unwritten(timetable("homes@shelf", "every 4h"))


def test_a_short_delay_grows_to_an_hour() -> None:
    job = configuration(job_with('retries = 1\nretry_delay = "1m"')).job("homes")
    assert job.conduct.retries == Retries(1, timedelta(minutes=1), timedelta(hours=1))


def test_targets_without_a_schedule_of_their_own_are_run_together() -> None:
    shelf = SOUND[SOUND.index("[targets.shelf]") : SOUND.index("[jobs.homes]")]
    text = SOUND.replace('["onsite", "shelf"]', '["onsite", "shelf", "third"]') + shelf.replace("shelf", "third")
    job = configuration(text).job("homes")
    assert [(line.name, line.targets) for line in job.lines()] == [
        ("homes", (ONSITE, "third")),
        ("homes@shelf", (SHELF,)),
    ]
    assert [job.line_on(target) for target in job.targets] == ["homes", "homes@shelf", "homes"]


def test_a_job_runs_after_another_but_on_its_targets_that_have_a_schedule() -> None:
    other = (
        '[jobs.etc]\nsource = { type = "files", paths = ["/etc"] }\ntargets = ["onsite", "shelf"]\nafter = "homes"\n'
    )
    job = configuration(SOUND + other).job("etc")
    assert job.after == "homes"
    assert job.lines() == (Line("etc", None, (ONSITE, SHELF), JobName("homes")),)
    own, there = configuration(f'{SOUND}{other}[jobs.etc.on.shelf]\nschedule = "@weekly"\n').job("etc").lines()
    assert own == Line("etc", None, (ONSITE,), JobName("homes"))
    assert there == Line("etc@shelf", Timetable("etc@shelf", parse_schedule("@weekly"), VIENNA), (SHELF,))


def test_a_job_by_hand_has_a_line_that_nothing_makes() -> None:
    text = SOUND.replace('schedule = "30 2 * * *"\n', "")
    assert configuration(text).job("homes").lines()[0] == Line("homes", None, (ONSITE,))


def test_hooks_are_read_however_they_are_written() -> None:
    inline = 'hooks = [{ when = "before", command = ["/bin/a", "b c"] }, { when = "failure", command = ["x"], '
    inline += 'timeout = "90s", on_failure = "ignore" }]'
    hooks = (
        Hook(HookTime.BEFORE, ("/bin/a", "b c"), timedelta(minutes=5), HookFailure.ERROR),
        Hook(HookTime.FAILURE, ("x",), timedelta(seconds=90), HookFailure.IGNORE),
    )
    blocks = '[[jobs.homes.hooks]]\nwhen = "before"\ncommand = ["/bin/a", "b c"]\n'
    blocks += '[[jobs.homes.hooks]]\nwhen = "failure"\ncommand = ["x"]\ntimeout = "90s"\non_failure = "ignore"\n'
    assert configuration(job_with(inline)).job("homes").hooks == hooks
    assert configuration(SOUND + blocks).job("homes").hooks == hooks
    assert configuration(SOUND + blocks).digest == configuration(job_with(inline)).digest


def test_a_source_may_be_what_a_command_prints() -> None:
    text = '[jobs.dump]\nsource = { type = "command", dump = ["pg_dumpall", "-w"], min_bytes = "1 KiB" }\n'
    text += 'targets = ["onsite"]\n'
    assert configuration(SOUND + text).job("dump").source == CommandSpec(("pg_dumpall", "-w"), "dump", KIB)
    named = text.replace("min_bytes", 'filename = "all.sql", min_bytes')
    assert configuration(SOUND + named).job("dump").source == CommandSpec(("pg_dumpall", "-w"), "all.sql", KIB)


def test_files_may_be_read_from_a_snapshot_of_their_file_system() -> None:
    source = configuration(SOUND.replace('"10 MiB"', '"10 MiB", snapshot = "zfs"')).job("homes").source
    assert isinstance(source, FilesSpec)
    assert source.snapshot == "zfs"


def test_maintenance_is_of_a_target() -> None:
    text = f'{SOUND}[maintenance.shelf]\ncheck = {{ schedule = "0 4 * * sun", parts = 13 }}\nenabled = false\n{SAID}'
    [(name, found)] = configuration(text).maintenance.items()
    assert (name, found.target, found.enabled, found.conduct) == (SHELF, SHELF, False, CONDUCT)
    assert found.check and found.check.parts == 13
    assert unwritten(found.check.timetable) == unwritten(timetable("shelf", "0 4 * * sun"))
    plain = configuration(SOUND + '[maintenance.shelf]\ncheck = { schedule = "@weekly" }\n').maintenance
    weekly = Timetable("shelf", parse_schedule("@weekly"), VIENNA)
    assert plain == {SHELF: Maintenance(SHELF, CheckPlan(weekly, None), Conduct(), enabled=True)}


def test_the_daemon_listens_where_it_is_told_or_beside_its_state() -> None:
    root = Reader(User(0, 0), {})
    assert configuration("", root).daemon.socket == Path("/run/drorch/control.sock")
    elsewhere = configuration('[drorch]\nstate_dir = "/srv/state"\n', root)
    assert elsewhere.daemon.socket == Path("/srv/state/control.sock")
    assert configuration('[daemon]\nsocket = "/run/x"\n').daemon.socket == Path("/run/x")
    long = f'[drorch]\nstate_dir = "/{"s" * 120}"\n'
    [warning] = configuration(long).warnings
    assert "too long a path" in warning
    assert faults(f'[daemon]\nsocket = "/{"s" * 107}"\n')[0].startswith("2:10: the path of a socket has at most 107")
    assert configuration(f'{long}[daemon]\nsocket = "/{"s" * 106}"\n').warnings == ()


def test_how_many_run_at_a_time_is_said_for_all_and_for_a_target() -> None:
    text = SOUND.replace('path = "/mnt/shelf"', 'path = "/mnt/shelf"\nmax_parallel_runs = 1')
    found = configuration(f"[drorch]\nmax_parallel_runs = 64\n{text}")
    assert (found.daemon.max_parallel_runs, found.target("shelf").max_parallel_runs) == (64, 1)


def test_the_url_of_a_monitor_is_said_or_where_it_is_and_shown_to_nobody() -> None:
    job = job_with(f'ping = "{PING}"')
    found = configuration(f'[daemon]\nping = {{ file = "/etc/drorch/ping" }}\n{job}')
    assert (found.daemon.ping, found.job("homes").ping) == (FileSecret(Path("/etc/drorch/ping")), PING)
    shown = [repr(found), settled.as_toml(found), repr(settled.shown(found)), repr(found.jobs), found.digest]
    assert "canary" not in "".join(shown)
    assert 'ping = "https://hc-ping.com/..."' in shown[1]
    assert 'ping = { file = "/etc/drorch/ping" }' in shown[1]
    [fault] = faults(shown[1])
    assert fault.endswith("this URL was shortened to be shown; write all of it")
    assert configuration(job_with("ping = { env = 'PING' }")).job("homes").ping == EnvSecret("PING")


@pytest.mark.parametrize(
    "written",
    [
        '"ftp://hc-ping.com/canary-1"',
        '"https://canary-1"  # canary-1',
        '"https://user:canary-1@hc-ping.com/x"',
        '"https://hc-ping.com/canary-1 "',
        '"https://[canary-1"',
        '"canary-1"',
        '["https://hc-ping.com/canary-1"]',
        '{ url = "canary-1" }',
    ],
)
def test_no_fault_quotes_the_url_of_a_monitor(written: str) -> None:
    for text in (job_with(f"ping = {written}"), f"[daemon]\nping = {written}\n{SOUND}"):
        if written.endswith("# canary-1"):
            assert configuration(text)
            continue
        [fault] = faults(text)
        assert "canary" not in fault


def test_a_monitors_url_that_everyone_can_read_is_a_fault(tmp_path: Path) -> None:
    secret = tmp_path / "ping"
    secret.write_text(PING)
    secret.chmod(0o644)
    [fault] = faults(f'[daemon]\nping = {{ file = "{secret}" }}\n')
    assert fault == f"2:17: the secret in {secret} can be read by everyone; type: chmod 600 {secret}"


@pytest.mark.parametrize(
    "keys",
    [
        *SAID.replace('retry_delay = "2h"\n', "").strip().splitlines(),
        'retries = 1\nretry_delay = "2h"',
        f'ping = "{PING}"',
        'hooks = [{ when = "always", command = ["x"] }]',
    ],
)
def test_each_key_counts_and_is_shown(keys: str) -> None:
    text = job_with(keys)
    assert configuration(text).digest != configuration(SOUND).digest
    shown = settled.as_toml(configuration(text)).replace("https://hc-ping.com/...", PING)
    assert configuration(shown).jobs == configuration(text).jobs
    assert settled.as_toml(configuration(shown)) == settled.as_toml(configuration(text))


@pytest.mark.parametrize(
    "keys",
    [
        "allowed = []\nblackout = []\nhooks = []\nretries = 0",
        "priority = 0\noverlap = 'queue'\nnice = 10\ndisk = 'low'",
    ],
)
def test_a_default_that_is_said_does_not_count(keys: str) -> None:
    assert configuration(job_with(keys)).digest == configuration(SOUND).digest


def test_however_windows_are_written_it_is_the_same() -> None:
    one, other = (
        configuration(job_with(f"allowed = {text}")) for text in ('["sat  22:00-06:00"]', '["SAT 22:00-06:00"]')
    )
    assert one.digest == other.digest
    assert one.jobs == other.jobs


@pytest.mark.parametrize(
    ("keys", "room"),
    [
        ('blackout = ["2020-01-01/2039-12-31"]', True),
        ('allowed = ["2020-01-01"]\nblackout = ["mon-sun"]', True),
        ('blackout = ["sun-sat"]', False),
        ('blackout = ["00:00-23:59"]', True),
        ('blackout = ["12:00-12:00"]', False),
        ('allowed = ["08:00-09:00"]\nblackout = ["07:00-08:30"]', True),
        ('allowed = ["08:00-09:00"]\nblackout = ["07:00-08:30", "08:30-09:00"]', False),
        ('allowed = ["sun 22:00-06:00"]\nblackout = ["sun"]', True),
        ('allowed = ["sun 22:00-06:00"]\nblackout = ["sun", "mon 00:00-06:00"]', False),
        ('allowed = ["tue 08:00-09:00", "thu 10:00-11:00"]\nblackout = ["08:00-09:00"]', True),
    ],
)
def test_windows_that_leave_no_room_are_a_fault(keys: str, room: bool) -> None:
    if room:
        assert configuration(job_with(keys))
    else:
        [fault] = faults(job_with(keys))
        assert "nothing would ever begin" in fault


def test_a_circle_is_told_once_and_what_leads_into_it_is_none() -> None:
    jobs = {"a": "b", "b": "c", "c": "b", "d": "d", "e": "homes"}
    text = SOUND + "".join(
        f'[jobs.{name}]\nsource = {{ type = "files", paths = ["/etc"] }}\ntargets = ["onsite"]\nafter = "{after}"\n'
        for name, after in jobs.items()
    )
    assert [fault.partition(": ")[2] for fault in faults(text)] == [
        "job b runs after c, which runs after b",
        "job d runs after itself",
    ]


def test_a_job_that_waits_for_one_that_is_off_is_told() -> None:
    other = '[jobs.etc]\nsource = { type = "files", paths = ["/etc"] }\ntargets = ["onsite"]\nafter = "homes"\n'
    assert configuration(SOUND + other, ANNA).warnings == ()
    off = SOUND.replace("[jobs.homes]\n", "[jobs.homes]\nenabled = false\n")
    assert configuration(off + other).warnings == ("job etc runs after job homes, which is not enabled",)
    assert configuration(off + other + "enabled = false\n").warnings == ()


def test_a_schedule_that_no_target_follows_is_told() -> None:
    every = SOUND + '[jobs.homes.on.onsite]\nschedule = "@daily"\n'
    assert configuration(every).warnings == ("no target of job homes follows its schedule: each has one of its own",)
    waiting = every.replace('schedule = "30 2 * * *"', 'after = "etc"')
    waiting += '[jobs.etc]\nsource = { type = "files", paths = ["/etc"] }\ntargets = ["onsite"]\n'
    assert configuration(waiting).warnings == (
        "job homes never runs after etc: each of its targets has a schedule of its own",
    )
