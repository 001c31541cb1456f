"""The journal: a line for each thing that is told, whoever reads it, and none that could mislead or betray."""

import json
import threading
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.cli.output.escaping import visible
from drorch.model.event import Event, EventKind
from drorch.reporting.journal import LONGEST_MESSAGE, Journal, Level, human_style, level_of, machine_style
from drorch.secrets import remember
from tests.doubles import FakeClock

AT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
CANARY = "c4nary-Zx81-known"
HOSTILE = "two\nlines \x1b[31m\u202e red \udcff"


def event(kind: EventKind, message: str = "it happened", **detail: str) -> Event:
    return Event(kind, AT, "homes@onsite", message, "ab" * 16, detail)


def test_a_machine_gets_one_object_a_line() -> None:
    lines: list[str] = []
    journal = Journal(lines.append, machine_style, FakeClock(AT))
    detail = {"state": "failed", "message": "not this", "time": "nor this"}
    journal.observe(Event(EventKind.LAUNCH_ENDED, AT, "homes@onsite", HOSTILE, "ab" * 16, detail))
    journal.note(Level.WARNING, "the catalog is locked", socket="/run/drorch/control.sock")
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert [json.loads(line) for line in lines] == [
        {
            "time": "2026-03-29T01:30:00+00:00",
            "level": "error",
            "message": HOSTILE,
            "event": "launch-ended",
            "subject": "homes@onsite",
            "run": "ab" * 16,
            "state": "failed",
        },
        {
            "time": "2026-03-29T01:30:00+00:00",
            "level": "warning",
            "message": "the catalog is locked",
            "socket": "/run/drorch/control.sock",
        },
    ]


def test_a_person_gets_the_time_of_the_clock_on_the_wall_and_sees_what_is_hidden() -> None:
    lines: list[str] = []
    journal = Journal(lines.append, human_style(ZoneInfo("Europe/Berlin"), visible), FakeClock(AT))
    journal.note(Level.INFO, "the daemon begins")
    journal.observe(event(EventKind.OVERDUE, HOSTILE))
    assert lines == [
        "2026-03-29 03:30:00 the daemon begins",
        r"2026-03-29 03:30:00 error: two\nlines \x1b[31m\u202e red \xff",
    ]


@pytest.mark.parametrize(
    ("told", "level"),
    [
        (event(EventKind.LAUNCH_STARTED), Level.INFO),
        (event(EventKind.LAUNCH_ENDED, state="ok"), Level.INFO),
        (event(EventKind.LAUNCH_ENDED, state="incomplete"), Level.WARNING),
        (event(EventKind.LAUNCH_ENDED, state="skipped"), Level.WARNING),
        (event(EventKind.LAUNCH_ENDED, state="failed"), Level.ERROR),
        (event(EventKind.RUN_ENDED, outcome="failed"), Level.ERROR),
        (event(EventKind.OVERDUE), Level.ERROR),
        (event(EventKind.WELL_AGAIN), Level.INFO),
        (event(EventKind.VIGIL_BLIND), Level.ERROR),
        (event(EventKind.SNAPSHOT_VANISHED), Level.ERROR),
        (event(EventKind.PING_FAILED), Level.WARNING),
    ],
)
def test_what_is_grave_is_told_as_such(told: Event, level: Level) -> None:
    assert level_of(told) is level


def test_what_is_less_grave_than_asked_for_is_left_out() -> None:
    lines: list[str] = []
    journal = Journal(lines.append, machine_style, FakeClock(AT), least=Level.WARNING)
    journal.note(Level.INFO, "a detail")
    journal.note(Level.WARNING, "a fault")
    assert len(lines) == 1


def test_no_secret_is_written_and_no_line_is_endless() -> None:
    lines: list[str] = []
    journal = Journal(lines.append, machine_style, FakeClock(AT))
    remember(CANARY)
    long = "x" * (LONGEST_MESSAGE // 2 - 5) + CANARY + "y" * 10**6
    journal.note(Level.ERROR, long, log=long, url=f"postgresql://a:{CANARY[::-1]}@db/x")
    (line,) = lines
    assert "c4nary" not in line
    assert CANARY[::-1] not in line
    assert len(line) < 3 * LONGEST_MESSAGE
    assert json.loads(line)["message"].endswith("yyy")


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    def write(_: str) -> None:
        raise BrokenPipeError

    Journal(write, machine_style, FakeClock(AT)).note(Level.ERROR, "nobody reads this")


def test_lines_of_several_threads_are_written_one_after_the_other() -> None:
    inside = threading.Lock()
    lines: list[str] = []

    def write(line: str) -> None:
        assert inside.acquire(blocking=False)
        lines.append(line)
        inside.release()

    journal = Journal(write, machine_style, FakeClock(AT))

    def talk() -> None:
        for _ in range(200):
            journal.note(Level.INFO, "hello")

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 800
