"""The clock: aware, never going back, and knowing the zone of the machine at any instant."""

import threading
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


def test_a_wait_lasts_as_long_as_was_asked_for() -> None:
    clock, ended = SystemClock(), threading.Event()
    began = clock.monotonic()
    assert not clock.wait(0.3, ended)
    assert clock.monotonic() - began >= 0.3


def test_a_wait_ends_with_its_event() -> None:
    clock, ended = SystemClock(), threading.Event()
    timer = threading.Timer(0.05, ended.set)
    timer.start()
    began = clock.monotonic()
    assert clock.wait(60, ended)
    assert clock.monotonic() - began < 30
    timer.join()


def test_a_signal_ends_the_waits_of_all_threads() -> None:
    code = """
        import os, signal, sys, threading
        from drorch.cli import entry
        from drorch.clock import SystemClock

        entry._prepare_process()
        cut = []
        waiting = threading.Thread(target=lambda: cut.append(SystemClock().wait(100, threading.Event())))
        waiting.start()
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            waiting.join(60)
        except KeyboardInterrupt:
            waiting.join(60)
        print(cut)
    """
    assert python_child(code) == "[True]\n"


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
