"""Passing errors are waited out, others are not, and nobody waits longer than was agreed."""

import mmap
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import ObjectMissing, TargetDenied, TargetError, TargetFull, TargetUnavailable
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.retry import RetryingTarget, RetryPolicy
from drorch.storage.target import Buffer, StoredObject, Target
from tests.doubles import CountingTarget, Effect, FakeClock, Fault, FaultyTarget, Kind
from tests.storage.contract import ID, PACK, STOCK, TargetContract

_KINDS: tuple[Kind, ...] = ("create", "save", "load", "stat", "list", "remove")


def do_everything(target: Target) -> None:
    """Each operation once, and what must come of it."""
    target.create()
    target.save(PACK, STOCK[PACK])
    assert target.load(PACK, 3, 5) == STOCK[PACK][3:8]
    assert target.stat(PACK).size == len(STOCK[PACK])
    assert list(target.list("data")) == [StoredObject(PACK, len(STOCK[PACK]))]
    target.remove(PACK)
    assert list(target.list("data")) == []


class TestRetryingTarget(TargetContract):
    @pytest.fixture
    def target(self) -> Iterator[Target]:
        target = RetryingTarget(MemoryTarget(), FakeClock())
        target.create()
        yield target
        target.close()


class TestRetryingTargetThatFailsAtFirst(TargetContract):
    """The whole contract over a target of which every first operation of a kind fails, some having taken effect."""

    @pytest.fixture(params=[Effect.FAIL_BEFORE, Effect.FAIL_AFTER])
    def target(self, request: pytest.FixtureRequest) -> Iterator[Target]:
        plan = [Fault(kind, number=1, times=2, effect=request.param) for kind in _KINDS]
        target = RetryingTarget(FaultyTarget(MemoryTarget(), plan), FakeClock())
        target.create()
        yield target
        target.close()


@pytest.mark.parametrize("effect", [Effect.FAIL_BEFORE, Effect.FAIL_AFTER])
@pytest.mark.parametrize("kind", _KINDS)
def test_every_operation_is_tried_again(kind: Kind, effect: Effect) -> None:
    clock, told = FakeClock(), list[str]()
    plan = [Fault(kind, times=3, effect=effect)]
    do_everything(RetryingTarget(FaultyTarget(MemoryTarget(), plan), clock, on_retry=told.append))
    assert len(clock.slept) == len(told) == 3
    assert [f"(try {number})" in message for number, message in enumerate(told, start=2)] == [True] * 3
    assert kind in told[0]
    assert "trying again in" in told[0]


def test_waits_double_and_half_of_each_is_left_to_chance() -> None:
    policy = RetryPolicy(deadline=10_000, first_wait=1, longest_wait=20)

    def waits() -> list[float]:
        clock = FakeClock()
        RetryingTarget(FaultyTarget(MemoryTarget(), [Fault("remove", times=8)]), clock, policy).remove(PACK)
        return clock.slept

    several = [waits() for _ in range(20)]
    for wait, longest in zip(zip(*several, strict=True), (1, 2, 4, 8, 16, 20, 20, 20), strict=True):
        assert longest / 2 <= min(wait) <= max(wait) <= longest
        assert max(wait) - min(wait) > longest / 20


def test_the_deadline_is_the_last_moment_at_which_a_try_begins() -> None:
    clock = FakeClock()
    inner = CountingTarget(MemoryTarget())
    faulty = FaultyTarget(inner, [Fault("stat", times=10**9)])
    with pytest.raises(TargetUnavailable) as raised:
        RetryingTarget(faulty, clock, RetryPolicy(deadline=300)).stat(PACK)
    assert 200 < clock.monotonic() <= 300, "another wait of at most a minute would have been too long"
    assert f"tried {len(clock.slept) + 1} times in" in raised.value.message
    assert raised.value.message.startswith("planned fault before stat")
    assert isinstance(raised.value.__cause__, TargetUnavailable)


def test_after_one_was_given_up_the_others_are_tried_once_until_one_succeeds() -> None:
    clock = FakeClock()
    plan = [Fault("stat", times=10**9), Fault("remove", times=1), Fault("save", times=1), Fault("save", number=3)]
    target = RetryingTarget(FaultyTarget(MemoryTarget(), plan), clock, RetryPolicy(deadline=100))
    with pytest.raises(TargetUnavailable, match="tried"):
        target.stat(PACK)
    waits = len(clock.slept)
    with pytest.raises(TargetUnavailable, match="planned"):
        target.remove(PACK)
    with pytest.raises(TargetUnavailable, match="planned"):
        target.save(PACK, b"x")
    assert len(clock.slept) == waits
    target.save(PACK, b"x")
    target.save(PACK, b"y")
    assert len(clock.slept) == waits + 1
    assert target.load(PACK) == b"y"


def test_an_error_of_another_kind_is_an_answer() -> None:
    clock = FakeClock()
    plan = [Fault("stat", times=10**9), Fault("load", error=TargetDenied), Fault("remove", times=2)]
    target = RetryingTarget(FaultyTarget(MemoryTarget(), plan), clock, RetryPolicy(deadline=100))
    with pytest.raises(TargetUnavailable, match="tried"):
        target.stat(PACK)
    waits = len(clock.slept)
    with pytest.raises(TargetDenied):
        target.load(PACK)
    target.remove(PACK)
    assert len(clock.slept) == waits + 2


def test_the_time_of_the_tries_counts() -> None:
    clock = FakeClock()

    class SlowTarget(MemoryTarget):
        def stat(self, key: str) -> StoredObject:
            clock.advance(70)
            raise TargetUnavailable(f"{key} did not come")

    with pytest.raises(TargetUnavailable, match=r"tried 3 times in 3:3\d"):
        RetryingTarget(SlowTarget(), clock, RetryPolicy(deadline=200)).stat(PACK)


def test_the_hint_and_the_kind_of_the_last_error_stay() -> None:
    class Unwell(MemoryTarget):
        def remove(self, key: str) -> None:
            raise TargetUnavailable(f"{key} stays", hint="type: ping", context={"a": 1})

    with pytest.raises(TargetUnavailable) as raised:
        RetryingTarget(Unwell(), FakeClock()).remove(PACK)
    assert (raised.value.hint, raised.value.context) == ("type: ping", {"a": 1})


@pytest.mark.parametrize("error", [TargetDenied, TargetFull, ObjectMissing])
@pytest.mark.parametrize("kind", _KINDS)
def test_other_errors_are_raised_as_they_are(kind: Kind, error: type[TargetError]) -> None:
    clock = FakeClock()
    with pytest.raises(error, match="planned fault before") as raised:
        do_everything(RetryingTarget(FaultyTarget(MemoryTarget(), [Fault(kind, error=error)]), clock))
    assert "tried" not in raised.value.message
    assert clock.slept == []


def test_nothing_is_waited_for_where_the_policy_has_no_patience() -> None:
    clock = FakeClock()
    target = RetryingTarget(FaultyTarget(MemoryTarget(), [Fault("save")]), clock, RetryPolicy(deadline=0))
    with pytest.raises(TargetUnavailable) as raised:
        target.save(PACK, b"x")
    assert raised.value.message == f"planned fault before save {PACK}"
    assert clock.slept == []


def test_what_an_object_does_not_have_is_not_waited_for() -> None:
    clock, inner = FakeClock(), CountingTarget(MemoryTarget())
    inner.save(PACK, b"0123456789")
    with pytest.raises(TargetUnavailable, match="10 bytes"):
        RetryingTarget(inner, clock).load(PACK, 5, 6)
    assert len(clock.slept) == 1, "it was looked at once more"


def test_bytes_that_got_lost_on_the_way_are_read_again() -> None:
    clock, inner = FakeClock(), FaultyTarget(MemoryTarget(), [Fault("load", times=4), Fault("stat", times=2)])
    inner.save(PACK, b"0123456789")
    assert RetryingTarget(inner, clock).load(PACK, 5, 5) == b"56789"
    assert len(clock.slept) == 6


class StumblingTarget(MemoryTarget):
    """Its listings break off after so many objects each, then are complete."""

    def __init__(self, *after: int) -> None:
        super().__init__()
        self._after = list(after)
        self.listings = 0

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self.listings += 1
        return self._broken(super().list(prefix), self._after.pop(0) if self._after else 10**9)

    def _broken(self, whole: Iterator[StoredObject], after: int) -> Iterator[StoredObject]:
        for number, item in enumerate(whole):
            if number == after:
                raise TargetUnavailable("the listing broke off")
            yield item


def test_a_listing_that_breaks_off_gives_everything_once() -> None:
    inner, clock = StumblingTarget(0, 700, 1500, 1499, 2400), FakeClock()
    keys = {f"data/{number % 256:02x}/{number:064x}" for number in range(2500)}
    for key in keys:
        inner.save(key, b"x")
    found = [item.key for item in RetryingTarget(inner, clock).list("data")]
    assert len(found) == len(keys)
    assert set(found) == keys
    assert inner.listings == 6


def test_a_listing_that_never_comes_to_an_end_is_given_up() -> None:
    inner = StumblingTarget(*[1500] * 1000)
    for number in range(2500):
        inner.save(f"data/00/{number:064x}", b"x")
    listing = RetryingTarget(inner, FakeClock()).list("data")
    with pytest.raises(TargetUnavailable, match=r"broke off \(tried \d+ times"):
        list(listing)


def test_closing_ends_the_waits() -> None:
    waiting = threading.Event()
    target = RetryingTarget(
        FaultyTarget(MemoryTarget(), [Fault("save", times=10**9)]),
        SystemClock(),
        RetryPolicy(first_wait=1000, longest_wait=1000, deadline=10_000),
        lambda _: waiting.set(),
    )
    faults: list[TargetError] = []

    def save() -> None:
        try:
            target.save(PACK, b"x")
        except TargetError as fault:
            faults.append(fault)

    thread = threading.Thread(target=save)
    thread.start()
    assert waiting.wait(60)
    target.close()
    thread.join(60)
    assert [fault.message for fault in faults] == [f"planned fault before save {PACK}"]


def test_an_interruption_of_the_wait_is_passed_on() -> None:
    class ImpatientClock(FakeClock):
        def wait(self, seconds: float, ended: threading.Event) -> bool:  # noqa: ARG002
            raise KeyboardInterrupt

    target = RetryingTarget(FaultyTarget(MemoryTarget(), [Fault("save")]), ImpatientClock())
    with pytest.raises(KeyboardInterrupt):
        target.save(PACK, b"x")


def test_a_try_that_failed_holds_nothing_of_what_was_to_be_saved() -> None:
    class HoldingTarget(MemoryTarget):
        failures = 2

        def save(self, key: str, data: Buffer) -> None:
            part = memoryview(data)[1:3]
            if self.failures:
                self.failures -= 1
                try:
                    raise OSError(f"{key} went away with {len(part)} bytes")
                except OSError as fault:
                    raise TargetUnavailable("broken") from fault
            super().save(key, bytes(data))

    with mmap.mmap(-1, 4096) as content, memoryview(content) as view:
        RetryingTarget(HoldingTarget(), FakeClock()).save(PACK, view)


def test_clocks_that_are_set_back_change_nothing() -> None:
    clock = FakeClock()

    class Backward(FaultyTarget):
        def stat(self, key: str) -> StoredObject:
            clock.set_back(timedelta(hours=1).total_seconds())
            return super().stat(key)

    with pytest.raises(TargetUnavailable, match="tried"):
        RetryingTarget(Backward(MemoryTarget(), [Fault("stat", times=10**9)]), clock).stat(f"keys/{ID}")
    assert clock.monotonic() <= RetryPolicy().deadline


def test_it_is_as_wide_as_what_it_wraps(tmp_path: Path) -> None:
    inner = LocalTarget(tmp_path)
    assert RetryingTarget(inner, FakeClock()).properties == inner.properties
