"""drorch service: what is written is what systemd understands, however often, and nothing else is touched."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drorch.app.unit_files import DAEMON, DRILL, DROP_IN, RESTORE, WATCH, WATCH_TIMER, quoted
from tests.cli.commandline import TIMEOUT_SECONDS, drorch, environment, fault_line
from tests.systemd.units import complaints, exposure

UNITS = Path("etc/systemd/system")
CONFIG = """
[drorch]
state_dir = "{state}"
[daemon]
ping = {{ credential = "daemon-ping" }}
[catalog]
url = "postgresql://drorch@db1/drorch"
password = {{ credential = "catalog" }}
[targets.onsite]
type = "local"
path = "{target}"
password = {{ credential = "repo-password" }}
[targets.offsite]
type = "s3"
bucket = "backups"
access_key = {{ env = "S3_ACCESS_KEY" }}
secret_key = {{ credential = "s3-secret" }}
password = {{ credential = "repo-password" }}
[jobs.homes]
source = {{ type = "files", paths = ["/home"] }}
targets = ["onsite", "offsite"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree of a system whose configuration refers to a folder and to credentials."""
    tmp_path.chmod(0o755)
    (tmp_path / "etc/drorch/credentials").mkdir(parents=True)
    (tmp_path / "etc/credstore.encrypted").mkdir()
    configure(tmp_path)
    return tmp_path


def configure(root: Path, *, target: str = "/srv/back up", state: str = "/var/lib/drorch", more: str = "") -> None:
    (root / "etc/drorch/jobs.toml").write_text(CONFIG.format(target=target, state=state) + more)


def install(root: Path, *arguments: str) -> list[dict[str, Any]]:
    done = drorch("-c", root / "etc/drorch/jobs.toml", "service", "install", "--root", root, "--json", *arguments)
    return [json.loads(line) for line in done.stdout.splitlines()]


def steps(said: list[dict[str, Any]]) -> dict[str, str]:
    return {
        Path(one["path"]).name: one["step"]
        for one in said
        if one["message_type"] == "file" and "50-" not in one["path"]
    }


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Every file below etc with its text and when it was written."""
    files = [path for path in (root / "etc").rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.read_text(), path.stat().st_mtime_ns) for path in files}


def drop_in(root: Path, unit: str) -> list[str]:
    lines = (root / UNITS / f"{unit}.d" / DROP_IN).read_text().splitlines()
    assert lines[3] == "[Service]"
    return lines[4:]


def test_installing_twice_changes_nothing_the_second_time(root: Path) -> None:
    first = install(root)
    assert steps(first) == dict.fromkeys((DAEMON, RESTORE, WATCH, WATCH_TIMER, "drorch.conf"), "write")
    assert DRILL not in steps(first)
    assert first[-1]["commands"] == []
    assert first[-1]["next"] == [f"systemctl --root={root} enable {DAEMON} {WATCH_TIMER}"]
    before = tree(root)
    second = install(root)
    assert set(steps(second).values()) == {"keep"}
    assert tree(root) == before
    assert [path.name for path in (root / "etc").rglob(".*")] == []


def test_systemd_understands_what_is_installed_and_the_daemon_is_no_more_exposed(root: Path) -> None:
    (root / "etc/drorch/credentials/repo-password").write_text("geheim")
    install(root)
    for unit in (DAEMON, RESTORE, WATCH, WATCH_TIMER):
        assert complaints(root / UNITS, unit) == ""
    assert exposure(root / UNITS / DAEMON) <= 3.0


def test_the_units_start_the_drorch_that_was_typed(root: Path) -> None:
    install(root)
    program = Path(sys.executable).with_name("drorch")
    for unit, verb in ((DAEMON, "daemon"), (WATCH, "watch"), (RESTORE, "restore ")):
        [start] = [line for line in (root / UNITS / unit).read_text().splitlines() if line.startswith("ExecStart=")]
        assert start.startswith(f"ExecStart={program} {verb}")
    other = root / "etc/drorch/100% other.toml"
    other.write_text((root / "etc/drorch/jobs.toml").read_text())
    drorch("-c", other, "service", "install", "--root", root)
    text = (root / UNITS / DAEMON).read_text()
    assert f'ExecStart={program} --config "/etc/drorch/100%% other.toml" daemon\n' in text
    assert complaints(root / UNITS, DAEMON) == ""


def test_the_daemon_may_write_to_its_targets_and_is_given_its_credentials(root: Path) -> None:
    (root / "etc/drorch/credentials/repo-password").write_text("geheim")
    (root / "etc/credstore.encrypted/s3-secret").write_text("sealed")
    configure(root, state="/srv/state")
    said = install(root)
    assert [line for line in drop_in(root, DAEMON) if "Paths" in line or "Credential" in line] == [
        "ReadWritePaths=-/srv/state",
        'ReadWritePaths=-"/srv/back up"',
        "LoadCredential=repo-password:/etc/drorch/credentials/repo-password",
        "LoadCredentialEncrypted=s3-secret:/etc/credstore.encrypted/s3-secret",
        "# LoadCredential=catalog:/etc/drorch/credentials/catalog",
        "# LoadCredential=daemon-ping:/etc/drorch/credentials/daemon-ping",
    ]
    assert not any("ReadWritePaths" in line for line in drop_in(root, RESTORE))
    watch = "\n".join(drop_in(root, WATCH))
    assert "back up" not in watch
    assert "repo-password" not in watch
    assert "catalog" in watch
    notes = "\n".join(said[-1]["notes"])
    assert "credential catalog has no file" in notes
    assert "repo-password" not in notes
    assert "$S3_ACCESS_KEY" in notes


DATABASES = """
[jobs.orders]
source = {{ type = "postgresql", all = true, password = {{ credential = "orders" }} }}
targets = ["onsite"]
[jobs.shop]
source = {{ type = "mysql", all = true, password = {{ env = "SHOP_PASSWORD" }} }}
targets = ["onsite"]
[jobs.app]
source = {{ type = "sqlite", path = "{database}" }}
targets = ["onsite"]
"""


def test_the_daemon_is_given_the_passwords_of_databases_and_who_watches_it_is_not(root: Path) -> None:
    configure(root, more=DATABASES.format(database="/var/lib/app/app.db"))
    (root / "etc/drorch/credentials/orders").write_text("geheim")
    said = install(root)
    assert "LoadCredential=orders:/etc/drorch/credentials/orders" in drop_in(root, DAEMON)
    assert not any("orders" in line for line in drop_in(root, WATCH))
    assert "$SHOP_PASSWORD" in "\n".join(said[-1]["notes"])


@pytest.mark.parametrize("owner", [0, 65534])
def test_the_daemon_may_make_what_sqlite_makes_beside_a_database(root: Path, owner: int) -> None:
    folder = root / "app data"
    folder.mkdir()
    (folder / "app.db").touch()
    (root / "link.db").symlink_to("app data/app.db")
    if os.geteuid() != 0:
        if owner == 0:
            pytest.skip("needs root, whose files these are")
    else:
        os.chown(folder / "app.db", owner, -1)
    configure(root, more=DATABASES.format(database=root / "link.db"))
    install(root)
    found = drop_in(root, DAEMON)
    assert f'ReadWritePaths=-"{folder}"' in found
    assert ("CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN" in found) is (owner != 0)
    assert complaints(root / UNITS, DAEMON) == ""
    assert not any("app data" in line for line in (*drop_in(root, RESTORE), *drop_in(root, WATCH)))


def test_what_the_configuration_needs_no_more_goes(root: Path) -> None:
    install(root)
    assert (root / UNITS / f"{RESTORE}.d" / DROP_IN).exists()
    mine = root / UNITS / f"{DAEMON}.d" / "override.conf"
    mine.write_text("[Service]\nNice=5\n")
    plain = '[targets.offsite]\ntype = "s3"\nbucket = "backups"\npassword = { env = "PASSWORD" }\n'
    (root / "etc/drorch/jobs.toml").write_text(plain)
    said = install(root)
    assert not (root / UNITS / f"{RESTORE}.d").exists()
    assert [path.name for path in (root / UNITS / f"{DAEMON}.d").iterdir()] == [mine.name]
    assert said[-1]["next"] == [f"systemctl --root={root} enable {DAEMON} {WATCH_TIMER}"]


def test_a_folder_that_is_somebody_elses_and_snapshots_of_file_systems_need_more(root: Path) -> None:
    if os.geteuid() == 0:
        theirs = root / "theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
        configure(root, target=str(theirs))
        install(root)
        assert "CapabilityBoundingSet=CAP_DAC_OVERRIDE" in drop_in(root, DAEMON)
    more = '[jobs.srv]\nsource = { type = "files", paths = ["/srv"], snapshot = "btrfs" }\ntargets = ["onsite"]\n'
    configure(root, more=more)
    install(root)
    assert "SystemCallFilter=@mount" in drop_in(root, DAEMON)
    assert "SystemCallFilter=@mount" not in drop_in(root, WATCH)
    assert complaints(root / UNITS, DAEMON) == ""


def test_a_dry_run_shows_all_and_writes_nothing(root: Path) -> None:
    before = tree(root)
    done = drorch(
        "-c", root / "etc/drorch/jobs.toml", "service", "install", "--root", root, "--dry-run", "-v"
    ).stdout.decode()
    assert f"would write {root}/etc/systemd/system/{DAEMON}" in done
    assert "    Type=notify" in done
    assert tree(root) == before


def test_uninstalling_leaves_what_is_not_drorchs(root: Path) -> None:
    install(root)
    mine = root / UNITS / f"{DAEMON}.d" / "override.conf"
    mine.write_text("[Service]\nNice=5\n")
    drorch("service", "uninstall", "--root", root)
    assert set(tree(root)) == {"etc/drorch/jobs.toml", str(mine.relative_to(root))}
    assert drorch("service", "uninstall", "--root", root).stdout == b"there is nothing to remove\n"


def test_only_root_changes_the_system(root: Path) -> None:
    # What nobody may read is read before nobody it becomes.
    code = (
        "import os, sys, drorch.cli.commands.service; from drorch.cli.entry import main\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "service", "uninstall", "--dry-run"],
        capture_output=True,
        env=environment(),
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert fault_line(done) == "drorch: only root may change the services of this system. Type: sudo drorch service ..."
    assert fault_line(drorch("service", "uninstall", "--root", root / "gone", status=64)).startswith("drorch: ")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/srv/backup", "/srv/backup"),
        ("/srv/100%", "/srv/100%%"),
        ("/srv/a b", '"/srv/a b"'),
        ('/srv/"quoted"', r'"/srv/\"quoted\""'),
        ("/srv/back\\slash", r'"/srv/back\\slash"'),
    ],
)
def test_any_path_is_one_word_of_a_unit(path: str, word: str) -> None:
    assert quoted(Path(path)) == word
