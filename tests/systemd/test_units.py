"""The shipped units: systemd understands each word of them, and they leave drorch no more than is written down."""

import re
import tomllib
from pathlib import Path

import pytest

from drorch.app import unit_files
from drorch.app.unit_files import DAEMON, DRILL, RESTORE, SYSUSERS, TMPFILES, WATCH, shipped_folder
from tests.house.project import ROOT
from tests.systemd.units import SERVICES, SHIPPED, complaints, exposure, setting, startable, tool, version

MOST_EXPOSED = {DAEMON: 3.0, WATCH: 3.0, RESTORE: 4.0, DRILL: 4.0}
MEASURED_BY = 252
"""The systemd whose figures are written down; others weigh differently."""


def written_down() -> dict[str, float]:
    """The figures in docs/OPERATIONS.md, by unit."""
    text = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    return {name: float(value) for name, value in re.findall(r"^\| `(drorch\S*\.service)` \| ([0-9.]+) \|", text, re.M)}


@pytest.mark.parametrize("name", SHIPPED)
def test_systemd_has_nothing_to_say_against_a_unit(name: str, tmp_path: Path) -> None:
    assert complaints(startable(tmp_path), name) == ""


def test_it_would_say_so(tmp_path: Path) -> None:
    unit = startable(tmp_path) / DAEMON
    unit.write_text(unit.read_text().replace("[Install]", "ProtectEverything=yes\n[Install]"))
    assert "ProtectEverything" in complaints(tmp_path, DAEMON)
    (tmp_path / "drorch").unlink()
    assert "not executable" in complaints(tmp_path, DAEMON)


@pytest.mark.parametrize("name", SERVICES)
def test_the_exposure_of_a_service_is_as_written_down(name: str, tmp_path: Path) -> None:
    measured = exposure(startable(tmp_path) / name)
    assert measured <= MOST_EXPOSED[name]
    if version() == MEASURED_BY:
        assert measured == written_down()[name]


def test_an_exposed_service_is_measured_as_one(tmp_path: Path) -> None:
    unit = startable(tmp_path) / DAEMON
    unit.write_text(re.sub(r"^(Protect|Private|Restrict|System|Capability)\w+=.*$", "", unit.read_text(), flags=re.M))
    assert exposure(unit) > MOST_EXPOSED[DAEMON]


def test_every_relaxation_says_why() -> None:
    """What a restore or a drill has more than the daemon stands below a comment that begins so."""
    tight = set((shipped_folder() / DAEMON).read_text().splitlines())
    for name in (RESTORE, DRILL):
        lines = (shipped_folder() / name).read_text().splitlines()
        loose = [
            number
            for number, line in enumerate(lines)
            if line not in tight and re.match(r"(Protect|Private|Restrict|System|Capability|Memory)\w+=", line)
        ]
        assert loose
        for number in loose:
            above = [line for line in lines[:number] if not re.match(r"\w+=", line)]
            assert above[-1].startswith("#"), lines[number]


def test_the_grace_of_the_runs_fits_into_that_of_the_service() -> None:
    assert setting(DAEMON, "Type") == ["notify"]
    assert setting(DAEMON, "KillMode") == ["mixed"]
    assert setting(DAEMON, "OOMPolicy") == ["continue"]
    assert int(setting(DAEMON, "TimeoutStopSec")[0].removesuffix("s")) >= 2 * 30
    assert int(setting(DAEMON, "WatchdogSec")[0].removesuffix("s")) >= 4 * 30


def test_the_group_and_the_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        (tmp_path / "etc" / name).write_text(text)
    for name in ("sysusers.d", "tmpfiles.d"):
        (tmp_path / "etc" / name).mkdir()
        (tmp_path / "etc" / name / "drorch.conf").write_text((shipped_folder() / name / "drorch.conf").read_text())
    made = tool("systemd-sysusers", f"--root={tmp_path}", tmp_path / SYSUSERS.relative_to("/"))
    assert made.returncode == 0, made.stderr
    assert re.search(r"^drorch:x:\d+:$", (tmp_path / "etc" / "group").read_text(), re.M)
    assert "drorch" not in (tmp_path / "etc" / "passwd").read_text()
    made = tool("systemd-tmpfiles", f"--root={tmp_path}", "--create", tmp_path / TMPFILES.relative_to("/"))
    assert made.returncode in (0, 65, 73), made.stderr
    modes = {name: (tmp_path / name).stat().st_mode & 0o7777 for name in ("etc/drorch", "etc/drorch/credentials")}
    assert modes == {"etc/drorch": 0o755, "etc/drorch/credentials": 0o700}
    assert (tmp_path / "var/spool/drorch").stat().st_mode & 0o7777 == 0o700


def test_the_units_are_in_the_wheel_where_the_program_looks_for_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    place = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]["systemd"]
    assert ROOT / place == Path(unit_files.__file__).with_name("systemd")
    assert shipped_folder() == ROOT / "systemd"
    assert set(SHIPPED) == {DAEMON, RESTORE, DRILL, WATCH, unit_files.WATCH_TIMER}
