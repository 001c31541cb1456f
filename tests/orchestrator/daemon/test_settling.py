"""What became of a launch, and whether it is tried again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from drorch.model.conduct import Retries
from drorch.model.launch import LaunchState, StopCause
from drorch.orchestrator.daemon.settling import Ending, again_after_cut_off, cut_off, retry_of, settled
from drorch.process.identity import own_identity
from tests.orchestrator.daemon.making import NOON, job, launch, minutes

TWICE = Retries(times=2, delay=minutes(5))
UNAVAILABLE, BUSY, WRONG_PASSWORD = Ending(20, "no answer"), Ending(61, "it runs"), Ending(12, "wrong password")
KILLED = Ending(None, "its process was killed by SIGKILL")


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (Ending(0), LaunchState.OK),
        (Ending(3), LaunchState.INCOMPLETE),
        (Ending(24), LaunchState.INCOMPLETE),
        (BUSY, LaunchState.SKIPPED),
        (WRONG_PASSWORD, LaunchState.FAILED),
        (Ending(1), LaunchState.FAILED),
        (KILLED, LaunchState.FAILED),
        (Ending(130, "it was stopped: ann cancelled it", StopCause.CANCELLED), LaunchState.CANCELLED),
        (Ending(None, "it was stopped: ann cancelled it", StopCause.CANCELLED), LaunchState.CANCELLED),
        (Ending(130, "it was stopped: it took longer than 1s", StopCause.OVERRUN), LaunchState.FAILED),
        (Ending(130, "it was stopped: the daemon was stopped", StopCause.SHUTDOWN), LaunchState.FAILED),
    ],
)
def test_how_it_ended_is_what_is_said(ending: Ending, state: LaunchState) -> None:
    over = settled(launch(job("homes")), ending, NOON)
    assert (over.state, over.ended, over.exit_code) == (state, NOON, ending.exit_code)
    assert over.reason == ending.reason


def test_what_may_pass_is_tried_again_each_time_later() -> None:
    first = launch(job("homes"))
    second = retry_of(first, UNAVAILABLE, TWICE, NOON, None)
    assert second is not None
    assert (second.due, second.attempt, second.work) == (first.due, 2, first.work)
    assert minutes(5) <= second.begins - NOON <= minutes(5.5)
    third = retry_of(second, KILLED, TWICE, NOON, None)
    assert third is not None
    assert third.attempt == 3
    assert minutes(10) <= third.begins - NOON <= minutes(11)
    assert retry_of(third, UNAVAILABLE, TWICE, NOON, None) is None


def test_no_delay_is_longer_than_the_longest() -> None:
    late = launch(job("homes"), attempt=30)
    again = retry_of(late, UNAVAILABLE, Retries(times=40, delay=minutes(5), longest=minutes(60)), NOON, None)
    assert again is not None
    assert again.begins - NOON <= minutes(66)


@pytest.mark.parametrize("ending", [WRONG_PASSWORD, Ending(3), Ending(0), Ending(20, "stopped", StopCause.CANCELLED)])
def test_what_stays_or_was_meant_is_not_tried_again(ending: Ending) -> None:
    assert retry_of(launch(job("homes")), ending, TWICE, NOON, None) is None


def test_what_was_asked_for_by_hand_is_not_tried_again() -> None:
    by_hand = launch(job("homes"), due=None)
    assert retry_of(by_hand, UNAVAILABLE, TWICE, NOON, None) is None
    assert again_after_cut_off(by_hand, NOON) is None


def test_the_next_due_time_takes_the_place_of_an_attempt() -> None:
    assert retry_of(launch(job("homes")), UNAVAILABLE, TWICE, NOON, NOON + minutes(5)) is None
    assert retry_of(launch(job("homes")), UNAVAILABLE, TWICE, NOON, NOON + minutes(30)) is not None


def test_what_makes_up_for_a_missed_time_is_tried_until_its_target_answers() -> None:
    long_ago = NOON - timedelta(days=2)
    missed = launch(job("homes"), due=long_ago, begins=long_ago)
    never = Retries(times=0)
    tried = retry_of(missed, UNAVAILABLE, never, NOON, NOON + timedelta(hours=9))
    assert tried is not None
    assert tried.begins - NOON <= minutes(1.1)
    assert retry_of(launch(job("homes")), UNAVAILABLE, never, NOON, None) is None
    assert retry_of(missed, WRONG_PASSWORD, never, NOON, None) is None


def test_what_was_cut_off_is_launched_again_once() -> None:
    first = launch(job("homes"))
    second = again_after_cut_off(first, NOON)
    assert second is not None
    assert (second.attempt, second.due, second.begins) == (2, first.due, NOON)
    assert again_after_cut_off(second, NOON) is None


def test_what_a_restart_of_the_machine_cut_off_is_told_from_what_the_daemon_did() -> None:
    ours = own_identity()
    here = launch(job("homes"), process=ours)
    before = launch(job("homes"), process=replace(ours, boot="another"))
    assert cut_off(here).reason == "the daemon ended while it ran"
    assert cut_off(launch(job("homes"))).reason == "the daemon ended while it ran"
    assert cut_off(before).reason == "the machine was restarted while it ran"
