"""A sound configuration becomes jobs and targets; its digest follows what it says, not how."""

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.config import settled
from drorch.config.location import User
from drorch.config.places import LocalTargetSpec
from drorch.config.reading import Reader
from drorch.config.reference import example
from drorch.errors import ConfigError
from drorch.model.job import Destination, FilesSpec
from drorch.model.names import TargetName
from drorch.model.objective import Objective
from drorch.model.retention import Retention
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable
from drorch.secrets import EnvSecret, FileSecret
from drorch.units import MIB
from tests.config.configs import SOUND, configuration

SHELF = TargetName("shelf")
PING = re.findall(r'"(https://hc-ping.com/.*)"', example())[-1]
KEPT = Retention(last=3, within=timedelta(weeks=2))


def test_jobs_and_targets_are_as_they_were_written() -> None:
    found = configuration(SOUND)
    onsite = found.target("onsite")
    assert isinstance(onsite, LocalTargetSpec)
    assert onsite.path == Path("/srv/backup")
    assert found.target("onsite").url == "local:/srv/backup"
    assert found.target("onsite").password == FileSecret(Path("/etc/drorch/onsite.password"))
    assert found.target("shelf").password == EnvSecret("SHELF_PASSWORD")
    job = found.job("homes")
    assert job.tag == "drorch:job=homes"
    assert isinstance(job.source, FilesSpec)
    assert (job.source.paths, job.source.exclude_larger_than) == (("/home",), 10 * MIB)
    assert job.objective == Objective(rpo=timedelta(hours=26), rto=timedelta(minutes=90))
    assert (job.targets, job.enabled, job.compression, job.tags) == (("onsite", "shelf"), True, "auto", ())


def test_what_is_said_on_a_target_replaces_what_the_job_says() -> None:
    job = configuration(SOUND).job("homes")
    nightly = Timetable("homes", parse_schedule("30 2 * * *"), ZoneInfo("Europe/Vienna"))
    often = Timetable("homes@shelf", parse_schedule("every 4h"), ZoneInfo("Europe/Vienna"))
    assert job.on(TargetName("onsite")) == Destination(TargetName("onsite"), nightly, KEPT)
    assert job.on(SHELF) == Destination(SHELF, often, KEPT)
    text = SOUND + "retention = { yearly = 1 }\n"
    assert configuration(text).job("homes").on(SHELF).retention == Retention(yearly=1)
    with pytest.raises(KeyError):
        job.on(TargetName("offsite"))


def test_an_unknown_job_or_target_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match='no job "home"') as raised:
        configuration(SOUND).job("home")
    assert raised.value.hint == "Its jobs: homes."
    with pytest.raises(ConfigError, match='no target "x"') as raised:
        configuration("").target("x")
    assert raised.value.hint == "It has no targets."


def test_defaults_are_of_who_reads() -> None:
    found = configuration("")
    assert (found.state_dir, found.zone.key) == (Path("/home/anna/.state/drorch"), "Europe/Vienna")
    assert found.host
    assert (found.targets, found.jobs, found.catalog) == ({}, {}, None)
    assert configuration("", Reader(User(0, 0), {})).state_dir == Path("/var/lib/drorch")
    assert configuration("", Reader(User(5, 5), {})).state_dir == Path.home() / ".local/state/drorch"


@pytest.mark.parametrize(
    "other",
    [
        "# a comment\n" + SOUND,
        SOUND.replace('"10 MiB"', "10485760").replace('"90m"', '"1h30m"').replace('"2w"', '"14d"'),
        SOUND.replace("[targets.onsite]", '[targets."onsite"]').replace("\n", "\r\n"),
        SOUND[SOUND.index("[jobs.homes]") :] + SOUND[: SOUND.index("[jobs.homes]")],
        SOUND.replace("last = 3, within", "within").replace('"2w" }', '"2w", last = 3 }') + "[drorch]\n",
        SOUND.replace('targets = ["onsite"', 'enabled = true\ncompression = "auto"\ntags = []\ntargets = ["onsite"'),
    ],
)
def test_the_digest_is_of_what_is_said(other: str) -> None:
    assert configuration(other).digest == configuration(SOUND).digest


@pytest.mark.parametrize(
    "other",
    [
        SOUND.replace('["onsite", "shelf"]', '["shelf", "onsite"]'),
        SOUND.replace("SHELF_PASSWORD", "SHELF"),
        SOUND.replace("last = 3", "last = 4"),
        SOUND + "[drorch]\nhost = 'web1'\n",
    ],
)
def test_the_digest_changes_with_what_is_said(other: str) -> None:
    assert configuration(other).digest != configuration(SOUND).digest


def unshortened(shown: str) -> str:
    """The URL of a monitor is the one thing that is not shown whole."""
    return shown.replace("https://hc-ping.com/...", PING)


def same(text: str) -> None:
    found = configuration(text)
    shown = settled.as_toml(found)
    again = configuration(unshortened(shown))
    assert (again.targets, again.jobs, again.catalog) == (found.targets, found.jobs, found.catalog)
    assert (again.maintenance, again.daemon) == (found.maintenance, found.daemon)
    assert (again.state_dir, again.zone, again.host) == (found.state_dir, found.zone, found.host)
    assert settled.as_toml(again) == shown
    assert again.digest == configuration(unshortened(settled.as_toml(again))).digest


@pytest.mark.parametrize(
    "text", ["", SOUND, example(), '[catalog]\nurl = "postgresql://a@b/c"\npassword = { command = ["x", "y z"] }\n']
)
def test_what_is_shown_reads_back_the_same(text: str) -> None:
    same(text)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=4))
def test_whatever_the_patterns_are_what_is_shown_reads_back_the_same(patterns: list[str]) -> None:
    written = ", ".join('"' + "".join(f"\\U{ord(letter):08x}" for letter in one) + '"' for one in patterns)
    text = SOUND.replace("exclude_larger_than", f"exclude = [{written}], exclude_larger_than")
    source = configuration(text).job("homes").source
    assert isinstance(source, FilesSpec)
    assert source.exclude == tuple(patterns)
    same(text)


def test_warnings_stop_nothing() -> None:
    lone = '[targets.lone]\ntype = "local"\npath = "/srv/backup/"\npassword = { env = "X" }\n'
    found = configuration(SOUND.replace('["/home"]', '["/", "/home"]').replace("/mnt/shelf", "/mnt/s") + lone)
    assert found.warnings == (
        "no job uses target lone",
        "targets onsite and lone are the same place",
        "job homes saves /, in which its own target onsite lies, unless it is excluded",
        "job homes saves /, in which its own target shelf lies, unless it is excluded",
    )
    assert configuration(SOUND).warnings == ()
