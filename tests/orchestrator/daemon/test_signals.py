"""Signals are noted where they come and read where the loop turns, each once however often it came."""

import os
import select
import signal

from drorch.orchestrator.daemon.signals import heard


def test_a_storm_of_signals_asks_for_one_thing_each() -> None:
    with heard() as signals:
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert select.select([signals.descriptor], [], [], 10)[0]
        assert signals.taken() == [signal.SIGHUP, signal.SIGTERM]
        assert signals.taken() == []
        assert not select.select([signals.descriptor], [], [], 0)[0]


def test_signals_do_afterwards_what_they_did_before() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    with heard():
        assert signal.getsignal(signal.SIGHUP) != before[signal.SIGHUP]
    assert {number: signal.getsignal(number) for number in before} == before
