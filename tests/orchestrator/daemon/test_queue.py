"""Who goes next."""

from dataclasses import replace

from drorch.model.conduct import Conduct, Overlap
from drorch.model.launch import Launch, Pause, Work
from drorch.model.names import TargetName
from drorch.orchestrator.daemon.queue import Waiting, ready, refusal
from drorch.orchestrator.daemon.roster import Bounds
from tests.orchestrator.daemon.making import NOON, check, entry, job, launch, minutes

MANY = Bounds(10)


def names(
    waiting: list[Waiting], running: list[Work], bounds: Bounds = MANY, pauses: tuple[Pause, ...] = ()
) -> list[str]:
    return [one.launch.work.name for one in ready(waiting, running, bounds, pauses, NOON)]


def waits(made: Launch, priority: int = 0) -> Waiting:
    return Waiting(made, entry(made.work, conduct=Conduct(priority=priority)))


def test_the_higher_priority_goes_first_then_who_was_due_sooner() -> None:
    late = waits(launch(job("late")))
    soon = waits(replace(launch(job("soon")), begins=NOON - minutes(5)))
    important = waits(launch(job("important")), priority=5)
    assert names([late, soon, important], []) == ["important", "soon", "late"]


def test_no_more_run_than_may_and_none_before_its_time() -> None:
    waiting = [waits(launch(job(name))) for name in "abc"]
    waiting.append(waits(replace(launch(job("later")), begins=NOON + minutes(1)), priority=9))
    assert names(waiting, [job("x")], Bounds(3)) == ["a", "b"]
    assert names(waiting, [job(name) for name in "xyz"], Bounds(3)) == []


def test_a_target_that_takes_one_at_a_time_is_given_one() -> None:
    bounds = Bounds(10, {TargetName("slow"): 1})
    first, second = waits(launch(job("first", "slow", "fast"))), waits(launch(job("second", "slow")))
    third = waits(launch(job("third", "fast")))
    assert names([first, second, third], [], bounds) == ["first", "third"]
    assert names([first, second, third], [check("slow")], bounds) == ["third"]


def test_a_job_runs_once_at_a_time_on_whichever_targets() -> None:
    elsewhere = waits(launch(job("homes", "there", line="homes@there")))
    assert names([elsewhere], [job("homes", "here")]) == []
    assert names([waits(launch(check("here")))], [job("here", "here")]) == ["here"]


def test_a_pause_holds_up_schedules_and_nobody_who_asks() -> None:
    homes, other = waits(launch(job("homes"))), waits(launch(job("other")))
    by_hand = waits(launch(job("hand"), due=None))
    checking = waits(launch(check("here")))
    of_homes, of_all = Pause("homes", NOON, "ann"), Pause("", NOON, "ann")
    assert names([homes, other, checking], [], pauses=(of_homes,)) == ["other", "here"]
    assert names([homes, other, checking, by_hand], [], pauses=(of_all,)) == ["hand"]


def test_a_second_waits_and_a_third_is_refused() -> None:
    first, second = launch(job("homes")), launch(job("homes"))
    assert refusal(first, Overlap.QUEUE, [], lambda _: True) is None
    assert refusal(second, Overlap.QUEUE, [first], lambda _: True) == "a launch of homes waits already"
    elsewhere = launch(job("homes", "there", line="homes@there"))
    assert refusal(elsewhere, Overlap.QUEUE, [first], lambda _: True) is None


def test_what_must_not_overlap_is_refused_while_it_runs() -> None:
    assert refusal(launch(job("homes")), Overlap.SKIP, [], lambda _: True) == "homes was running still"
    assert refusal(launch(job("homes")), Overlap.SKIP, [], lambda _: False) is None
