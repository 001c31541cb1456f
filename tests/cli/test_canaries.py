"""Secrets by every kind of reference are used, and found nowhere afterwards: not in output, state or command lines."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drorch.repository.keys import ScryptCost
from drorch.repository.repository import initialize
from drorch.storage.local import LocalTarget
from tests.cli.commandline import drorch

CANARIES = {kind: f"canary-{kind}-5b1f9c" for kind in ("file", "env", "command", "credential")}
COMMANDS = (
    ("config", "check"),
    ("config", "show"),
    ("run", "job-file", "job-env", "job-command", "job-credential"),
    ("run", "broken", "--debug"),
    ("check", "-t", "file", "--read-data"),
    ("snapshots", "-t", "env", "-v"),
    ("status", "--json"),
    ("doctor",),
    ("audit", "list"),
    ("findings", "list"),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An installation with a target for each kind of reference."""
    tmp_path.chmod(0o700)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("content")
    for name in ("file", "command", "credentials/credential"):
        kept = tmp_path / "kept" / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(CANARIES[kept.name])
        kept.chmod(0o600)
    references = {
        "file": f'{{ file = "{tmp_path}/kept/file" }}',
        "env": '{ env = "SOME_SECRET" }',
        "command": f'{{ command = ["cat", "{tmp_path}/kept/command"] }}',
        "credential": '{ credential = "credential" }',
    }
    text = f'[drorch]\nstate_dir = "{tmp_path}/state"\n'
    for kind, canary in CANARIES.items():
        initialize(LocalTarget(tmp_path / "repositories" / kind), canary, cost=ScryptCost(2, 1, 1))
        text += f'[targets.{kind}]\ntype = "local"\npath = "{tmp_path}/repositories/{kind}"\n'
        text += f"password = {references[kind]}\n"
        text += f'[jobs.job-{kind}]\nsource = {{ type = "files", paths = ["{tmp_path}/source"] }}\n'
        text += f'targets = ["{kind}"]\n'
    text += f'[jobs.broken]\nsource = {{ type = "files", paths = ["{tmp_path}/gone"] }}\ntargets = ["command"]\n'
    (tmp_path / "jobs.toml").write_text(text)
    return tmp_path


def test_secrets_are_used_and_found_nowhere(place: Path) -> None:
    variables = {"SOME_SECRET": CANARIES["env"], "CREDENTIALS_DIRECTORY": str(place / "kept" / "credentials")}
    expected: dict[tuple[str, ...], int] = {("run", "broken", "--debug"): 32, ("doctor",): 1}
    with _command_lines() as seen:
        for command in COMMANDS:
            done = drorch(
                "-c", place / "jobs.toml", *command, env=variables, password=None, status=expected.get(command, 0)
            )
            assert not _canaries_in(done.stdout + done.stderr), command
    assert any(b"drorch" in line for line in seen), "no command line was seen at all"
    assert not _canaries_in(b"\n".join(seen))
    for folder in ("state", "repositories", "source"):
        for path in (place / folder).rglob("*"):
            assert not (path.is_file() and _canaries_in(path.read_bytes())), path
    assert not _canaries_in((place / "jobs.toml").read_bytes())


def test_the_search_finds_what_is_there(place: Path) -> None:
    assert _canaries_in((place / "kept" / "file").read_bytes())


def _canaries_in(content: bytes) -> list[str]:
    return [canary for canary in CANARIES.values() if canary.encode() in content]


@contextmanager
def _command_lines() -> Iterator[set[bytes]]:
    """The command lines of all processes seen while the block lasts."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in os.scandir("/proc"):
                if process.name.isdigit():
                    try:
                        seen.add(Path(process.path, "cmdline").read_bytes())
                    except OSError:
                        continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
