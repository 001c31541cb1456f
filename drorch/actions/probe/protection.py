"""Steps that try what keeps saved objects from being replaced or removed: conditions, versions, locks."""

from datetime import UTC, datetime, timedelta

from drorch.actions.probe.bench import ANY, Bench, Step, key_of, noise
from drorch.actions.probe.facts import SEEN, Answer, Finding, never, no, not_run, unknown, yes
from drorch.errors import DrorchError, TargetDenied
from drorch.storage.abilities import NotOffered

_ROUNDING = timedelta(seconds=2)
_NO_KIND = "This kind of target has none"


def conditional(bench: Bench) -> Finding:
    """Whether a save that must not replace anything is refused where there is something."""
    able = bench.abilities.conditional
    if able is None:
        return never(f"{_NO_KIND}; drorch does without.")
    key, data = key_of("conditional"), noise(1000)
    try:
        if not able.save_new(key, data):
            return no("A save under a new key was refused as if it were taken; drorch does without.")
        replaced = able.save_new(key, noise(1000))
    except NotOffered as fault:
        return no(f"The server cannot do it; drorch does without. It said: {fault.message}.")
    if replaced or bench.target.load(key) != data:
        return no("The server ignores the condition and replaces; drorch does without.")
    return yes("Of two who write one key at once only one wins; drorch does not rely on it.")


def versioning(bench: Bench) -> Finding:
    """Whether what is overwritten stays as an older version that can be loaded."""
    able = bench.abilities.versioned
    if able is None:
        return never(f"{_NO_KIND}: what is overwritten or deleted is gone. Snapshots of its disk may stand in.")
    said = able.says_versioned()
    key, older, newer = key_of("version"), noise(1000), noise(1001)
    bench.target.save(key, older)
    bench.target.save(key, newer)
    try:
        found = able.versions(key)
    except NotOffered:
        return no("The server keeps no versions: what is overwritten or deleted is gone.")
    except TargetDenied as fault:
        claims = "The bucket says that it keeps versions, but these" if said else "These"
        return not_run(f"{claims} credentials may not list them: {fault.message}.")
    if len(found) < 2:
        claims = " although the bucket says so" if said else ""
        return no(f"No older version is kept{claims}: what is overwritten or deleted is gone.")
    if able.load_version(key, found[1]) != older or able.load_version(key, found[0]) != newer:
        return no("Versions are listed, but do not hold what was saved: they save nothing.")
    return yes("What is overwritten or deleted stays as an older version: drorch target undelete brings it back.")


def erasing(bench: Bench) -> Finding:
    """Whether these credentials may remove an older version for good."""
    able = bench.abilities.versioned
    assert able is not None
    key = key_of("version")
    try:
        able.remove_version(key, able.versions(key)[-1])
    except TargetDenied:
        return no("Good: who steals these credentials can hide objects, but not erase them.")
    return yes("Who steals these credentials can erase older versions, too, where no lock holds them.")


def locking(bench: Bench) -> Finding:
    """Whether a lock that is put on an object is there when it is asked for."""
    able = bench.abilities.locking
    if able is None:
        return never(f"{_NO_KIND}: whoever may write here may delete all of it.")
    key = key_of("lock")
    until = (_time_there(bench) + bench.extent.lock).replace(microsecond=0)
    try:
        version = able.save_locked(key, noise(100), until)
    except NotOffered as fault:
        return no(f"This server or bucket takes no locks: what is saved here can be deleted. It said: {fault.message}.")
    except TargetDenied as fault:
        return not_run(f"These credentials may not lock objects: {fault.message}.")
    try:
        kept = able.locked_until(key, version) if version else None
    except NotOffered:
        kept = None
    except TargetDenied as fault:
        return not_run(f"These credentials may not read locks: {fault.message}.")
    if kept is None:
        return no("It takes locks without an error and keeps none: it only pretends.")
    if kept < until - _ROUNDING:
        return no("It locks for less time than it was asked for.")
    return yes(f"A lock is kept as it was asked for (governance mode, {bench.extent.lock.seconds} s).")


def lock_holds(bench: Bench) -> Finding:
    """Whether a locked version cannot be removed, while one that is not locked can."""
    locker, able = bench.abilities.locking, bench.abilities.versioned
    assert locker is not None
    assert able is not None
    key = key_of("lock", 1)
    unlocked = able.save_version(key, noise(100))
    version = locker.save_locked(key, noise(100), _time_there(bench) + bench.extent.lock)
    try:
        able.remove_version(key, version)
    except TargetDenied:
        pass
    else:
        return no("A locked object could be removed: the lock only pretends.")
    try:
        able.remove_version(key, unlocked)
    except TargetDenied:
        return unknown("Good as far as it goes: these credentials may remove no version, locked or not.")
    return yes("What is locked cannot be removed before its time, not even by its writer.")


def lifting(bench: Bench) -> Finding:
    """Whether these credentials may lift a lock of governance mode."""
    locker = bench.abilities.locking
    assert locker is not None
    key = key_of("lock", 2)
    version = locker.save_locked(key, noise(100), _time_there(bench) + bench.extent.lock)
    try:
        locker.lift_and_remove(key, version)
    except TargetDenied:
        return no("Good: who steals these credentials is stopped by governance locks, too.")
    return yes("Governance locks do not stop a thief of these credentials: take away s3:BypassGovernanceRetention.")


def _time_there(bench: Bench) -> datetime:
    """The target's own time: a lock until a time that has passed there would be refused."""
    if bench.abilities.clocked is not None:
        try:
            return bench.abilities.clocked.time_there().astimezone(UTC)
        except DrorchError:
            return bench.clock.now()
    return bench.clock.now()


def _versioned(bench: Bench) -> bool:
    return bench.answered("versions", Answer.YES)


def _locks(bench: Bench) -> bool:
    return bench.answered("lock", Answer.YES) and bench.abilities.versioned is not None


def steps(*, relied_on: bool) -> tuple[Step, ...]:
    """The steps; `relied_on`: the configuration wants object lock here, so it must be seen to hold."""
    kept = SEEN if relied_on else ANY
    holds = SEEN | {Answer.UNKNOWN} if relied_on else ANY - {Answer.NO}
    return (
        Step("conditional", "Conditional save", "saved one key twice", conditional),
        Step("versions", "Keeps older versions", "overwrote, loaded both", versioning),
        Step("erase", "May erase versions", "removed an older one", erasing, applies=_versioned),
        Step("lock", "Object lock", "locked, read it back", locking, kept),
        Step("holds", "Lock holds", "tried to remove it", lock_holds, holds, _locks),
        Step("lift", "May lift locks", "lifted one, removed it", lifting, applies=_locks),
    )
