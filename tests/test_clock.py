"""The clock: aware, never going back, and knowing the zone of the machine at any instant."""

from datetime import UTC, timedelta

from drorch.clock import SystemClock, local_offset_seconds
from tests.repository.children import python_child


def test_the_system_clock_tells_utc_and_waits() -> None:
    clock = SystemClock()
    before, began = clock.now(), clock.monotonic()
    clock.sleep(0.01)
    assert before.tzinfo is UTC
    assert clock.now() - before >= timedelta(seconds=0.009)
    assert clock.monotonic() - began >= 0.01


def test_an_instant_beyond_every_calendar_has_no_offset() -> None:
    assert local_offset_seconds(1 << 80) == 0
    assert local_offset_seconds(-(1 << 80)) == 0


def test_the_offset_is_that_of_the_instant_and_not_of_today() -> None:
    code = """
        from drorch.clock import local_offset_seconds
        print(local_offset_seconds(1705320000), local_offset_seconds(1721044800))
    """
    assert python_child(code, environment={"TZ": "Europe/Berlin"}) == "3600 7200\n"
    assert python_child(code, environment={"TZ": "America/St_Johns"}) == "-12600 -9000\n"
