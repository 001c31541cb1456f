"""The daemon's core with a real catalog and real processes: what waits, what follows, and what is told of it."""

import json
import os
import select
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.catalog.launches import Launches
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.errors import ConfigError, IntegrityError
from drorch.model.event import Event
from drorch.model.finding import FindingKind
from drorch.model.launch import Launch, LaunchState, Pause, WorkKind
from drorch.model.run import RunOutcome
from drorch.orchestrator.control.contract import Identity
from drorch.orchestrator.daemon.core import STOPPED, Core
from drorch.orchestrator.daemon.house import House
from drorch.orchestrator.daemon.register import Register
from drorch.orchestrator.daemon.roster import Entry, Roster
from drorch.orchestrator.daemon.service import serve
from drorch.orchestrator.notify import Announcer, Asked
from drorch.orchestrator.supervision.ward import Charge, Ward
from tests.doubles import FakeClock
from tests.orchestrator.daemon.making import NOON, check, entry, job, launch, minutes, roster
from tests.orchestrator.supervision.watching import CLOCK, SECONDS, an_order

SLEEPER, QUICK, BROKEN = "exec sleep 1000", "exit 0", "exit 1"
HOUR = timedelta(hours=1)


@dataclass
class Building:
    """A core in a house of its own: what its processes are (a script for each job), what it tells, what is loaded."""

    folder: Path
    catalog: Catalog
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    scripts: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    ended: list[Launch] = field(default_factory=list)
    coming: Roster | ConfigError = field(default_factory=roster)
    is_open: bool = True

    def core(self, *entries: Entry, overall: int = 2) -> Core:
        """As a daemon that was just started with this roster."""
        made = Core(self.house(), roster(*entries, overall=overall), self.clock)
        made.followers.append(self)
        return made

    def house(self) -> House:
        return House(
            host="web1",
            state_dir=self.folder,
            socket=self.folder / "control.sock",
            spool=CatalogPlace(self.folder).spool,
            identity=lambda: Identity("1", self.folder, self.folder, "digest"),
            load=self._load,
            open=lambda: self.catalog if self.is_open else None,
            start=self._start,
            patrol=lambda: None,
            working=lambda _: None,
            observer=self,
            note=lambda _level, _words: None,
            announcer=Announcer(Asked(), self.clock),
        )

    def _load(self) -> Roster:
        if isinstance(self.coming, ConfigError):
            raise self.coming
        return self.coming

    def _start(self, launch: Launch, _entry: Entry, done: int) -> Ward:
        self.parts.append(done)
        command = ("sh", "-c", self.scripts.get(launch.work.name, QUICK))
        return Ward(
            Charge(an_order(launch=launch.id), self.folder, grace=timedelta(seconds=0.2), command=command), CLOCK
        )

    def observe(self, event: Event) -> None:
        self.events.append(event)

    def tell(self, launch: str, message: object) -> None:
        json.dumps([launch, message])

    def tell_end(self, launch: Launch) -> None:
        self.ended.append(launch)

    def launches(self) -> list[Launch]:
        """What is written down, the last asked for first."""
        return self.catalog.launches.recent()

    def states(self) -> list[tuple[str, str]]:
        return sorted((one.work.line, one.state.value) for one in self.launches())


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Building]:
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as catalog:
        yield Building(tmp_path / "state", catalog)


def until_idle(core: Core) -> None:
    """Turn until nothing runs and nothing that may start waits."""
    end = CLOCK.monotonic() + SECONDS
    core.look()
    while core.runs.running:
        assert CLOCK.monotonic() < end, core.runs.running
        select.select([fd for one in core.runs.running.values() for fd in one.ward.descriptors], [], [], 0.05)
        core.attend()
        core.look()


def by_hand(core: Core, *targets: str, name: str = "homes") -> Launch:
    asked = replace(launch(job(name, *targets), None), asked=core.clock.now(), begins=core.clock.now())
    assert core.register.claim(asked)
    return core.enter(asked)


def test_whoever_asks_gets_a_job_whose_schedule_rests(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"))
    core.register.pause(Pause("homes", NOON, "root"))
    core.look_at_pauses()
    core.look()
    assert [one.launch.due for one in core.runs.waiting.values()] == [NOON]
    assert by_hand(core).state is LaunchState.QUEUED
    until_idle(core)
    assert building.states() == [("homes", "ok"), ("homes", "queued")]


def test_whoever_asks_does_not_wait_for_an_attempt_that_is_made_later(building: Building) -> None:
    core = building.core(entry(job("homes")))
    core.enter(launch(job("homes"), NOON - HOUR, begins=NOON + HOUR, attempt=2))
    assert by_hand(core).state is LaunchState.QUEUED


def test_what_only_waits_for_room_is_not_asked_for_twice(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"), overall=0)
    core.look()
    assert by_hand(core).state is LaunchState.SKIPPED


def test_a_pause_that_is_over_holds_nobody_up_until_it_is_looked_for_again(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"))
    core.register.pause(Pause("", NOON, "root", NOON + minutes(5)))
    core.look_at_pauses()
    core.look()
    assert not core.runs.running
    building.clock.advance(301)
    until_idle(core)
    assert building.states() == [("homes", "ok")]


def test_what_waits_and_is_taken_out_of_the_configuration_never_begins(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"), entry(job("mail")), overall=0)
    core.look()
    by_hand(core, name="mail")
    building.coming = roster(entry(job("photos")))
    core.reload()
    until_idle(core)
    assert building.states() == [("homes", "skipped"), ("mail", "skipped")]
    assert {one.reason for one in building.ended} == {f"{name} is not asked for any more" for name in ("homes", "mail")}
    assert not building.catalog.queries.findings()


def test_what_waits_goes_to_the_targets_that_the_job_has_now(building: Building) -> None:
    both = job("homes", "one", "two")
    core = building.core(entry(both, "0 * * * *"), overall=0)
    core.look()
    by_hand_only_two = launch(job("homes", "two"), None)
    core.enter(by_hand_only_two)
    building.coming = roster(entry(job("homes", "one", "three"), "0 * * * *"), overall=2)
    core.reload()
    (waiting,) = core.runs.waiting.values()
    assert waiting.launch.work.targets == ("one", "three")
    assert [one.id for one in building.ended] == [by_hand_only_two.id]


def test_what_waits_and_is_not_scheduled_any_more_never_begins_but_for_hands(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"), entry(job("mail")), overall=0)
    core.look()
    asked = by_hand(core, name="mail")
    building.coming = roster(entry(job("homes")), entry(job("mail")), overall=0)
    core.reload()
    assert list(core.runs.waiting) == [asked.id]


def test_a_launch_that_waited_for_an_earlier_daemon_is_what_is_asked_for_now(building: Building) -> None:
    gone, changed = launch(job("gone")), launch(job("homes", "old"))
    for one in (gone, changed):
        building.catalog.launches.claim(one)
    core = building.core(entry(job("homes", "new"), "0 0 * * *"))
    core.recover()
    assert [one.launch.work.targets for one in core.runs.waiting.values()] == [("new",)]
    assert [one.id for one in building.ended] == [gone.id]


def test_what_follows_a_job_that_ended_while_the_daemon_stopped_is_taken_up_by_the_next(building: Building) -> None:
    building.scripts["homes"] = "sleep 0.3"
    pair = (entry(job("homes")), entry(job("mail"), after="homes"))
    core = building.core(*pair)
    by_hand(core)
    core.look()
    (running,) = core.runs.running.values()
    core.stopping = True  # and it ends well before it is asked to
    while core.runs.running:
        select.select(running.ward.descriptors, [], [], 0.1)
        core.attend()
    assert building.states() == [("homes", "ok"), ("mail", "queued")]
    again = building.core(*pair)
    again.recover()
    until_idle(again)
    assert building.states() == [("homes", "ok"), ("mail", "ok")]


def test_what_follows_a_job_is_made_up_for_once_where_a_crash_came_between(building: Building) -> None:
    ended = launch(job("homes"), None, state=LaunchState.OK, started=NOON - HOUR, ended=NOON - minutes(1))
    building.catalog.launches.update(ended)
    pair = (entry(job("homes")), entry(job("mail"), after="homes"))
    for _ in range(2):
        core = building.core(*pair)
        core.recover()
        until_idle(core)
    (followed,) = [one for one in building.launches() if one.work.name == "mail"]
    assert (followed.due, followed.state) == (ended.ended, LaunchState.OK)


def test_what_ended_before_it_was_asked_for_is_followed_by_nothing(building: Building) -> None:
    before = NOON - timedelta(days=2)
    building.catalog.launches.update(launch(job("homes"), None, state=LaunchState.OK, started=before, ended=before))
    core = building.core(entry(job("homes")), entry(job("mail"), after="homes"))
    core.recover()
    assert not core.runs.waiting


def test_who_waits_for_a_launch_hears_that_the_daemon_ends(building: Building) -> None:
    core = building.core(entry(job("homes")), entry(job("mail"), "0 * * * *"), overall=0)
    core.look()
    asked = by_hand(core)
    core.stop(STOPPED)
    assert [(one.id, one.reason) for one in building.ended] == [(asked.id, STOPPED)]
    assert building.states() == [("homes", "skipped"), ("mail", "queued")]


def test_a_catalog_that_fails_later_has_nothing_launched_twice(building: Building) -> None:
    building.coming = roster(entry(job("homes"), "0 * * * *"))
    core = building.core(entry(job("homes"), "0 * * * *"))
    until_idle(core)
    building.is_open = False
    core.reload()
    until_idle(core)
    building.is_open = True
    core.register.catch_up()
    assert [one.due for one in building.launches()] == [NOON]


def test_what_a_failing_catalog_leaves_in_memory_is_bounded(building: Building) -> None:
    opened: list[Launches] = []
    register = Register(lambda: opened[0] if opened else None, lambda _: None, most=120)
    claimed = [launch(job("homes"), NOON + minutes(number)) for number in range(130)]
    assert all(register.claim(one) for one in claimed)
    opened.append(building.catalog.launches)
    register.catch_up()
    written = {one.id for one in building.launches()}
    assert written == {one.id for one in claimed[-100:]}, "the newest first, and not all at once"
    register.catch_up()
    assert {one.id for one in building.catalog.launches.recent(1000)} == {one.id for one in claimed[10:]}


def test_a_clock_that_ran_ahead_and_was_put_right_keeps_nobody_waiting(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"))
    later = NOON + timedelta(days=365)
    core.enter(launch(job("homes"), later, asked=later, begins=later + minutes(5)))
    core.look()
    assert core.runs.next_start(NOON) == NOON + minutes(5)
    building.clock.advance(301)
    until_idle(core)
    assert ("homes", "ok") in building.states()


def test_a_check_goes_on_to_the_next_part_where_it_found_damage(building: Building) -> None:
    work = check("one")
    building.scripts["one"] = f"exit {IntegrityError.exit_code}"
    core = building.core(replace(entry(work, "0 * * * *"), parts=3))
    for _ in range(3):
        until_idle(core)
        building.clock.advance(3600)
    assert building.parts == [0, 1, 2]


def test_a_check_that_did_not_come_to_its_end_reads_the_same_part_again(building: Building) -> None:
    building.scripts["one"] = BROKEN
    core = building.core(replace(entry(check("one"), "0 * * * *"), parts=3))
    for _ in range(2):
        until_idle(core)
        building.clock.advance(3600)
    assert building.parts == [0, 0]


def test_a_catalog_whose_tables_are_gone_ends_nothing(building: Building) -> None:
    with closing(sqlite3.connect(building.folder / "catalog.sqlite")) as database, database:
        database.execute("drop table launch")
        database.execute("drop table finding")
        database.execute("drop table run")
    building.scripts["homes"] = BROKEN
    pair = (entry(job("homes"), "0 * * * *"), entry(job("mail"), after="homes"))
    core = building.core(*pair)
    core.recover()
    until_idle(core)
    assert [one.state for one in building.ended] == [LaunchState.FAILED]
    building.scripts["homes"] = QUICK
    building.clock.advance(3600)
    until_idle(core)
    assert [(one.work.name, one.state.value) for one in building.ended[1:]] == [("homes", "ok"), ("mail", "ok")]


def test_what_was_running_is_settled_once_and_tried_again_once(building: Building) -> None:
    cut = launch(job("homes"), NOON, state=LaunchState.RUNNING, started=NOON)
    building.catalog.launches.claim(cut)
    core = building.core(entry(job("homes"), "0 * * * *"))
    core.recover()
    assert building.states() == [("homes", "failed"), ("homes", "queued")]
    again = building.core(entry(job("homes"), "0 * * * *"))
    again.recover()
    until_idle(again)
    assert building.states() == [("homes", "failed"), ("homes", "ok")]


def test_a_job_whose_schedules_are_due_at_once_runs_for_each(building: Building) -> None:
    lines = (
        entry(job("homes", "one"), "0 * * * *"),
        entry(job("homes", "two", line="homes@two"), "0 * * * *"),
    )
    core = building.core(*lines)
    core.look()
    assert len(core.runs.running) == 1
    until_idle(core)
    assert building.states() == [("homes", "ok"), ("homes@two", "ok")]


def test_a_pause_of_a_job_lets_the_check_of_a_target_of_its_name_go_on(building: Building) -> None:
    core = building.core(entry(check("homes"), "0 * * * *"), entry(job("homes"), "0 * * * *"))
    core.register.pause(Pause("homes", NOON, "root"))
    core.look_at_pauses()
    until_idle(core)
    assert [one.work.kind for one in building.ended] == [WorkKind.CHECK]


def test_a_broken_configuration_changes_nothing_that_waits(building: Building) -> None:
    core = building.core(entry(job("homes"), "0 * * * *"), overall=0)
    core.look()
    building.coming = ConfigError("jobs.toml has a fault")
    with pytest.raises(ConfigError):
        core.reload()
    assert len(core.runs.waiting) == 1
    assert core.refused == "jobs.toml has a fault"


def test_who_is_told_to_stop_while_it_recovers_begins_nothing(building: Building) -> None:
    def open_and_be_told() -> Catalog:
        os.kill(os.getpid(), signal.SIGTERM)
        return building.catalog

    house = replace(building.house(), open=open_and_be_told)
    serve(house, roster(entry(job("homes"), "0 * * * *")), building.clock)
    assert building.events == []
    assert not (building.folder / "control.sock").exists()


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_the_end_of_the_daemon_stops_is_taken_up_again_and_what_was_cancelled_is_not(
    building: Building, cancelled: bool
) -> None:
    building.scripts["homes"] = SLEEPER
    core = building.core(entry(job("homes"), "0 * * * *"))
    core.look()
    (running,) = core.runs.running.values()
    if cancelled:
        core.cancel(running.launch, "root cancelled it")
    core.stop(STOPPED)
    until_idle(core)
    expected = [("homes", "cancelled")] if cancelled else [("homes", "failed"), ("homes", "queued")]
    assert building.states() == expected
    outcomes = {one.outcome for one in building.catalog.queries.runs()}
    findings = [one.kind for one in building.catalog.queries.findings()]
    assert (outcomes, findings) == (
        ({RunOutcome.CANCELLED}, []) if cancelled else ({RunOutcome.FAILED}, [FindingKind.RUN_FAILED])
    )
