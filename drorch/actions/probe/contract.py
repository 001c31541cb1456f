"""Steps that try the promises of `Target` that drorch cannot do without, and the right to delete."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from drorch.actions.probe.bench import Bench, Step, folder_of, key_of, noise
from drorch.actions.probe.facts import SEEN, Answer, Finding, no, yes
from drorch.errors import ObjectMissing, TargetDenied, TargetUnavailable
from drorch.storage.target import StoredObject
from drorch.units import KIB

FIRST_KEY = "config"
_PART = 64 * KIB
_TRIES = 5
_LEAST_READS = 10


def reading(bench: Bench) -> Finding:
    """Whether what was saved comes back the same."""
    key, data = key_of("read"), noise(_PART)
    bench.target.save(key, data)
    if bench.target.load(key) != data:
        return no("Other bytes came back than were saved: do not use this target.")
    if bench.target.stat(key) != StoredObject(key, len(data)):
        return no("The size it tells is not the size that was saved: checks cannot trust it.")
    return yes("Bytes and sizes come back as they were saved.")


def ranges(bench: Bench) -> Finding:
    """Whether parts of an object can be read."""
    key, data = key_of("range"), noise(_PART)
    bench.target.save(key, data)
    for offset, length in ((0, 1), (0, 1000), (12345, 4096), (_PART - 7, 7), (_PART - 7, None), (0, _PART)):
        end = None if length is None else offset + length
        try:
            part = bench.target.load(key, offset, length)
        except TargetUnavailable as fault:
            # What is really away does not give the whole object either, and says so itself.
            bench.target.load(key)
            return no(f"Parts of an object cannot be read, so nothing can be restored: {fault.message}.")
        if part != data[offset:end]:
            return no("Parts of an object come back wrong, so nothing can be restored.")
    return yes("A restore fetches only the parts of packs it needs.")


def short_range(bench: Bench) -> Finding:
    """Whether a range beyond the end, and an object that is not there, are errors of the right kind."""
    key = key_of("short")
    bench.target.save(key, noise(1000))
    try:
        bench.target.load(key, 990, 20)
    except TargetUnavailable:
        pass
    else:
        return no("Fewer bytes than asked for are passed off as all: cut-off objects would go unnoticed.")
    try:
        bench.target.load(key_of("short", 1))
    except ObjectMissing:
        return yes("Objects that are cut off or missing are noticed, not restored.")
    return no("What was never saved can be loaded: missing objects would go unnoticed.")


def read_after_write(bench: Bench) -> Finding:
    """Whether a save can be read as soon as it returned."""
    for number in range(_TRIES):
        key, data = key_of("fresh", number), noise(1000)
        bench.target.save(key, data)
        try:
            if bench.target.load(key) != data:
                return no("What was just saved reads as something else: no writer can verify its work.")
        except ObjectMissing:
            return no("What was just saved is not there yet: no writer can verify its work.")
    return yes("What was saved is there as soon as the target says so.")


def list_after_write(bench: Bench) -> Finding:
    """Whether a save is listed as soon as it returned, with its size."""
    for number in range(_TRIES):
        key = key_of("list", number)
        bench.target.save(key, noise(1000 + number))
        if StoredObject(key, 1000 + number) not in list(bench.target.list(folder_of("list"))):
            return no("A new object is not listed at once: two clients may not see each other's locks.")
    return yes("Several clients see each other's locks and snapshots.")


def overwrite(bench: Bench) -> Finding:
    """Whether the newest of several saves under one key is what is read."""
    key = key_of("overwrite")
    for number in range(_TRIES):
        data = noise(500 + number)
        bench.target.save(key, data)
        if bench.target.load(key) != data:
            return no("An overwritten object still reads as before: old indexes and configurations would be used.")
        if [item.size for item in bench.target.list(folder_of("overwrite")) if item.key == key] != [len(data)]:
            return no("An overwritten object is still listed as before: sizes cannot be trusted.")
    return yes("Nobody works with a stale copy.")


def replacing(bench: Bench) -> Finding:
    """Whether a reader beside a writer sees the old or the new object, and nothing else."""
    key = key_of("atomic")
    versions = [noise(8 * KIB + number * 24 * KIB) for number in range(4)]
    bench.target.save(key, versions[0])
    stopped = threading.Event()

    def write() -> None:
        for number in range(bench.extent.replacements):
            if stopped.is_set():
                return
            bench.target.save(key, versions[number % len(versions)])

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            fault = _read_beside(writer, lambda: bench.target.load(key) in versions)
        finally:
            stopped.set()
        writer.result()
    return no(fault) if fault else yes("A reader sees the old or the new object, never a mix.")


def _read_beside(writer: Future[None], read: Callable[[], bool]) -> str:
    """Read until the writer is done, a few times at least; what went wrong."""
    count = 0
    while not writer.done() or count < _LEAST_READS:
        try:
            if not read():
                return "A reader can see half of an object that is being replaced."
        except ObjectMissing:
            return "An object that is being replaced is gone for a moment."
        except TargetUnavailable as fault:
            writer.result()
            # What is really away is away now, too, and says so itself.
            read()
            return f"An object that is being replaced cannot be read: {fault.message}."
        count += 1
    return ""


def deleting(bench: Bench) -> Finding:
    """Whether these credentials may delete."""
    key = key_of("delete")
    bench.target.save(key, noise(1000))
    try:
        bench.target.remove(key)
    except TargetDenied:
        return no("Good: who steals these credentials cannot delete. Forget and prune need others that can.")
    return yes("Forget and prune work. So would an intruder's deletions, where no lock and no version stops them.")


def may_delete(bench: Bench) -> bool:
    """Whether an earlier step could delete."""
    return bench.answered("delete", Answer.YES)


def deletion_seen(bench: Bench) -> Finding:
    """Whether what was removed is gone at once."""
    for number in range(_TRIES):
        key = key_of("gone", number)
        bench.target.save(key, noise(1000))
        bench.target.remove(key)
        if any(item.key == key for item in bench.target.list(folder_of("gone"))):
            return no("A deleted object is still listed: locks would seem to be held by nobody.")
        try:
            bench.target.load(key)
        except ObjectMissing:
            continue
        return no("A deleted object can still be read.")
    return yes("A repository lock that is given up is given up for everybody.")


_YES_OR_NO = frozenset({Answer.YES, Answer.NO})
STEPS = (
    Step("read", "Gives back what it got", "64 KiB, compared", reading, SEEN),
    Step("range", "Gives parts", "6 ranges, compared", ranges, SEEN),
    Step("short", "Never gives too little", "asked beyond the end", short_range, SEEN),
    Step("fresh", "Read right after write", f"{_TRIES} times", read_after_write, SEEN),
    Step("list", "List right after write", f"{_TRIES} times", list_after_write, SEEN),
    Step("overwrite", "Overwrite seen at once", f"{_TRIES} times", overwrite, SEEN),
    Step("atomic", "Replaces in one step", "read beside a writer", replacing, SEEN),
    Step("delete", "May delete", "removed an object", deleting, _YES_OR_NO),
    Step("gone", "Deletion seen at once", f"{_TRIES} times", deletion_seen, SEEN, may_delete),
)
