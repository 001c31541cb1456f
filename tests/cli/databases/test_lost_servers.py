"""A server that cannot be reached, does not let one in, ends or falls silent in the middle of a dump: real ones."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from tests.cli.databases.running import Place, Ran, processes_of
from tests.cli.databases.served import SERVERS, Served
from tests.servers.fault_proxy import FaultProxy
from tests.servers.ports import free_ports

_UNAVAILABLE, _FAILED = 30, 31
_SLOW = 40_000
_QUIET = 'quiet = "3s"'


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with SERVERS[request.param]() as server:
        yield server


def failed(place: Place, served: Served, ran: Ran, status: int) -> str:
    """The line of a run that must have failed so."""
    assert ran.status == status, ran
    assert place.snapshots() == []
    assert ran.line.startswith("run: orders@one: ")
    assert served.password.encode() not in ran.stdout + ran.stderr
    place.assert_tidy(served.password)
    return ran.line


@contextmanager
def in_the_middle(place: Place, served: Served, deed: Callable[[], object]) -> Iterator[None]:
    """Do something once the tool has been at work for a while."""
    done: list[object] = []

    def watch() -> None:
        clock = SystemClock()
        end = clock.monotonic() + 60
        while clock.monotonic() < end:
            if any(served.tool.name.encode() in line for line in processes_of(place.temporary)):
                clock.sleep(1.0)
                assert any(served.tool.name.encode() in line for line in processes_of(place.temporary)), "too late"
                done.append(deed())
                return
            clock.sleep(0.02)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        watching.join()
    assert done, "the tool was not seen at work"


@pytest.mark.parametrize("ending", [None, signal.SIGKILL])
@pytest.mark.parametrize("served", ["postgresql", "mariadb"], indirect=True)
def test_a_server_that_ends_in_the_middle_of_a_dump(
    tmp_path: Path, served: Served, ending: signal.Signals | None
) -> None:
    """Redis hands its whole dump to the kernel, which sends it on without the server."""
    with FaultProxy("127.0.0.1", served.port) as line:
        line.faults.rate = _SLOW
        place = Place(tmp_path, served.source(tmp_path, port=line.port))
        with in_the_middle(place, served, lambda: os.kill(served.pid, ending or served.ending)):
            ran = place.run()
    failed(place, served, ran, _FAILED)


def test_a_line_that_is_cut_or_falls_silent_in_the_middle_of_a_dump(tmp_path: Path, served: Served) -> None:
    def fall_silent(line: FaultProxy) -> None:
        line.faults.blackhole = True

    deeds: tuple[Callable[[FaultProxy], object], ...] = (FaultProxy.reset_all, fall_silent)
    for number, deed in enumerate(deeds):
        folder = tmp_path / str(number)
        folder.mkdir()
        with FaultProxy("127.0.0.1", served.port) as line:
            line.faults.rate = _SLOW
            place = Place(folder, served.source(folder, port=line.port, more=_QUIET))
            with in_the_middle(place, served, lambda deed=deed, line=line: (deed(line),)):  # type: ignore[misc]
                ran = place.run()
            failed(place, served, ran, _FAILED)


def test_a_server_that_cannot_be_reached_or_lets_nobody_in(tmp_path: Path, served: Served) -> None:
    with FaultProxy("127.0.0.1", served.port) as line:
        line.faults.refuse = True
        cases = {
            "closed": served.source(tmp_path, port=free_ports(1)[0]),
            "resets": served.source(tmp_path, port=line.port),
        }
        for name, source in cases.items():
            (tmp_path / name).mkdir()
            place = Place(tmp_path / name, source)
            assert "127.0.0.1" in failed(place, served, place.run(), _UNAVAILABLE), name
    wrong = replace(served, password="wrong-5b1f9c")  # noqa: S106
    (tmp_path / "wrong").mkdir()
    place = Place(tmp_path / "wrong", wrong.source(tmp_path))
    ran = place.run()
    # Trying again brings no other password; but whether a server means that, not all of them tell.
    assert ran.status in (_UNAVAILABLE, _FAILED)
    assert "127.0.0.1" in failed(place, wrong, ran, ran.status)
