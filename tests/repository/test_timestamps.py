"""Times to the nanosecond, in both directions and in any zone."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.repository import timestamps
from tests.repository.children import python_child

BILLION = 1_000_000_000
YEAR_1 = -62_135_596_800 * BILLION
YEAR_9999_ENDS = 253_402_300_800 * BILLION
instants = st.integers(YEAR_1, YEAR_9999_ENDS - 1)


@given(instants)
def test_an_instant_round_trips(instant: int) -> None:
    text = timestamps.format_local(instant)
    assert timestamps.parse(text) == instant
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?(Z|[+-]\d\d:\d\d)", text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00.5Z", BILLION // 2),
        ("1970-01-01T00:00:00.123456789999Z", 123_456_789),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1969-12-31T23:59:59.25Z", -3 * BILLION // 4),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T13:30:00.25-10:30", BILLION // 4),
        ("1970-01-01T00:00:00+00:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01t00:00:01z", BILLION),
        ("0001-01-01T00:00:00Z", YEAR_1),
        ("9999-12-31T23:59:59.999999999Z", YEAR_9999_ENDS - 1),
        ("2024-02-29T12:00:00Z", 1_709_208_000 * BILLION),
    ],
)
def test_a_time_is_read(text: str, instant: int) -> None:
    assert timestamps.parse(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01T00:00Z"),
        *("2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:01Z", "2024-01-01T00:00:60Z"),
        *("2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+0100", "2024-01-01T00:00:00Z\n", " 2024-01-01T00:00:00Z"),
        *("12024-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "\uff12\uff10\uff12\uff14-01-01T00:00:00Z"),
        *("2024-01-01T00:00:00.\uff11Z", "2024-01-01T00:00:00+\uff101:00"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        timestamps.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("0000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
        *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00.5+00:01"),
    ],
)
def test_a_time_outside_the_calendar_is_still_one_that_can_be_shown(text: str) -> None:
    instant = timestamps.parse(text)
    assert YEAR_1 <= instant < YEAR_9999_ENDS
    timestamps.to_datetime(instant)
    assert timestamps.parse(timestamps.format_local(instant)) == instant


@pytest.mark.parametrize("instant", [-(10**30), YEAR_1 - 1, YEAR_9999_ENDS, 10**30])
def test_an_instant_outside_the_calendar_is_written_as_one_within(instant: int) -> None:
    assert YEAR_1 <= timestamps.parse(timestamps.format_local(instant)) < YEAR_9999_ENDS


@given(st.datetimes(timezones=st.just(UTC)))
def test_datetimes_come_back(moment: datetime) -> None:
    assert timestamps.to_datetime(timestamps.from_datetime(moment)) == moment


@given(instants)
def test_a_datetime_is_cut_to_microseconds_and_never_later(instant: int) -> None:
    moment = timestamps.to_datetime(instant)
    assert 0 <= instant - timestamps.from_datetime(moment) < 1000


FORMATTED = """
    import sys
    from drorch.repository import timestamps
    for argument in sys.argv[1:]:
        text = timestamps.format_local(int(argument))
        assert timestamps.parse(text) == int(argument), text
        print(text)
"""


def at(text: str) -> str:
    """Nanoseconds since 1970 of a time in UTC, as an argument."""
    return str(
        (datetime.fromisoformat(text + "+00:00") - datetime.fromtimestamp(0, UTC)) // timedelta(seconds=1) * BILLION
    )


@pytest.mark.parametrize(
    ("zone", "instants_and_texts"),
    [
        (
            "Europe/Berlin",
            {
                "2023-03-26T00:59:59": "2023-03-26T01:59:59+01:00",
                "2023-03-26T01:00:00": "2023-03-26T03:00:00+02:00",
                "2023-10-29T00:59:59": "2023-10-29T02:59:59+02:00",
                "2023-10-29T01:00:00": "2023-10-29T02:00:00+01:00",
                "0001-01-01T00:00:00": None,
                "9999-12-31T23:59:59": None,
            },
        ),
        (
            "America/St_Johns",
            {
                "2024-01-15T12:00:00": "2024-01-15T08:30:00-03:30",
                "2024-07-15T12:00:00": "2024-07-15T09:30:00-02:30",
                "0001-01-01T00:00:00": None,
            },
        ),
        ("Asia/Kathmandu", {"2024-01-15T12:00:00": "2024-01-15T17:45:00+05:45", "9999-12-31T23:59:59": None}),
        ("Pacific/Kiritimati", {"2024-01-15T12:00:00": "2024-01-16T02:00:00+14:00"}),
        (
            "Europe/London",
            {"2024-01-15T12:00:00": "2024-01-15T12:00:00Z", "2024-07-15T12:00:00": "2024-07-15T13:00:00+01:00"},
        ),
        ("UTC", {"0001-01-01T00:00:00": "0001-01-01T00:00:00Z", "9999-12-31T23:59:59": "9999-12-31T23:59:59Z"}),
        ("Africa/Monrovia", {"1971-06-01T00:00:00": None}),
    ],
)
def test_times_are_written_in_the_zone_of_the_machine(zone: str, instants_and_texts: dict[str, str | None]) -> None:
    """Expected texts are from `date --rfc-3339=seconds`; None where only the instant matters."""
    out = python_child(FORMATTED, *map(at, instants_and_texts), environment={"TZ": zone})
    for expected, found in zip(instants_and_texts.values(), out.split(), strict=True):
        assert expected in (None, found)
