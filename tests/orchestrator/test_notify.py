"""What a service manager hears: the words of sd_notify(3), at a real socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.orchestrator.notify import Announcer, Asked
from tests.doubles import FakeClock


@contextmanager
def listening_at(address: str) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(b"\0" + address[1:].encode() if address.startswith("@") else address)
        listening.setblocking(False)
        yield listening


def heard(listening: socket.socket) -> list[str]:
    """All messages that came so far."""
    found = []
    while True:
        try:
            found.append(listening.recv(65536).decode())
        except BlockingIOError:
            return found


@pytest.mark.parametrize("abstract", [False, True])
def test_a_daemon_from_its_start_to_its_end(tmp_path: Path, *, abstract: bool) -> None:
    address = f"@drorch-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": address, "OTHER": "stays"}
    with listening_at(address) as listening:
        announcer = Announcer(Asked.taken_from(environment), SystemClock())
        announcer.ready("no run is due")
        announcer.status("2 runs\nwork")
        announcer.status("2 runs\nwork")
        announcer.reloading()
        announcer.ready()
        announcer.stopping("2 runs are ended")
        announcer.needs(timedelta(seconds=45))
        told = heard(listening)
    assert environment == {"OTHER": "stays"}
    reloading = told.pop(2).split("\n")
    assert told == [
        "READY=1\nSTATUS=no run is due",
        "STATUS=2 runs work",
        "READY=1",
        "STOPPING=1\nSTATUS=2 runs are ended",
        "EXTEND_TIMEOUT_USEC=45000000",
    ]
    assert reloading[0] == "RELOADING=1"
    now = SystemClock().monotonic() * 1_000_000
    assert now - 60_000_000 < int(reloading[1].removeprefix("MONOTONIC_USEC=")) <= now


def test_the_watchdog_is_fed_by_turns_and_not_by_each(tmp_path: Path) -> None:
    place, clock = str(tmp_path / "notify"), FakeClock()
    environment = {"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}
    with listening_at(place) as listening:
        announcer = Announcer(Asked.taken_from(environment), clock)
        assert announcer.longest_wait == 60.0
        for _ in range(120):
            announcer.turned()
            clock.sleep(1)
        told = heard(listening)
        clock.sleep(3600)
        assert heard(listening) == []
    assert set(told) == {"WATCHDOG=1"}
    assert len(told) == 4
    assert environment == {}


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "-1"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/x"},
    ],
)
def test_a_watchdog_that_is_not_meant_is_not_fed(environment: dict[str, str]) -> None:
    asked = Asked.taken_from(environment)
    assert asked == Asked("/x", None)
    assert Announcer(asked, SystemClock()).longest_wait is None


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1234", "relative", "/nobody/listens/here", "/" + "x" * 200])
def test_nobody_who_is_not_there_stops_the_daemon(address: str) -> None:
    announcer = Announcer(Asked.taken_from({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}), SystemClock())
    announcer.ready("up")
    announcer.turned()
    announcer.reloading()
    announcer.stopping()


def test_who_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    place = str(tmp_path / "notify")
    with listening_at(place) as listening:
        announcer = Announcer(Asked(place), SystemClock())
        for number in range(2000):
            announcer.status(f"turn {number}")
        assert 0 < len(heard(listening)) < 2000
