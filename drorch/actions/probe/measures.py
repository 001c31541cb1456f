"""Steps that measure: how fast the target is, how its clock goes, how much room it has, how far its listings go."""

from collections.abc import Callable
from datetime import timedelta
from statistics import median

from drorch.actions.probe.bench import ANY, Bench, Extent, Step, folder_of, key_of, noise
from drorch.actions.probe.facts import Answer, Finding, left_out, measured, no, unknown, yes
from drorch.repository.parallel import work_through
from drorch.storage.abilities import NotOffered
from drorch.units import GIB, MIB, format_size, rough_span, size_text

TIB = 1024 * GIB
_CLOCKS_AGREE = timedelta(seconds=60)
_SLOW_SECONDS = 0.25
_LITTLE_ROOM = 0.1


def latency(bench: Bench) -> Finding:
    """How long one small save and one small load take, the median of some."""
    keys = [key_of("latency", number) for number in range(bench.extent.small_count)]
    data = noise(bench.extent.small_bytes)
    save = median(bench.timed(lambda key=key: bench.target.save(key, data)) for key in keys)  # type: ignore[misc]
    _forget(bench, keys)
    load = median(bench.timed(lambda key=key: bench.target.load(key)) for key in keys)  # type: ignore[misc]
    shown = f"{_milliseconds(save)} / {_milliseconds(load)}"
    if max(save, load) > _SLOW_SECONDS:
        meaning = "Slow: whatever touches many small objects (check, prune) takes long here."
    else:
        meaning = f"One connection makes about {1 / save:.0f} saves or {1 / load:.0f} loads a second."
    return measured(shown, meaning, save_seconds=save, load_seconds=load)


def many_keys(bench: Bench) -> Finding:
    """Whether more objects are listed than a page of a listing has; tried only where that is quick."""
    count, width = bench.extent.page, bench.target.properties.connections
    if reason := _stays(bench):
        return left_out(f"Not tried: {reason}, and {count} objects would stay.")
    if "save_seconds" not in bench.known["latency"].finding.figures:
        return left_out("Not tried: how long it would take is not known.")
    expected = bench.known["latency"].finding.figures["save_seconds"] * count / width
    if expected > bench.extent.patience.total_seconds():
        return left_out(
            f"Not tried: saving {count} objects would take about {rough_span(timedelta(seconds=expected))}."
        )
    keys = {key_of("many", number) for number in range(count)}
    work_through(keys, lambda key, _stopped: bench.target.save(key, b"x"), width)
    listed = [item.key for item in bench.target.list(folder_of("many")) if item.key in keys]
    if len(listed) != count or set(listed) != keys:
        return no(f"Of {count} objects {len(set(listed))} were listed: drorch would take packs for lost.")
    return yes("Long listings are whole, with nothing twice.")


def clock_skew(bench: Bench) -> Finding:
    """How far the target's clock is from this machine's."""
    clocked = bench.abilities.clocked
    assert clocked is not None
    before = bench.clock.now()
    there = clocked.time_there()
    after = bench.clock.now()
    skew = (there - before - (after - before) / 2).total_seconds()
    doubt = 1.0 + (after - before).total_seconds() / 2
    shown = f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}" if abs(skew) > doubt else "same time"
    if abs(skew) > _CLOCKS_AGREE.total_seconds() + doubt:
        meaning = "Set both clocks (timedatectl set-ntp true): locks and retention go by them, S3 refuses 15 minutes."
        return Finding(Answer.NO, meaning, shown, {"skew_seconds": skew, "doubt_seconds": doubt})
    return Finding(Answer.YES, "Times of locks and of retention mean the same here and there.", shown,
                   {"skew_seconds": skew, "doubt_seconds": doubt})  # fmt: skip


def upload(bench: Bench) -> Finding:
    """How fast large objects go there: one, and some more beside each other where that one was quick."""
    if reason := _stays(bench):
        return left_out(f"Not measured: {reason}, and large objects would stay.")
    extent, width = bench.extent, bench.target.properties.connections
    content = noise(extent.large_bytes)
    seconds = bench.timed(lambda: bench.target.save(key_of("large"), content))
    if extent.large_count == 1 or seconds * extent.large_count > extent.patience.total_seconds():
        return _speed(bench, "To back up 1 TiB", 1, seconds)
    more = {key_of("large", number): noise(extent.large_bytes) for number in range(1, extent.large_count)}
    seconds = bench.timed(
        lambda: work_through(more, lambda key, _stopped: bench.target.save(key, more[key]), min(width, len(more)))
    )
    return _speed(bench, "To back up 1 TiB", len(more), seconds)


def download(bench: Bench) -> Finding:
    """How fast large objects come back."""
    count = int(bench.known["upload"].finding.figures["objects"])
    first = 0 if count == 1 else 1
    keys = [key_of("large", number) for number in range(first, first + count)]
    width = min(bench.target.properties.connections, count)
    _forget(bench, keys)

    def load(key: str, _stopped: Callable[[], bool]) -> None:
        bench.target.load(key)

    return _speed(bench, "To restore 1 TiB", count, bench.timed(lambda: work_through(keys, load, width)))


def space(bench: Bench) -> Finding:
    """How much room is left."""
    spacious = bench.abilities.spacious
    assert spacious is not None
    try:
        found = spacious.space()
    except NotOffered:
        return unknown("The server does not say: watch its disk from there.")
    free = f"{format_size(found.free)} free"
    if not found.total:
        return measured(free, "So much can be added, quotas aside.", free_bytes=found.free)
    share = found.free / found.total
    little = "Little: make room before a backup fails. " if share < _LITTLE_ROOM else ""
    meaning = f"{little}{share:.0%} of {format_size(found.total)}, quotas aside."
    return measured(free, meaning, free_bytes=found.free, total_bytes=found.total)


def _speed(bench: Bench, what: str, count: int, seconds: float) -> Finding:
    rate = count * bench.extent.large_bytes / seconds
    long = rough_span(timedelta(seconds=TIB / rate))
    figures = {"bytes_per_second": rate, "objects": float(count), "seconds_per_tib": TIB / rate}
    return measured(f"{rate / MIB:.1f} MiB/s", f"{what} takes about {long} at this rate.", **figures)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def _forget(bench: Bench, keys: list[str]) -> None:
    if bench.abilities.cached is not None:
        for key in keys:
            bench.abilities.cached.forget(key)


def _stays(bench: Bench) -> str:
    """Why what is saved here cannot be removed at once; "" where it can."""
    if bench.answered("delete", Answer.NO):
        return "nothing can be removed here with these credentials"
    locking = bench.abilities.locking
    retention = locking.default_retention() if locking is not None else None
    return f"what is saved here is locked for {rough_span(retention)}" if retention else ""


def _has_uploaded(bench: Bench) -> bool:
    return "objects" in bench.known["upload"].finding.figures


def steps(extent: Extent) -> tuple[Step, ...]:
    """The steps, for so much work."""
    small, large = size_text(extent.small_bytes), size_text(extent.large_bytes)
    whole = ANY - {Answer.NO}
    return (
        Step("latency", "Latency, save / load", f"{extent.small_count} times {small}", latency),
        Step("many", "Lists beyond a page", f"{extent.page} objects", many_keys, whole),
        Step("clock", "Clocks agree", "read its clock", clock_skew, applies=lambda b: bool(b.abilities.clocked)),
        Step("upload", "Upload speed", f"objects of {large}", upload),
        Step("download", "Download speed", f"objects of {large}", download, applies=_has_uploaded),
        Step("space", "Free space", "asked its disk", space, applies=lambda b: bool(b.abilities.spacious)),
    )
