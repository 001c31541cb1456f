"""Monitors are told what happens, in order; and one that fails, hangs or dawdles is in nobody's way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from drorch.clock import SystemClock
from drorch.model.event import Event, EventKind, launch_ended, launch_started
from drorch.model.launch import Launch, LaunchState, Work, WorkKind
from drorch.model.names import target_name
from drorch.model.run import Trigger
from drorch.reporting.monitor import monitor
from drorch.reporting.pings import LONGEST_BODY, Monitors, Pinger, Sayings
from drorch.secrets import remember
from tests.doubles import FakeClock
from tests.servers.monitor import MonitorServer
from tests.servers.ports import free_ports

AT = datetime(2026, 3, 10, 1, 30, tzinfo=UTC)
CANARY = "c4nary-5bd0-capability"
OTHER_CANARY = "c4nary-Zx81-known"
LAUNCH = Launch(
    id="0123456789abcdef0123456789abcdef",
    work=Work(WorkKind.JOB, "homes", "homes", (target_name("onsite"),)),
    trigger=Trigger.SCHEDULE,
    asked=AT,
    begins=AT,
    due=AT,
    state=LaunchState.RUNNING,
    started=AT,
)
RID = "rid=01234567-89ab-cdef-0123-456789abcdef"


@dataclass
class Ear:
    """An observer that remembers."""

    events: list[Event] = field(default_factory=list)

    def observe(self, event: Event) -> None:
        self.events.append(event)

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.events]


@pytest.fixture
def server() -> Iterator[MonitorServer]:
    with MonitorServer() as running:
        yield running


def monitors(server: MonitorServer, query: str = "") -> Monitors:
    return Monitors(
        jobs={"homes": monitor("job homes", f"{server.url}/{CANARY}{query}")},
        own=monitor("the daemon", f"{server.url}/{CANARY}-own/"),
    )


def ended(state: LaunchState, reason: str = "") -> Event:
    return launch_ended(replace(LAUNCH, state=state, reason=reason, ended=AT), AT)


def within(seconds: float, action: Callable[[], object]) -> None:
    clock = SystemClock()
    began = clock.monotonic()
    action()
    assert clock.monotonic() - began < seconds


def test_a_run_is_told_from_its_start_to_its_success(server: MonitorServer) -> None:
    ear = Ear()
    with Pinger(monitors(server), ear, SystemClock()) as pinger:
        pinger.observe(launch_started(LAUNCH))
        pinger.observe(ended(LaunchState.OK))
    start, success = server.heard
    assert (start.method, start.path) == ("POST", f"/{CANARY}/start?{RID}")
    assert (success.method, success.path, success.body) == ("POST", f"/{CANARY}?{RID}", "")
    assert UUID(RID.removeprefix("rid=")).hex == LAUNCH.id
    assert ear.events == []


@pytest.mark.parametrize("state", [LaunchState.FAILED, LaunchState.INCOMPLETE])
def test_a_failure_is_told_with_the_redacted_end_of_its_log(server: MonitorServer, state: LaunchState) -> None:
    log = (
        "an old line\n" * 5000
        + f"the server said password={CANARY}, {OTHER_CANARY} and {server.url}/{CANARY}\nthe very end"
    )
    remember(OTHER_CANARY)
    sayings = Sayings(log_of={LAUNCH.id: log}.__getitem__)
    with Pinger(monitors(server), Ear(), SystemClock(), sayings) as pinger:
        pinger.observe(ended(state, f"the source {OTHER_CANARY} is empty"))
    (failure,) = server.heard
    assert failure.path == f"/{CANARY}/fail?{RID}"
    assert failure.body.startswith(f"job homes: {state}: the source *** is empty\n")
    assert failure.body.endswith("the server said password=***, *** and ***\nthe very end")
    assert len(failure.body.encode()) == LONGEST_BODY
    assert CANARY not in failure.body
    assert OTHER_CANARY not in failure.body


def test_what_the_url_asks_for_stays_in_it(server: MonitorServer) -> None:
    with Pinger(monitors(server, "?create=1"), Ear(), SystemClock()) as pinger:
        pinger.observe(launch_started(LAUNCH))
    assert server.heard[0].path == f"/{CANARY}/start?create=1&{RID}"


def test_nothing_is_told_of_what_never_began_or_is_tried_again_or_has_no_monitor(server: MonitorServer) -> None:
    check = replace(LAUNCH, work=replace(LAUNCH.work, kind=WorkKind.CHECK))
    other = replace(LAUNCH, work=replace(LAUNCH.work, name="etc"))
    with Pinger(monitors(server), Ear(), SystemClock()) as pinger:
        pinger.observe(ended(LaunchState.SKIPPED, "it runs already"))
        pinger.observe(ended(LaunchState.CANCELLED, "it was stopped: ann cancelled it"))
        pinger.observe(launch_ended(replace(LAUNCH, state=LaunchState.FAILED), AT, retry=AT + timedelta(minutes=5)))
        pinger.observe(launch_started(check))
        pinger.observe(launch_started(other))
    assert server.heard == []


def test_a_job_that_is_overdue_has_failed_for_its_monitor(server: MonitorServer) -> None:
    with Pinger(monitors(server), Ear(), SystemClock()) as pinger:
        pinger.observe(Event(EventKind.OVERDUE, AT, "homes@onsite", "homes@onsite: it was due", None, {"job": "homes"}))
    (failure,) = server.heard
    assert (failure.path, failure.body) == (f"/{CANARY}/fail", "homes@onsite: it was due")


def test_the_daemon_tells_that_it_lives_every_so_often_and_its_trouble_at_once(server: MonitorServer) -> None:
    clock = FakeClock()
    pinger = Pinger(monitors(server), Ear(), clock)
    told = 0
    for seconds, trouble, tells in [
        (0, [], True),
        (240, [], False),
        (60, [], True),
        (30, ["homes@onsite: it was due"], True),
        (30, ["homes@onsite: it was due"], False),
        (240, ["homes@onsite: it was due", "etc@onsite: no snapshot is known"], True),
        (1, [], True),
    ]:
        clock.advance(seconds)
        pinger.beat(trouble)
        told += tells
        server.wait_for(told)
    pinger.close()
    heard = server.heard
    assert [one.path.removeprefix(f"/{CANARY}-own") for one in heard] == ["", "", "/fail", "/fail", ""]
    assert heard[3].body == "homes@onsite: it was due\netc@onsite: no snapshot is known"


def test_new_monitors_are_told_from_then_on(server: MonitorServer) -> None:
    pinger = Pinger(Monitors(), Ear(), FakeClock())
    pinger.observe(launch_started(LAUNCH))
    pinger.beat([])
    pinger.use(monitors(server))
    pinger.beat([])
    pinger.close()
    assert [one.path for one in server.heard] == [f"/{CANARY}-own"]


@pytest.mark.parametrize(
    ("behaviour", "tries", "reason"),
    [
        ("500", 3, "it answers 500"),
        ("404", 1, "it answers 404"),
        ("reset", 3, "the connection broke off"),
    ],
)
def test_a_monitor_that_fails_is_told_of_once_until_it_works_again(
    server: MonitorServer, behaviour: str, tries: int, reason: str
) -> None:
    ear = Ear()
    server.behaviour = behaviour  # type: ignore[assignment]
    pinger = Pinger(monitors(server), ear, FakeClock())
    pinger.observe(launch_started(LAUNCH))
    server.wait_for(tries)
    pinger.observe(ended(LaunchState.OK))
    pinger.observe(launch_started(LAUNCH))
    server.wait_for(tries + 2)
    pinger.close()
    assert len(server.heard) == tries + 2
    assert ear.messages == [f"the monitor of job homes at 127.0.0.1 cannot be told: {reason}"]
    server.behaviour = "ok"
    again = Pinger(monitors(server), ear, FakeClock())
    again.observe(launch_started(LAUNCH))
    again.close()
    assert len(ear.events) == 1


def test_a_monitor_that_works_again_is_told_of(server: MonitorServer) -> None:
    ear = Ear()
    server.behaviour = "404"
    with Pinger(monitors(server), ear, FakeClock()) as pinger:
        pinger.observe(launch_started(LAUNCH))
        pinger.observe(ended(LaunchState.OK))
        server.wait_for(2)
        server.behaviour = "ok"
        pinger.observe(launch_started(LAUNCH))
    assert [event.kind for event in ear.events][-1] is EventKind.PING_WORKS
    assert "can be told again; it missed" in ear.messages[-1]


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_monitor_that_says_nothing_delays_neither_runs_nor_the_end(server: MonitorServer, behaviour: str) -> None:
    server.behaviour = behaviour  # type: ignore[assignment]
    pinger = Pinger(monitors(server), Ear(), SystemClock())

    def tell_much() -> None:
        for _ in range(1000):
            pinger.observe(launch_started(LAUNCH))
            pinger.beat([])

    within(3, tell_much)
    server.wait_for(1)
    within(10, lambda: pinger.close(seconds=1))


def test_of_too_many_the_oldest_are_given_up_and_counted(server: MonitorServer) -> None:
    ear = Ear()
    server.behaviour = "hang"
    pinger = Pinger(monitors(server), ear, SystemClock())
    pinger.observe(launch_started(LAUNCH))
    server.wait_for(1)
    for _ in range(300):
        pinger.observe(launch_started(LAUNCH))
    pinger.observe(ended(LaunchState.OK))
    server.behaviour = "ok"
    server.ended.set()
    # The one that hung is tried again, then the newest 256 are told.
    heard = server.wait_for(258)
    pinger.close()
    assert heard[-1].signal == CANARY
    assert "45 pings waited for too long and were given up" in ear.messages


def test_nobody_at_home_is_no_harm() -> None:
    ear = Ear()
    own = monitor("the daemon", f"http://127.0.0.1:{free_ports(1)[0]}/{CANARY}")
    pinger = Pinger(Monitors(own=own), ear, FakeClock())
    pinger.beat([])
    within(10, pinger.close)
    assert ear.messages == ["the monitor of the daemon at 127.0.0.1 cannot be told: it cannot be reached"]


def test_after_the_end_nothing_is_told(server: MonitorServer) -> None:
    pinger = Pinger(monitors(server), Ear(), SystemClock())
    pinger.close()
    pinger.close()
    pinger.observe(launch_started(LAUNCH))
    assert server.heard == []
