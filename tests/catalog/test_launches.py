"""Launches and pauses: what was due is claimed once by however many, and what is written down reads back as it was."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from drorch.catalog.columns import Unreadable
from drorch.catalog.engine import sqlite_engine, writing
from drorch.catalog.launches import Launches
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.schema import CATALOG
from drorch.errors import CatalogError
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.names import TargetName
from drorch.model.run import Trigger
from drorch.process.identity import ProcessIdentity, own_identity
from tests.catalog.making import DUE_TIMES, hours, launch, over

_ROOT = Path(__file__).parents[2]


def test_a_launch_reads_back_as_it_was(either: Catalog) -> None:
    work = Work(WorkKind.JOB, "homes", "homes@vault", (TargetName("vault"), TargetName("onsite")))
    asked = Launch("f" * 32, work, Trigger.HAND, hours(1), hours(1), user="anna")
    assert either.launches.claim(asked)
    assert either.launches.unfinished() == [asked]
    running = replace(asked, state=LaunchState.RUNNING, started=hours(1.5), process=own_identity())
    either.launches.update(running)
    assert either.launches.unfinished() == [running]
    huge = ProcessIdentity("machine", "boot", "pid:[4026531836]", 2**22, 2**62)
    ended = replace(
        running,
        state=LaunchState.FAILED,
        ended=hours(2),
        exit_code=-9,
        reason="/home/\udcff\x00: it was killed",
        process=huge,
    )
    either.launches.update(ended)
    assert either.launches.unfinished() == []
    assert either.launches.find("ffff") == ended


def test_what_is_due_is_claimed_once_for_each_attempt(either: Catalog) -> None:
    first = launch(1, due=1)
    assert either.launches.claim(first)
    assert not either.launches.claim(launch(2, due=1))
    assert either.launches.claim(replace(launch(3, due=1), attempt=2))
    assert either.launches.claim(launch(4, due=2))
    assert either.launches.claim(launch(5, due=1, line="homes@vault"))
    assert either.launches.claim(launch(6, due=1, kind=WorkKind.CHECK))
    assert either.launches.find(first.id) == first, "whoever came second changed nothing"
    assert len(either.launches.unfinished()) == 5


def test_what_somebody_asks_for_is_always_new(either: Catalog) -> None:
    assert either.launches.claim(launch(1))
    assert either.launches.claim(launch(2))
    assert not either.launches.claim(launch(2)), "but for itself"
    assert [one.id for one in either.launches.unfinished()] == [launch(1).id, launch(2).id]


def test_what_ended_is_not_claimed_again(either: Catalog) -> None:
    either.launches.claim(launch(1, due=1))
    either.launches.update(over(1, due=1, state=LaunchState.SKIPPED))
    assert not either.launches.claim(launch(2, due=1))


def test_processes_that_claim_the_same_get_each_due_time_once(place: CatalogPlace) -> None:
    open_catalog(place, upgrade).close()
    command = [sys.executable, "-m", "tests.catalog.children", "claim", str(place.state_dir)]
    children = [
        subprocess.Popen([*command, str(number)], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in (1, 2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "0\n", "it is ready"
    said = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        output, _ = child.communicate(timeout=120)
        assert child.returncode == 0
        said.append([int(line) for line in output.split()])
    assert sorted(said[0] + said[1]) == list(range(1, DUE_TIMES + 1))
    with open_catalog(place, upgrade) as catalog:
        assert len(catalog.launches.unfinished()) == DUE_TIMES


def test_threads_that_claim_the_same_get_each_due_time_once(either: Catalog) -> None:
    def claim(number: int) -> bool:
        return either.launches.claim(launch(number, due=number % 10 + 1))

    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(claim, range(40)))
    assert claimed.count(True) == 10


def test_a_launch_that_could_not_be_claimed_is_there_once_it_is_updated(either: Catalog) -> None:
    ended = over(1, due=1)
    either.launches.update(ended)
    assert either.launches.recent() == [ended]
    assert not either.launches.claim(launch(2, due=1))
    late = over(3, due=1)
    either.launches.update(late)
    assert either.launches.find(late.id) == replace(late, due=None), "the due time stays with the one that has it"
    assert either.launches.of_due(WorkKind.JOB, "homes", hours(1)) == [ended]


def test_the_last_due_time_is_none_that_is_still_to_come(either: Catalog) -> None:
    for number in (1, 3, 2, 9):
        either.launches.claim(launch(number, due=number))
    either.launches.claim(launch(10))
    either.launches.claim(launch(11, due=4, line="other"))
    either.launches.claim(launch(12, due=5, kind=WorkKind.CHECK))
    assert either.launches.last_due(WorkKind.JOB, "homes", hours(8)) == hours(3)
    assert either.launches.last_due(WorkKind.JOB, "homes", hours(3)) == hours(3)
    assert either.launches.last_due(WorkKind.JOB, "homes", hours(9)) == hours(9)
    assert either.launches.last_due(WorkKind.JOB, "homes", hours(0.9)) is None
    assert either.launches.last_due(WorkKind.CHECK, "other", hours(9)) is None


def test_the_attempts_for_a_due_time_are_a_chain(either: Catalog) -> None:
    attempts = [replace(launch(number, due=1), attempt=number) for number in (3, 1, 2)]
    for one in (*attempts, launch(4, due=2), launch(5, due=1, line="other")):
        assert either.launches.claim(one)
    chain = either.launches.of_due(WorkKind.JOB, "homes", hours(1))
    assert [one.attempt for one in chain] == [1, 2, 3]


def test_recent_launches_are_the_last_asked_for(either: Catalog) -> None:
    for number in (2, 1, 3):
        either.launches.claim(launch(number, due=number))
    either.launches.update(over(2, due=2))
    either.launches.claim(launch(4, line="etc"))
    everything = [launch(4, line="etc"), launch(3, due=3), over(2, due=2), launch(1, due=1)]
    assert either.launches.recent() == everything
    assert either.launches.recent(2) == everything[:2]
    assert either.launches.recent(name="homes") == everything[1:]
    assert either.launches.recent(name="homes", only_over=True) == [over(2, due=2)]


def test_an_id_that_names_no_launch_or_several_is_refused(either: Catalog) -> None:
    for number in (1, 2):
        either.launches.claim(launch(number))
    with pytest.raises(CatalogError, match="more than one launch begins with 0"):
        either.launches.find("0")
    with pytest.raises(CatalogError, match="there is no launch f_%"):
        either.launches.find("f_%")


def test_only_what_ended_well_is_counted(either: Catalog) -> None:
    for number, state in enumerate(LaunchState, 1):
        either.launches.update(over(number, due=number, state=state, kind=WorkKind.CHECK, line="onsite"))
    either.launches.update(over(20, kind=WorkKind.CHECK, line="onsite"))
    either.launches.update(over(21, line="onsite"))
    assert either.launches.count_ok(WorkKind.CHECK, "onsite") == 2
    assert either.launches.count_ok(WorkKind.CHECK, "vault") == 0


def test_old_launches_are_forgotten_but_for_the_newest_of_each_line(either: Catalog) -> None:
    for number in range(1, 6):
        either.launches.update(over(number, due=number))
    either.launches.update(over(6))
    either.launches.update(launch(7, due=0, line="slow"))
    either.launches.update(over(13, due=13, line="slow"))
    either.launches.update(over(8, due=1, line="etc"))
    for number in (9, 10):
        either.launches.update(over(number, due=number, line="onsite", kind=WorkKind.CHECK))
    either.launches.update(over(11, due=11, line="onsite", kind=WorkKind.CHECK, state=LaunchState.FAILED))
    either.launches.update(over(12, due=12, line="onsite", kind=WorkKind.CHECK, state=LaunchState.FAILED))
    assert either.launches.forget_before(hours(3)) == 2
    assert either.launches.forget_before(hours(3)) == 0
    assert either.launches.forget_before(hours(100)) == 3
    left = {one.id for one in either.launches.recent()}
    assert left == {launch(number).id for number in (5, 6, 7, 8, 9, 10, 12, 13)}
    assert either.launches.last_due(WorkKind.JOB, "homes", hours(100)) == hours(5)
    assert either.launches.count_ok(WorkKind.CHECK, "onsite") == 2


def test_nothing_is_under_way_in_a_catalog_that_was_read_back(either: Catalog) -> None:
    either.launches.update(over(1, due=1))
    either.launches.claim(launch(2, due=2))
    running = replace(launch(3, due=3), state=LaunchState.RUNNING, started=hours(3))
    either.launches.update(running)
    either.launches.settle_lost(hours(9))
    failed = replace(running, state=LaunchState.FAILED, ended=hours(9), reason="how it ended was lost with the catalog")
    assert either.launches.recent() == [failed, over(1, due=1)]
    assert either.launches.claim(launch(4, due=2)), "what was queued is claimed anew"


def test_a_pause_is_in_force_until_it_passes_or_is_ended(either: Catalog) -> None:
    of_all = Pause("", hours(1), "anna", None, "a new disk")
    of_homes = Pause("homes", hours(1), "ben", hours(3))
    of_etc = Pause("etc", hours(1), "ben")
    for one in (of_homes, of_etc, of_all):
        either.launches.pause(one)
    assert either.launches.pauses(hours(2)) == [of_all, of_etc, of_homes]
    assert either.launches.pauses(hours(3)) == [of_all, of_etc]
    assert either.launches.resume("homes", hours(3)) == [], "it had passed"
    assert either.launches.resume("etc", hours(4)) == [of_etc]
    assert either.launches.resume("etc", hours(4)) == []
    assert either.launches.pauses(hours(4)) == [of_all]
    assert either.launches.resume("", hours(5)) == [of_all]
    assert either.launches.pauses(hours(0)) == [of_homes], "what was ended stays so where the clock is put back"


def test_a_pause_takes_the_place_of_the_one_before(either: Catalog) -> None:
    for until in (None, hours(9), hours(3)):
        either.launches.pause(Pause("homes", hours(1), "anna", until))
    later = Pause("homes", hours(2), "ben", hours(4))
    either.launches.pause(later)
    assert either.launches.pauses(hours(2)) == [later]
    assert either.launches.pauses(hours(5)) == []


def test_every_pause_is_ended_at_once_and_old_ones_are_forgotten(either: Catalog) -> None:
    lasting, passing = Pause("etc", hours(1), "ben"), Pause("homes", hours(1), "ben", hours(9))
    for one in (lasting, passing):
        either.launches.pause(one)
    either.launches.forget_before(hours(8))
    assert either.launches.resume(None, hours(3)) == [lasting, passing]
    assert either.launches.pauses(hours(3)) == []
    either.launches.pause(Pause("homes", hours(4), "ben"))
    either.launches.forget_before(hours(20))
    assert [one.since for one in either.launches.pauses(hours(20))] == [hours(4)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE launch SET state = 'gone'",
        "UPDATE launch SET kind = ''",
        "UPDATE launch SET targets = '{}'",
        "UPDATE launch SET targets = '[1]'",
        "UPDATE launch SET targets = 'x'",
        "UPDATE launch SET due = 9000000000000000000",
    ],
)
def test_a_launch_that_others_changed_is_refused(catalog: Catalog, place: CatalogPlace, change: str) -> None:
    catalog.launches.claim(launch(1, due=1))
    engine = sqlite_engine(place.catalog_file)
    with writing(engine) as connection:
        connection.execute(text(change))
    engine.dispose()
    with pytest.raises(Unreadable):
        catalog.launches.recent()


def test_what_cannot_be_written_is_a_fault_of_the_catalog(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "catalog.sqlite")
    upgrade(engine, CATALOG)
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE launch"))
    with pytest.raises(CatalogError, match="no such table: launch"):
        Launches(engine).claim(launch(1))
    engine.dispose()
