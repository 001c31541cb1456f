"""Passwords of databases are used, and are in no argument list, no variables, no output and no state."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from tests.cli.commandline import drorch
from tests.cli.databases.faulty_tool import Fault, calls, stand_in
from tests.cli.databases.running import JOB, Place
from tests.cli.databases.served import SERVERS, Served


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with SERVERS[request.param]() as server:
        yield server


@contextmanager
def watched(secrets: tuple[str, ...]) -> Iterator[tuple[list[str], set[int]]]:
    """Where secrets are seen in arguments and variables of processes that begin meanwhile; all those processes."""
    found: list[str] = []
    seen: set[int] = set()
    before = {int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit()}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and int(process.name) not in before:
                    seen.add(int(process.name))
                    found.extend(_exposed(process, secrets))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found, seen
    finally:
        over.set()
        looking.join()


def _exposed(process: Path, secrets: tuple[str, ...]) -> Iterator[str]:
    for file in ("cmdline", "environ"):
        try:
            content = (process / file).read_bytes()
        except OSError:
            continue
        if any(secret.encode() in content for secret in secrets):
            yield f"{file} of {content[:80]!r}"


def test_a_password_is_used_and_seen_nowhere(tmp_path: Path, served: Served) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in served.tool.parent.iterdir() if served.kind == "postgresql" else (served.tool,):
        (tools / tool.name).symlink_to(tool)
    stand_in(tools, served.tool.name, served.tool, Fault(), marks=served.marks)
    place = Place(tmp_path, served.source(tmp_path, bin_dir=tools))
    with watched((served.password,)) as (found, seen):
        ran = place.run()
        assert ran.status == 0, ran
        shown = [
            drorch("-c", place.file, *command, env={"TMPDIR": str(place.temporary)})
            for command in (("config", "show"), ("doctor", JOB), ("snapshots", "-t", "one", "-v"), ("status", "--json"))
        ]
    assert found == []
    assert len(seen) > 5, "no processes were seen"
    said = [ran.stdout, ran.stderr, *(one.stdout + one.stderr for one in shown)]
    assert not any(served.password.encode() in text for text in said)
    made = list(calls(tools, served.tool.name))
    assert made
    assert served.password not in json.dumps([[call.arguments, call.variables] for call in made])
    place.assert_tidy(served.password)
    facts = drorch("-c", place.file, "dump", "-t", "one", f"latest:{JOB}", "/drorch-facts.json").stdout
    assert served.password.encode() not in facts


def test_a_wrong_password_is_seen_nowhere_either(tmp_path: Path, served: Served) -> None:
    canary = replace(served, password='canary\'s "pass\\word": #5b1f9c')  # noqa: S106
    place = Place(tmp_path, canary.source(tmp_path))
    with watched((canary.password, "5b1f9c")) as (found, _):
        done = drorch(
            "-c", place.file, "run", JOB, "--debug", env={"TMPDIR": str(place.temporary)}, status=place.run().status
        )
    assert found == []
    assert done.returncode != 0
    assert b"5b1f9c" not in done.stdout + done.stderr
    place.assert_tidy("5b1f9c")


def test_the_watch_sees_what_is_there() -> None:
    with watched(("canary-5b1f9c",)) as (found, _):
        clock = SystemClock()
        end = clock.monotonic() + 30
        while not found and clock.monotonic() < end:
            drorch("--version", env={"SOME_SECRET": "canary-5b1f9c"})
    assert found
