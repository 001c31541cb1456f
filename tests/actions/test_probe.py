"""A probe says yes only to what it saw, and each promise that a target breaks is found by the step that is for it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.actions.probe import plan as probing
from drorch.actions.probe.bench import Bench, Extent, Step
from drorch.actions.probe.facts import Answer, Finding, Probed
from drorch.clock import SystemClock
from drorch.errors import TargetDenied, TargetFull, TargetMissing, TargetUnavailable
from drorch.storage.abilities import Abilities, Leftover, ScratchPlace
from drorch.storage.local_scratch import LocalScratch
from drorch.storage.memory import MemoryTarget
from drorch.storage.readonly import ReadOnlyTarget
from drorch.storage.target import Target
from tests.actions import scratch_places as places
from tests.actions.scratch_places import CONTRACT, SMALL, Listener, PlainScratch
from tests.doubles import FakeClock, Fault, FaultyTarget


def probed(scratch: ScratchPlace, listener: Listener | None = None, extent: Extent = SMALL) -> Probed:
    steps = probing.plan(extent, lock_relied_on=False)
    return probing.carry_out(scratch, steps, SystemClock(), extent, listener or Listener())


def mixing() -> Target:
    def pause() -> None:
        threading.Event().wait(0.01)

    return places.MixingTarget(pause)


def test_a_folder_keeps_everything_drorch_relies_on_and_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a repository's")
    listener = Listener()
    found = probed(LocalScratch(tmp_path, "scratch"), listener)
    assert found.broken == ()
    assert {name: found.by_name[name].answer for name in CONTRACT} == dict.fromkeys(CONTRACT, Answer.YES)
    assert {fact.name for fact in found.facts} > {"clock", "latency", "upload", "download", "space"}
    assert [path.name for path in tmp_path.iterdir()] == ["config"]
    assert (listener.facts, listener.leftovers) == (list(found.facts), [])


def test_what_a_folder_does_not_know_is_answered_by_no_and_nothing_is_claimed_to_have_been_done(tmp_path: Path) -> None:
    found = probed(LocalScratch(tmp_path, "scratch")).by_name
    for name in ("conditional", "versions", "lock"):
        assert (found[name].answer, found[name].done, found[name].broken) == (Answer.NO, "nothing", False)
    assert not {"erase", "holds", "lift"} & set(found)


def test_speed_and_room_come_with_figures(tmp_path: Path) -> None:
    found = probed(LocalScratch(tmp_path, "scratch")).by_name
    for name in ("upload", "download"):
        figures = found[name].finding.figures
        assert figures["bytes_per_second"] > 0
        assert figures["seconds_per_tib"] == pytest.approx(1024**4 / figures["bytes_per_second"])
        assert figures["objects"] == SMALL.large_count - 1
    assert 0 < found["space"].finding.figures["free_bytes"] <= found["space"].finding.figures["total_bytes"]


@pytest.mark.parametrize(
    ("make", "step"),
    [
        (places.ChangingTarget, "read"),
        (places.WholeTarget, "range"),
        (places.CutTarget, "short"),
        (places.MakingUpTarget, "short"),
        (places.LateTarget, "fresh"),
        (places.ForgetfulListing, "list"),
        (places.StaleTarget, "overwrite"),
        (mixing, "atomic"),
        (places.KeepingTarget, "gone"),
        (places.DoublingTarget, "many"),
    ],
)
def test_a_promise_that_is_broken_is_found_out(make: Callable[[], Target], step: str) -> None:
    found = probed(PlainScratch(make()))
    assert found.by_name[step].answer is Answer.NO
    assert found.by_name[step] in found.broken


def test_a_target_in_memory_breaks_nothing() -> None:
    assert probed(PlainScratch(MemoryTarget())).broken == ()


@pytest.mark.parametrize(("ahead", "answer"), [(0, Answer.YES), (-50, Answer.YES), (90, Answer.NO), (-3600, Answer.NO)])
def test_clocks_that_differ_by_more_than_a_minute_are_told(ahead: float, answer: Answer) -> None:
    clock = places.OtherClock(SystemClock().now, ahead)
    fact = probed(PlainScratch(MemoryTarget(), Abilities(clocked=clock))).by_name["clock"]
    assert fact.answer is answer
    assert fact.finding.figures["skew_seconds"] == pytest.approx(ahead, abs=10)
    assert not fact.broken


def test_a_refusal_in_the_middle_is_a_fact_and_the_other_steps_go_on() -> None:
    class Stingy(MemoryTarget):
        def save(self, key: str, data: bytes | bytearray | memoryview) -> None:
            if "overwrite" in key:
                raise TargetFull("no room for this one")
            if "atomic" in key:
                raise TargetDenied("not this one")
            super().save(key, data)

    found = probed(PlainScratch(Stingy()))
    assert found.by_name["overwrite"].answer is Answer.NOT_RUN
    assert "No room for this one" in found.by_name["overwrite"].finding.meaning
    assert found.by_name["atomic"].answer is Answer.NOT_RUN
    assert found.by_name["atomic"].finding.meaning == "It was refused: not this one."
    assert {fact.name for fact in found.broken} == {"overwrite", "atomic"}
    assert found.by_name["gone"].answer is Answer.YES


def test_what_may_not_be_deleted_is_good_and_nothing_is_said_of_deletion() -> None:
    class AppendOnly(MemoryTarget):
        def remove(self, key: str) -> None:
            raise TargetDenied(f"{key} stays")

    found = probed(PlainScratch(AppendOnly()))
    assert found.by_name["delete"].answer is Answer.NO
    assert "Good" in found.by_name["delete"].finding.meaning
    assert "gone" not in found.by_name
    assert found.broken == ()


def test_nothing_can_be_saved_at_all() -> None:
    scratch, listener = PlainScratch(ReadOnlyTarget(MemoryTarget())), Listener()
    with pytest.raises(TargetDenied):
        probed(scratch, listener)
    assert (scratch.discarded, listener.facts, listener.told_of_the_end) == (1, [], 0)


def test_a_target_that_goes_away_is_not_asked_again_and_again() -> None:
    class Leaving(MemoryTarget):
        saves = 0

        def save(self, key: str, data: bytes | bytearray | memoryview) -> None:
            self.saves += 1
            if self.saves > 5:
                raise TargetUnavailable("gone")
            super().save(key, data)

    target, listener = Leaving(), Listener()
    scratch = PlainScratch(target)
    with pytest.raises(TargetUnavailable):
        probed(scratch, listener)
    assert target.saves == 7
    assert listener.facts[-1].answer is Answer.NOT_RUN
    assert (scratch.discarded, listener.told_of_the_end) == (1, 1)


def test_one_passing_fault_is_no_reason_to_give_up() -> None:
    target = FaultyTarget(MemoryTarget(), [Fault("load")])
    found = probed(PlainScratch(target))
    assert [fact.name for fact in found.broken] == ["read"]
    assert found.by_name["read"].answer is Answer.NOT_RUN


def test_an_interruption_removes_the_scratch_place(tmp_path: Path) -> None:
    def interrupt(_bench: Bench) -> Finding:
        raise KeyboardInterrupt

    steps = (*probing.plan(SMALL, lock_relied_on=False)[:3], Step("x", "x", "x", interrupt))
    listener = Listener()
    with pytest.raises(KeyboardInterrupt):
        probing.carry_out(LocalScratch(tmp_path, "scratch"), steps, SystemClock(), SMALL, listener)
    assert list(tmp_path.iterdir()) == []
    assert listener.told_of_the_end == 1


def test_what_cannot_be_removed_is_told() -> None:
    class Sticky(PlainScratch):
        def discard(self) -> tuple[Leftover, ...]:
            return (Leftover("data/ab/x", "locked"),)

    listener = Listener()
    assert probed(Sticky(MemoryTarget()), listener).left == (Leftover("data/ab/x", "locked"),)
    assert listener.leftovers == [Leftover("data/ab/x", "locked")]


def test_no_folder_is_made_up_where_a_disk_is_not_mounted(tmp_path: Path) -> None:
    with pytest.raises(TargetMissing):
        probed(LocalScratch(tmp_path / "not" / "there", "scratch"))
    assert list(tmp_path.iterdir()) == []


def test_many_objects_are_not_saved_where_that_takes_long() -> None:
    clock = FakeClock()

    class Slow(MemoryTarget):
        def save(self, key: str, data: bytes | bytearray | memoryview) -> None:
            clock.advance(4.0)
            super().save(key, data)

    extent = Extent(small_count=3, large_bytes=1024, large_count=4, page=1001, patience=timedelta(seconds=15))
    steps = probing.plan(extent, lock_relied_on=False)
    found = probing.carry_out(PlainScratch(Slow()), steps, clock, extent, Listener())
    assert (found.by_name["many"].answer, found.by_name["many"].broken) == (Answer.UNKNOWN, False)
    assert found.by_name["latency"].finding.figures["save_seconds"] == pytest.approx(4.0)
    assert found.by_name["upload"].finding.figures["objects"] == 1
    assert found.by_name["upload"].finding.figures["bytes_per_second"] == pytest.approx(256)


def test_a_lock_that_the_configuration_relies_on_is_a_promise(tmp_path: Path) -> None:
    steps = probing.plan(SMALL, lock_relied_on=True)
    found = probing.carry_out(LocalScratch(tmp_path, "scratch"), steps, SystemClock(), SMALL, Listener())
    assert {fact.name for fact in found.broken} == {"lock"}
