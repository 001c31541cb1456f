"""A real daemon and a real monitor: what is told outside of runs, well or failed, and what is told to nobody."""

from pathlib import Path
from uuid import UUID

from tests.cli.daemons import command_job, daemon, install
from tests.servers.monitor import MonitorServer

CAPABILITY = "c4nary-5bd0-capability"
LEAKED = "c4nary-Zx81-leaked"


def test_a_monitor_hears_of_runs_and_of_the_daemon_and_nobody_learns_its_url(tmp_path: Path) -> None:
    with MonitorServer() as monitor:

        def ping(name: str) -> str:
            return f'schedule = "@daily"\nping = "{monitor.url}/{CAPABILITY}-{name}"'

        jobs = command_job("dump", "date", more=ping("dump"))
        jobs += command_job("broken", "sh", "-c", f"echo password={LEAKED} >&2; exit 3", more=ping("broken"))
        jobs += f'\n[daemon]\nping = "{monitor.url}/{CAPABILITY}-own"\n'
        config = install(tmp_path, jobs)
        with daemon(config) as running:
            running.wait(lambda: running.ended("dump") and running.ended("broken"))
            running.wait(lambda: len(monitor.heard) >= 5)
            assert running.end() == 0
            log, ended = running.text, {one["subject"]: one["run"] for one in running.ended()}
    heard = {name: [one for one in monitor.heard if f"-{name}" in one.path] for name in ("dump", "broken", "own")}
    assert [one.signal for one in heard["dump"]] == ["start", f"{CAPABILITY}-dump"]
    assert {UUID(one.query.removeprefix("rid=")).hex for one in heard["dump"]} == {ended["dump"]}
    assert [one.signal for one in heard["broken"]] == ["start", "fail"]
    assert heard["broken"][1].body.startswith("job broken: failed")
    assert LEAKED not in heard["broken"][1].body
    assert [one.signal for one in heard["own"]] == [f"{CAPABILITY}-own"]
    files = {file for file in (tmp_path / "state").rglob("*") if file.is_file()}
    # What workers go by says all that jobs.toml says, and is read by nobody else.
    in_force = tmp_path / "state" / "configuration-in-force.toml"
    assert in_force.stat().st_mode & 0o077 == 0
    kept = [log.encode(), *(file.read_bytes() for file in files - {in_force})]
    assert not any(CAPABILITY.encode() in one for one in kept)


def test_a_monitor_that_says_nothing_holds_up_neither_runs_nor_the_end(tmp_path: Path) -> None:
    with MonitorServer() as monitor:
        monitor.behaviour = "hang"
        more = f'schedule = "@daily"\nping = "{monitor.url}/{CAPABILITY}"'
        with daemon(install(tmp_path, command_job("dump", "date", more=more))) as running:
            running.wait(lambda: running.ended("dump"))
            assert monitor.wait_for(1)
            assert running.end(seconds=20) == 0
