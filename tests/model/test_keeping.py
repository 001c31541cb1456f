"""What a retention keeps: rule by rule, and as restic's forget judges the same snapshots."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.model.keeping import kept
from drorch.model.retention import Retention
from drorch.repository.keys import ScryptCost
from drorch.repository.repository import initialize
from drorch.storage.local import LocalTarget
from tests.actions.trees import writing
from tests.restic import PASSWORD, Restic, each_restic, restic

NOON = datetime(2026, 8, 5, 12, tzinfo=UTC)
"""A Wednesday."""


def taken(*ages: timedelta) -> dict[timedelta, datetime]:
    """Snapshots by their age at noon."""
    return {age: NOON - age for age in ages}


def hours(*ages: float) -> set[timedelta]:
    return {timedelta(hours=age) for age in ages}


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        (Retention(last=2), hours(0, 0.5)),
        (Retention(hourly=2), hours(0, 0.5)),
        (Retention(hourly=3), hours(0, 0.5, 3)),
        (Retention(daily=2), hours(0, 24)),
        (Retention(weekly=2), hours(0, 72)),
        (Retention(monthly=2), hours(0, 240)),
        (Retention(yearly=1), hours(0)),
        (Retention(yearly=2), hours(0, 9000)),
        (Retention(last=1, monthly=9), hours(0, 240, 9000)),
        (Retention(within=timedelta(hours=3)), hours(0, 0.5)),
        (Retention(within=timedelta(hours=3, seconds=1)), hours(0, 0.5, 3)),
        (Retention(within_daily=timedelta(days=2)), hours(0, 24)),
        (Retention(within_weekly=timedelta(days=30), last=2), hours(0, 0.5, 72, 240)),
    ],
)
def test_each_rule_keeps_the_newest_of_its_kind(retention: Retention, expected: set[timedelta]) -> None:
    ages = hours(0, 0.5, 3, 24, 30, 72, 80, 240, 9000)
    assert kept(retention, taken(*ages)) == expected


def test_no_rule_keeps_all_and_nothing_of_nothing_is_nothing() -> None:
    snapshots = taken(*hours(1, 2, 3))
    assert kept(None, snapshots) == kept(Retention(), snapshots) == set(snapshots)
    assert kept(Retention(last=3, within=timedelta(1)), {}) == set()


def test_days_are_those_of_the_zone_the_times_are_in() -> None:
    late = {hour: datetime(2026, 8, 4, hour, tzinfo=UTC) for hour in (19, 20, 23)}
    assert kept(Retention(daily=9), late) == {19, 23}
    eastern = {hour: moment.astimezone(timezone(timedelta(hours=2))) for hour, moment in late.items()}
    assert kept(Retention(daily=9), eastern) == {19, 20, 23}


def test_weeks_are_isos_at_the_turn_of_the_year() -> None:
    days = {day: datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in (-4, -3, 2, 3)}
    assert kept(Retention(weekly=2), days) == {2, 3}


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        (Retention(daily=3), hours(0, 13, 20)),
        (Retention(daily=2), hours(0, 13)),
        (Retention(within_daily=timedelta(hours=21)), hours(0, 13, 20)),
        (Retention(within_daily=timedelta(hours=19)), hours(0, 13)),
        (Retention(last=4), hours(0, 13, 18, 20)),
    ],
)
def test_a_rule_that_is_not_used_up_keeps_the_oldest(retention: Retention, expected: set[timedelta]) -> None:
    assert kept(retention, taken(*hours(0, 13, 18, 20))) == expected


def test_a_snapshot_from_the_future_ends_no_span() -> None:
    snapshots = taken(*hours(-9000, 1, 30))
    assert kept(Retention(within=timedelta(days=1)), snapshots, NOON) == hours(-9000, 1)
    assert kept(Retention(within=timedelta(days=1)), snapshots) == hours(-9000)


_COUNTS = st.integers(0, 4)
_MOMENTS = st.sets(st.integers(0, 60 * 24 * 40), min_size=1, max_size=30)


@given(_MOMENTS, _COUNTS, _COUNTS, _COUNTS, st.integers(0, 20))
def test_what_is_kept_stays_kept_when_the_rest_is_gone(
    minutes: set[int], last: int, daily: int, weekly: int, days: int
) -> None:
    retention = Retention(last=last, daily=daily, weekly=weekly, within_hourly=timedelta(days=days))
    snapshots = {minute: NOON - timedelta(minutes=minute) for minute in minutes}
    left = kept(retention, snapshots)
    assert left
    assert kept(retention, {minute: snapshots[minute] for minute in left}) == left


@given(_MOMENTS, _COUNTS, _COUNTS, st.integers(0, 20))
def test_a_newer_snapshot_brings_no_older_one_back(minutes: set[int], daily: int, weekly: int, days: int) -> None:
    retention = Retention(last=1, daily=daily, weekly=weekly, within_daily=timedelta(days=days))
    snapshots = {minute: NOON - timedelta(minutes=minute) for minute in minutes}
    before = kept(retention, snapshots)
    assert kept(retention, {**snapshots, -7: NOON + timedelta(minutes=7)}) <= before | {-7}


@each_restic
def test_restic_keeps_the_same(which: Restic, tmp_path: Path) -> None:
    """Before 0.16 restic let the oldest go where a rule was not used up."""
    repository = initialize(LocalTarget(tmp_path), PASSWORD, cost=ScryptCost(2, 1, 1))
    dice = random.Random(20261124)  # noqa: S311
    local = datetime.now().astimezone().tzinfo
    end = datetime(2025, 12, 30, 9, 15, tzinfo=local)
    snapshots: dict[str, datetime] = {}
    with writing(repository) as writer:
        root = writer.tree({b"file": b"content"})
        for _ in range(40):
            moment = end - timedelta(hours=int(dice.expovariate(0.005)), minutes=dice.randrange(60))
            snapshots[writer.snapshot(root, second=int(moment.timestamp())).hex()] = moment
    for retention, options in (
        (Retention(last=2, daily=4, weekly=3, monthly=2), "--keep-last 2 -d 4 -w 3 -m 2"),
        (Retention(hourly=5, yearly=2), "-H 5 -y 2"),
        (
            Retention(within=timedelta(days=3), within_weekly=timedelta(days=20)),
            "--keep-within 3d --keep-within-weekly 20d",
        ),
    ):
        done = restic(which, tmp_path, "forget", "--dry-run", "--json", *options.split())
        [group] = json.loads(done.stdout.splitlines()[0])
        dropped = set() if which.version >= (0, 16) else {min(snapshots, key=lambda name: snapshots[name])}
        assert kept(retention, snapshots) - dropped == {one["id"] for one in group["keep"]} - dropped
