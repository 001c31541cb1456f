"""Locks: who keeps whom out, and that none is taken for granted or removed while its writer may live."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from drorch.errors import RepositoryLocked, TargetUnavailable
from drorch.process.identity import ProcessIdentity, own_identity
from drorch.repository.layout import FileKind, key_of, stored_ids
from drorch.repository.lock import EXPIRY_SECONDS, STALE_SECONDS, Lock
from drorch.repository.repository import Repository
from tests.doubles import FakeClock, Fault, FaultyTarget
from tests.repository.children import start_python
from tests.repository.fresh import fresh

NOW = "2026-01-02T03:04:05Z"
MANY_YEARS_AGO = "2001-01-01T00:00:00Z"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def repository(clock: FakeClock) -> Repository:
    plain = fresh()
    return Repository(plain.target, plain.master, plain.config, clock)


def lock_of(repository: Repository, exclusive: bool, wait: float = 0.0) -> Lock:
    return Lock(repository.locks, exclusive, timedelta(seconds=wait), repository.clock)


def lock_ids(repository: Repository) -> set[bytes]:
    return {lock_id for lock_id, _ in stored_ids(repository.target, FileKind.LOCK)}


def leave_lock(repository: Repository, **changed: Any) -> bytes:
    """A lock file of another client; None takes a field away."""
    fields = {
        "time": NOW,
        "exclusive": True,
        "hostname": "elsewhere.example",
        "username": "somebody",
        "pid": 4711,
        **changed,
    }
    text = json.dumps({name: value for name, value in fields.items() if value is not None})
    return repository.files.save(FileKind.LOCK, text)


@pytest.mark.parametrize(("held", "wanted"), [(True, True), (True, False), (False, True), (False, False)])
def test_either_side_exclusive_is_a_conflict(repository: Repository, held: bool, wanted: bool) -> None:
    with lock_of(repository, held):
        assert len(lock_ids(repository)) == 1
        if held or wanted:
            with pytest.raises(RepositoryLocked) as caught, lock_of(repository, wanted):
                pass
            assert caught.value.hint
            assert str(os.getpid()) in caught.value.message
            assert len(lock_ids(repository)) == 1
        else:
            with lock_of(repository, wanted):
                assert len(lock_ids(repository)) == 2
    assert lock_ids(repository) == set()


def test_a_lock_is_released_whatever_happens_within(repository: Repository) -> None:
    with pytest.raises(KeyError), lock_of(repository, True):
        raise KeyError
    assert lock_ids(repository) == set()


def test_two_that_come_at_once_do_not_both_get_in(repository: Repository, clock: FakeClock) -> None:
    """Another's lock that appears while ours settles is seen in the second look, and ours is taken back."""

    class Rival(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            leave_lock(repository)

    with pytest.raises(RepositoryLocked, match="elsewhere"), Lock(repository.locks, True, timedelta(0), Rival()):
        pass
    assert len(lock_ids(repository)) == 1
    assert clock.slept == []


def test_a_shared_lock_settles_beside_the_work_and_stops_it_before_it_writes(repository: Repository) -> None:
    with repository.shared_lock() as lock:
        leave_lock(repository)
        with pytest.raises(RepositoryLocked, match="elsewhere"):
            lock.wait_until_settled()
        with pytest.raises(RepositoryLocked, match="elsewhere"):
            lock.assert_held()
    assert len(lock_ids(repository)) == 1


def test_a_reader_that_is_done_before_its_lock_settles_just_leaves(repository: Repository) -> None:
    with repository.shared_lock():
        leave_lock(repository)
    assert len(lock_ids(repository)) == 1


def test_a_lock_that_was_taken_away_is_not_held_any_more(repository: Repository) -> None:
    with lock_of(repository, False) as lock:
        lock.assert_held()
        for lock_id in lock_ids(repository):
            repository.locks.remove(lock_id)
        with pytest.raises(RepositoryLocked, match="taken away"):
            lock.assert_held()
        lock.renew()
        assert lock_ids(repository) == set()
        with pytest.raises(RepositoryLocked, match="taken away"):
            lock.assert_held()


def test_a_lock_is_not_held_before_it_is_entered(repository: Repository) -> None:
    with pytest.raises(RepositoryLocked):
        lock_of(repository, False).assert_held()


def test_a_renewed_lock_is_a_new_file_with_the_present_time(repository: Repository, clock: FakeClock) -> None:
    with lock_of(repository, True) as lock:
        (before,) = repository.locks.read()
        clock.set_back(50)
        clock.advance(1000)
        lock.renew()
        (after,) = repository.locks.read()
        assert after.id != before.id
        assert after.time == repository.locks.now()
        assert replace(after, id=before.id, time=before.time) == before
        lock.assert_held()
    assert lock_ids(repository) == set()


def test_a_lock_that_was_not_renewed_for_too_long_is_not_held_until_it_is(
    repository: Repository, clock: FakeClock
) -> None:
    with lock_of(repository, False) as lock:
        clock.advance(EXPIRY_SECONDS - 1)
        lock.assert_held()
        clock.advance(2)
        with pytest.raises(RepositoryLocked):
            lock.assert_held()
        lock.renew()
        lock.assert_held()


def test_the_wall_clock_turned_back_neither_expires_nor_prolongs_a_lock(
    repository: Repository, clock: FakeClock
) -> None:
    with lock_of(repository, False) as lock:
        clock.set_back(10 * 365 * 86400)
        lock.assert_held()
        clock.advance(EXPIRY_SECONDS + 1)
        with pytest.raises(RepositoryLocked):
            lock.assert_held()


def test_a_renewal_that_could_not_remove_the_old_lock_leaves_nothing_behind(clock: FakeClock) -> None:
    plain = fresh()
    faulty = FaultyTarget(plain.target, [Fault("remove", prefix="locks/")])
    repository = Repository(faulty, plain.master, plain.config, clock)
    with lock_of(repository, False) as lock:
        with pytest.raises(TargetUnavailable):
            lock.renew()
        lock.assert_held()
        assert len(lock_ids(repository)) == 2
        lock.renew()
    assert lock_ids(repository) == set()


def test_a_renewal_that_could_not_write_keeps_the_old_lock(clock: FakeClock) -> None:
    plain = fresh()
    faulty = FaultyTarget(plain.target, [Fault("save", number=2, prefix="locks/")])
    repository = Repository(faulty, plain.master, plain.config, clock)
    with lock_of(repository, False) as lock:
        before = lock_ids(repository)
        with pytest.raises(TargetUnavailable):
            lock.renew()
        lock.assert_held()
        assert lock_ids(repository) == before


def test_waiting_ends_when_the_other_goes(repository: Repository) -> None:
    other = leave_lock(repository)

    class Patient(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.monotonic() > 100:
                repository.locks.remove(other)

    waiting = Patient()
    with Lock(repository.locks, True, timedelta(hours=1), waiting):
        pass
    assert waiting.slept == [5, 10, 20, 40, 60, 0.2]


def test_waiting_ends_when_its_time_is_over(repository: Repository, clock: FakeClock) -> None:
    leave_lock(repository)
    with pytest.raises(RepositoryLocked), lock_of(repository, True, wait=18):
        pass
    assert clock.slept == [5, 10, 3]
    assert len(lock_ids(repository)) == 1


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_stale_lock_of_another_host_still_blocks(repository: Repository, exclusive: bool) -> None:
    left = leave_lock(repository, time=MANY_YEARS_AGO)
    with pytest.raises(RepositoryLocked, match="2001-01-01"), lock_of(repository, exclusive):
        pass
    assert lock_ids(repository) == {left}
    (found,) = repository.locks.read()
    assert found.is_stale(repository.locks.now())
    assert not found.is_provably_gone()


def test_a_lock_of_restic_on_this_host_still_blocks_even_when_its_process_is_gone(repository: Repository) -> None:
    """A pid alone proves nothing: the host may be a container that shares its name with another."""
    left = leave_lock(repository, hostname=socket.gethostname(), pid=gone_pid())
    with pytest.raises(RepositoryLocked), lock_of(repository, False):
        pass
    assert lock_ids(repository) == {left}
    (found,) = repository.locks.read()
    assert found.is_stale(repository.locks.now())


def gone_pid() -> int:
    with start_python("pass") as child:
        child.wait(60)
    return child.pid


@pytest.mark.parametrize(("age", "stale"), [(0, False), (STALE_SECONDS - 5, False), (STALE_SECONDS + 5, True)])
def test_a_lock_grows_stale_in_half_an_hour(repository: Repository, clock: FakeClock, age: float, stale: bool) -> None:
    leave_lock(repository, time="2026-01-02T03:04:05Z")
    clock.advance(age)
    (found,) = repository.locks.read()
    assert found.is_stale(repository.locks.now()) is stale


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"7", b"[7]", b"{}", b"x", b'{"time":"2026-01-02T03:04:05Z"}', b'{"time":7,"exclusive":false}'),
        b'{"time":"yesterday","exclusive":false}',
        b'{"time":"2026-01-02T03:04:05Z","exclusive":false,"pid":"x"}',
    ],
)
def test_a_lock_that_cannot_be_understood_blocks(repository: Repository, content: bytes) -> None:
    left = _save_box(repository, content)
    with pytest.raises(RepositoryLocked) as caught, lock_of(repository, False):
        pass
    assert caught.value.hint
    assert "unlock" in caught.value.hint
    assert lock_ids(repository) == {left}


def _save_box(repository: Repository, content: bytes) -> bytes:
    if content[:1] in (b"[", b"{", b"7"):
        return repository.files.save(FileKind.LOCK, content.decode())
    repository.target.save(key_of(FileKind.LOCK, bytes(32)), repository.box.seal(content))
    return bytes(32)


@pytest.mark.parametrize(
    "identity",
    [
        *("x", [], 7, {}, {"machine": "m"}, {**asdict(own_identity()), "more": 6}),
        *({**asdict(own_identity()), "pid": pid} for pid in ("../1", "\0", 1.5, None, True, 1 << 70)),
        *({**asdict(own_identity()), "started": started} for started in ("1", None, 0.5)),
        *({**asdict(own_identity()), "machine": machine} for machine in (["m"], None)),
        *({**asdict(own_identity()), "boot": boot} for boot in (7, None)),
    ],
)
def test_an_identity_that_is_none_proves_nothing(repository: Repository, identity: Any) -> None:
    left = leave_lock(repository, hostname=socket.gethostname(), drorch=identity)
    with pytest.raises(RepositoryLocked), lock_of(repository, True):
        pass
    assert lock_ids(repository) == {left}


def test_a_damaged_lock_blocks_and_an_empty_one_does_not(repository: Repository) -> None:
    repository.target.save(key_of(FileKind.LOCK, bytes(32)), b"")
    repository.target.save("locks/readme", b"no id")
    with lock_of(repository, True):
        pass
    repository.target.save(key_of(FileKind.LOCK, bytes(32)), b"damaged")
    with pytest.raises(RepositoryLocked, match="cannot be read"), lock_of(repository, False):
        pass


IDENTITY_CHANGES: dict[str, dict[str, Any]] = {"pid reused": {"started": 1}}
STRANGERS: dict[str, dict[str, Any]] = {
    "another machine": {"machine": "another machine", "boot": "another boot"},
    "no machine id": {"machine": "", "boot": "another boot"},
    "another pid namespace": {"namespace": "pid:[1]"},
    "this very process": {},
}
# A container may have no machine id, and then a reboot proves nothing.
(IDENTITY_CHANGES if own_identity().machine else STRANGERS)["rebooted since"] = {"boot": "another boot"}


def leave_lock_of(repository: Repository, hostname: str, changes: dict[str, Any]) -> bytes:
    identity: ProcessIdentity = replace(own_identity(), **changes)
    return leave_lock(repository, hostname=hostname, time=MANY_YEARS_AGO, pid=identity.pid, drorch=asdict(identity))


@pytest.mark.parametrize("changes", IDENTITY_CHANGES.values(), ids=IDENTITY_CHANGES)
def test_a_lock_whose_writer_is_provably_gone_is_removed(repository: Repository, changes: dict[str, Any]) -> None:
    left = leave_lock_of(repository, socket.gethostname(), changes)
    with lock_of(repository, True):
        assert left not in lock_ids(repository)
    assert lock_ids(repository) == set()


@pytest.mark.parametrize("changes", STRANGERS.values(), ids=STRANGERS)
def test_a_lock_whose_writer_may_live_blocks(repository: Repository, changes: dict[str, Any]) -> None:
    left = leave_lock_of(repository, socket.gethostname(), changes)
    with pytest.raises(RepositoryLocked), lock_of(repository, True):
        pass
    assert lock_ids(repository) == {left}


@pytest.mark.parametrize("changes", IDENTITY_CHANGES.values(), ids=IDENTITY_CHANGES)
def test_a_machine_of_another_name_is_another_machine(repository: Repository, changes: dict[str, Any]) -> None:
    left = leave_lock_of(repository, "clone.example", changes)
    with pytest.raises(RepositoryLocked), lock_of(repository, True):
        pass
    assert lock_ids(repository) == {left}


@contextmanager
def hangup_disposition(disposition: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, disposition)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "disposition", [signal.SIG_DFL, signal.SIG_IGN, lambda *_: None], ids=["default", "ignore", "own"]
)
def test_hangups_are_ignored_while_a_lock_is_held_and_not_after(repository: Repository, disposition: Any) -> None:
    with hangup_disposition(disposition):
        with lock_of(repository, False):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with lock_of(repository, False):
                pass
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == disposition
        leave_lock(repository)
        with pytest.raises(RepositoryLocked), lock_of(repository, False):
            pass
        assert signal.getsignal(signal.SIGHUP) == disposition


def test_a_lock_may_be_taken_by_a_thread(repository: Repository) -> None:
    seen: list[int] = []

    def hold() -> None:
        with lock_of(repository, True) as lock:
            lock.assert_held()
            seen.append(len(lock_ids(repository)))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join(30)
    assert seen == [1]
    assert lock_ids(repository) == set()


def test_renewing_goes_on_in_the_background_only_until_release(repository: Repository) -> None:
    with lock_of(repository, False):
        assert [thread.name for thread in threading.enumerate()].count("lock renewer") == 1
    assert "lock renewer" not in [thread.name for thread in threading.enumerate()]
