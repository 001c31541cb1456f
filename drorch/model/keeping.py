"""Which snapshots of a lineage a retention keeps: a pure judgement over the times they were taken.

The rules are those of restic's `forget` since 0.16, so that both agree on what may go.
"""

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from drorch.model.retention import Retention

Key = TypeVar("Key", bound=Hashable)
_Bucket = Callable[[datetime], tuple[int, ...]]


def _hour(moment: datetime) -> tuple[int, ...]:
    return moment.year, moment.month, moment.day, moment.hour


def _day(moment: datetime) -> tuple[int, ...]:
    return moment.year, moment.month, moment.day


def _week(moment: datetime) -> tuple[int, ...]:
    return moment.isocalendar()[:2]


def _month(moment: datetime) -> tuple[int, ...]:
    return moment.year, moment.month


def _year(moment: datetime) -> tuple[int, ...]:
    return (moment.year,)


def kept(retention: Retention | None, taken: Mapping[Key, datetime], now: datetime | None = None) -> set[Key]:
    """Those of the snapshots of one lineage that a retention keeps; each is given with when it was taken.

    Hours, days, weeks (ISO's) and so on are those of each moment's own zone. Spans end at the newest snapshot that is
    not later than `now`. A rule that is not used up keeps the oldest snapshot too, so that a history gets as long as
    was asked for. No retention, and one without any rule, keeps all.
    """
    if retention is None or not retention.keeps_something:
        return set(taken)
    newest_first = sorted(taken, key=lambda key: taken[key], reverse=True)
    found = set(newest_first[: retention.last])
    for count, bucket in (
        (retention.hourly, _hour),
        (retention.daily, _day),
        (retention.weekly, _week),
        (retention.monthly, _month),
        (retention.yearly, _year),
    ):
        chosen = _newest_of_each(newest_first, taken, bucket)[:count]
        found.update(chosen + newest_first[-1:] if len(chosen) < count else chosen)
    return found | _within(retention, newest_first, taken, now)


def _newest_of_each(newest_first: list[Key], taken: Mapping[Key, datetime], bucket: _Bucket) -> list[Key]:
    """The newest snapshot of each bucket, newest first."""
    found: dict[tuple[int, ...], Key] = {}
    for key in newest_first:
        found.setdefault(bucket(taken[key]), key)
    return list(found.values())


def _within(
    retention: Retention, newest_first: list[Key], taken: Mapping[Key, datetime], now: datetime | None
) -> set[Key]:
    latest = next((taken[key] for key in newest_first if now is None or taken[key] <= now), None)
    if latest is None:
        return set()

    def since(span: timedelta | None) -> list[Key]:
        return [key for key in newest_first if span and taken[key] > latest - span]

    found = set(since(retention.within))
    for span, bucket in (
        (retention.within_hourly, _hour),
        (retention.within_daily, _day),
        (retention.within_weekly, _week),
        (retention.within_monthly, _month),
        (retention.within_yearly, _year),
    ):
        spanned = since(span)
        found.update(_newest_of_each(spanned, taken, bucket))
        if len(spanned) == len(newest_first):
            found.update(spanned[-1:])
    return found
