"""A command that is fed what another printed: real commands, and never a half for a whole."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.errors import IntegrityError, RestoreError
from drorch.secrets import remember
from drorch.sources.databases.contract import Loaded, RestoreWish
from drorch.sources.databases.feeding import FedCommand

QUIET = 60.0


@dataclass(frozen=True)
class OnePart:
    """A part with this content, which may raise while it is read."""

    pieces: Callable[[], Iterator[bytes]]

    def names(self) -> Sequence[str]:
        return ["dump.sql"]

    def size(self, name: str) -> int:
        return len(name)

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        assert name == "dump.sql"
        yield self.pieces()


WHOLE = OnePart(lambda: iter([b"first\n", b"x" * (4 << 20), b"last\n"]))


def fed(script: str, parts: OnePart = WHOLE, *, quiet: float = QUIET) -> Loaded:
    return FedCommand(["/bin/sh", "-c", script], quiet).restore(RestoreWish(), parts, None)


def test_a_command_gets_every_byte_and_is_not_said_to_have_been_compared(tmp_path: Path) -> None:
    loaded = fed(f"cat > {tmp_path}/got")
    assert (tmp_path / "got").read_bytes() == b"first\n" + b"x" * (4 << 20) + b"last\n"
    assert loaded.databases == ("dump.sql",)
    assert not loaded.compared
    assert loaded.notes


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("cat > /dev/null; echo the disk is full >&2; exit 3", "exited with status 3; it said: the disk is full"),
        ("echo no such database; exit 2", "it said: no such database"),
        ("cat > /dev/null; kill -9 $$", "was killed by SIGKILL"),
        ("exit 0", "stopped reading and exited with status 0"),
    ],
)
def test_a_command_that_fails_has_restored_nothing(script: str, said: str) -> None:
    with pytest.raises(RestoreError) as caught:
        fed(script)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert "may have loaded a part" in str(caught.value.hint)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(RestoreError, match="/nowhere/psql"):
        FedCommand(["/nowhere/psql"], QUIET).restore(RestoreWish(), WHOLE, None)


def test_a_command_that_takes_nothing_is_given_up() -> None:
    begun = time.monotonic()
    with pytest.raises(RestoreError, match="took nothing for 1 s and was killed"):
        fed("sleep 300", quiet=1.0)
    assert time.monotonic() - begun < QUIET


def test_a_part_that_cannot_be_read_is_not_ended_as_if_it_were_whole(tmp_path: Path) -> None:
    def damaged() -> Iterator[bytes]:
        yield b"first\n"
        raise IntegrityError("a blob is damaged")

    with pytest.raises(IntegrityError):
        fed(f"cat > {tmp_path}/got; touch {tmp_path}/whole", OnePart(damaged))
    assert not (tmp_path / "whole").exists()


def test_secrets_and_floods_are_not_in_what_is_told() -> None:
    remember("hunter2-and-more")
    with pytest.raises(RestoreError) as caught:
        fed("echo password hunter2-and-more >&2; exit 1", OnePart(lambda: iter([])))
    assert "hunter2" not in caught.value.message
    with pytest.raises(RestoreError) as caught:
        fed("head -c 100000 /dev/zero | tr '\\0' y >&2; exit 1", OnePart(lambda: iter([])))
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    "wish", [RestoreWish(into="x"), RestoreWish(only="x"), RestoreWish(tables=("x",)), RestoreWish(globals_too=True)]
)
def test_what_a_command_cannot_be_told_is_refused_before(wish: RestoreWish) -> None:
    [objection] = FedCommand(["psql"], QUIET).restore_preflight(wish, WHOLE, None)
    assert objection.fatal
    assert FedCommand(["psql"], QUIET).restore_preflight(RestoreWish(overwrite=True), WHOLE, None) == []
