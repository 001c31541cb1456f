"""Path history says of every path what it was in every snapshot, however the snapshots came in."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drorch.catalog.engine import sqlite_engine
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.paths.rebuilding import rebuild
from drorch.catalog.paths.recording import Changes, HistoryGap, Recorder
from drorch.catalog.paths.searching import Search
from drorch.catalog.paths.values import FoundPath, Match, PathEntry, PathQuery, PathState, SnapshotListing
from drorch.catalog.schema import PATHS
from drorch.errors import CatalogError
from drorch.ids import SnapshotId
from drorch.model.hold import Lineage
from tests.catalog.making import HOMES, file, file_state, gone, hours, recorded, snapshot_id

Listing = Mapping[bytes, PathState]

_PATHS = [b"/", b"/a", b"/a/b", b"/a/b/c", b"/a b", b"/\xff/\x01", b"/d/e"]
_LISTINGS = st.lists(
    st.dictionaries(st.sampled_from(_PATHS), st.integers(0, 2).map(file_state)), min_size=1, max_size=6
)


def _entries(listing: Listing) -> list[PathEntry]:
    return [PathEntry(path, state) for path, state in listing.items()]


def _difference(old: Listing, new: Listing) -> list[PathEntry]:
    came = [PathEntry(path, state) for path, state in new.items() if old.get(path) != state]
    return came + [PathEntry(path, None) for path in old if path not in new]


def _as_told(search: Search, path: bytes, numbers: range) -> list[PathState | None]:
    """What the path was in each snapshot, according to its history."""
    told: list[PathState | None] = [None for _ in numbers]
    for history in search.history(path):
        for version in history.versions:
            first, last = (int.from_bytes(one.id, "big") for one in (version.first, version.last))
            assert last - first + 1 == version.snapshots
            for number in range(first, last + 1):
                assert told[number - numbers.start] is None
                told[number - numbers.start] = version.state
            assert version.ended == (hours(last + 1) if last < numbers[-1] else None)
        assert (history.vanished is None) == (told[-1] is not None)
    return told


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listings=_LISTINGS, by_delta=st.lists(st.booleans(), min_size=6, max_size=6))
def test_history_says_what_was_in_each_snapshot(
    tmp_path_factory: pytest.TempPathFactory, listings: list[Listing], by_delta: list[bool]
) -> None:
    engine = sqlite_engine(tmp_path_factory.mktemp("paths") / "paths.sqlite", synchronous="OFF")
    upgrade(engine, PATHS)
    recorder, search = Recorder(engine), Search(engine)
    before: Listing = {}
    for number, (listing, delta) in enumerate(zip(listings, by_delta, strict=False), 1):
        if delta:
            recorder.record_delta(recorded(number), recorder.newest(HOMES), _difference(before, listing))
        else:
            recorder.record_listing(recorded(number), _entries(listing))
        before = listing
    numbers = range(1, len(listings) + 1)
    for path in _PATHS:
        assert _as_told(search, path, numbers) == [listing.get(path) for listing in listings]
    engine.dispose()


def test_what_changed_is_counted(catalog: Catalog) -> None:
    first = [file("/a"), file("/b"), file("/c")]
    assert catalog.recorder.record_listing(recorded(1), first) == Changes(added=3)
    second = [file("/a"), file("/b", 1), file("/d"), gone("/c"), gone("/never")]
    assert catalog.recorder.record_delta(recorded(2), snapshot_id(1), second) == Changes(1, 1, 1)
    assert catalog.recorder.record_delta(recorded(2), snapshot_id(1), second) == Changes(), "it is recorded already"
    assert catalog.recorder.newest(HOMES) == snapshot_id(2)


def test_a_difference_to_another_snapshot_than_the_newest_is_a_gap(catalog: Catalog) -> None:
    catalog.recorder.record_listing(recorded(1), [file("/a")])
    with pytest.raises(HistoryGap):
        catalog.recorder.record_delta(recorded(3), snapshot_id(2), [gone("/a")])
    with pytest.raises(HistoryGap):
        catalog.recorder.record_delta(recorded(3), None, [file("/b")])
    assert catalog.search.history(b"/a")[0].vanished is None


def test_lineages_are_apart(catalog: Catalog) -> None:
    other = Lineage("web2", "homes")
    catalog.recorder.record_listing(recorded(1), [file("/a")])
    catalog.recorder.record_listing(recorded(2, other), [file("/a", 5)])
    catalog.recorder.record_listing(recorded(3), [])
    of_web1, of_web2 = catalog.search.history(b"/a")
    assert (of_web1.lineage, of_web1.vanished) == (HOMES, hours(3))
    assert (of_web2.lineage, of_web2.vanished) == (other, None)
    assert catalog.search.history(b"/a", host="web2") == [of_web2]
    assert catalog.search.history(b"/a", job="etc") == []
    assert [one.id for one in catalog.search.snapshots(other)] == [snapshot_id(2)]


def test_a_lineage_is_renamed_unless_the_name_is_taken(catalog: Catalog) -> None:
    new, taken = Lineage("web1", "people"), Lineage("web1", "etc")
    catalog.recorder.record_listing(recorded(1), [file("/a")])
    catalog.recorder.record_listing(recorded(2, taken), [file("/a")])
    with pytest.raises(CatalogError, match="there is a history of etc on web1 already"):
        catalog.recorder.rename(HOMES, taken)
    catalog.recorder.rename(HOMES, new)
    assert [one.lineage for one in catalog.search.history(b"/a")] == [taken, new]
    assert catalog.recorder.newest(new) == snapshot_id(1)


def test_many_more_paths_than_a_batch(catalog: Catalog) -> None:
    listing = {f"/many/{number:05}".encode(): file_state(0) for number in range(5_500)}
    catalog.recorder.record_listing(recorded(1), _entries(listing))
    rest = dict(list(listing.items())[:2_000])
    assert catalog.recorder.record_listing(recorded(2), _entries(rest)) == Changes(removed=3_500)
    assert catalog.search.history(b"/many/05499")[0].vanished == hours(2)
    present = PathQuery(b"*", only_present=True, limit=10_000)
    assert len(catalog.search.find(present)) == 2_000


def test_dropped_snapshots_take_their_own_versions_with_them(catalog: Catalog) -> None:
    for number in range(1, 6):
        entries = [file("/same"), file("/each", number), *([file("/once")] if number == 2 else [])]
        catalog.recorder.record_listing(recorded(number), entries)
    catalog.recorder.drop([snapshot_id(2), snapshot_id(5)])
    assert [version.first.id for version in catalog.search.history(b"/each")[0].versions] == [
        snapshot_id(number) for number in (1, 3, 4)
    ]
    assert catalog.search.history(b"/once") == []
    same = catalog.search.history(b"/same")[0].versions[0]
    assert (same.first.id, same.last.id, same.snapshots) == (snapshot_id(1), snapshot_id(4), 3)
    catalog.recorder.record_delta(recorded(6), snapshot_id(5), [file("/each", 6)])
    assert catalog.search.history(b"/same")[0].versions[0].last.id == snapshot_id(6)
    assert catalog.damage() == []


_FOUND = ["/etc/nginx/site.conf", "/etc/site.conf", "/home/Ü/Site.CONF", "/home/ü/[x]/a\nb.txt", "/siteXconf"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (PathQuery(b"*.conf"), [0, 1]),
        (PathQuery(b"*.conf", ignore_case=True), [0, 1, 2]),
        (PathQuery(b"site?conf"), [0, 1, 4]),
        (PathQuery(b"site[.X]conf"), [0, 1, 4]),
        (PathQuery(b"site[!X]conf"), [0, 1]),
        (PathQuery(b"/etc/*.conf"), [1]),
        (PathQuery(b"/etc/**/*.conf"), [0, 1]),
        (PathQuery(b"/etc/**"), [0, 1]),
        (PathQuery(b"nginx/*"), [0]),
        (PathQuery(b"[[]x]/*"), [3]),
        (PathQuery(b"a?b.txt"), [3]),
        (PathQuery(b"SITE.", Match.SUBSTRING, ignore_case=True), [0, 1, 2]),
        (PathQuery("/ü/".encode(), Match.SUBSTRING), [3]),
        (PathQuery("/ü/".encode(), Match.SUBSTRING, ignore_case=True), [2, 3]),
        (PathQuery(b"site.conf", Match.NAME), [0, 1]),
        (PathQuery(b"*", Match.NAME), []),
        (PathQuery(b"*.conf", limit=1), [0]),
        (PathQuery(b"*.conf", host="web2"), []),
        (PathQuery(b"[", Match.GLOB), []),
        (PathQuery(b"[]", Match.GLOB), []),
        (PathQuery(b"[z-a]", Match.GLOB), []),
    ],
)
def test_paths_are_found(catalog: Catalog, query: PathQuery, expected: list[int]) -> None:
    catalog.recorder.record_listing(recorded(1), [file(path) for path in _FOUND])
    assert [one.path.decode() for one in catalog.search.find(query)] == [_FOUND[number] for number in expected]


def test_what_is_found_tells_its_newest_version_and_whether_it_is_there(catalog: Catalog) -> None:
    catalog.recorder.record_listing(recorded(1), [file("/x/a", 1), file("/x/b", 1)])
    catalog.recorder.record_listing(recorded(2), [file("/x/a", 2)])
    a, b = catalog.search.find(PathQuery(b"/x/*"))
    assert (a.present, a.newest.state, a.newest.first.id) == (True, file_state(2), snapshot_id(2))
    assert (b.present, b.newest.state, b.newest.ended) == (False, file_state(1), hours(2))
    assert catalog.search.find(PathQuery(b"/x/*", only_present=True)) == [a]


def _all(place: CatalogPlace) -> list[FoundPath]:
    with open_catalog(place, upgrade) as opened:
        return opened.search.find(PathQuery(b"*"))


def test_a_rebuild_takes_the_place_of_what_was_there(catalog: Catalog, place: CatalogPlace) -> None:
    catalog.recorder.record_listing(recorded(9), [file("/stale")])
    listings = [SnapshotListing(recorded(number), [file("/a", number)]) for number in (1, 2)]
    assert rebuild(place.paths_file, listings, upgrade) == 2
    assert [one.path for one in catalog.search.find(PathQuery(b"*"))] == [b"/a"], "an open catalog sees it"
    assert len(catalog.search.history(b"/a")[0].versions) == 2
    with pytest.raises(HistoryGap):
        catalog.recorder.record_delta(recorded(10), snapshot_id(9), [])
    catalog.recorder.record_delta(recorded(3), snapshot_id(2), [gone("/a")])
    assert catalog.search.history(b"/a")[0].vanished == hours(3)


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 500, None])
def test_a_rebuild_mends_what_is_damaged_or_lost(place: CatalogPlace, damage: bytes | None) -> None:
    open_catalog(place, upgrade).close()
    place.paths_file.unlink()
    if damage is not None:
        place.paths_file.write_bytes(damage)
    rebuild(place.paths_file, [SnapshotListing(recorded(1), [file("/a")])], upgrade)
    assert [one.path for one in _all(place)] == [b"/a"]
    assert sorted(path.name for path in place.state_dir.glob("paths.sqlite.new*")) == []


def test_a_rebuild_that_fails_leaves_what_was_there(catalog: Catalog, place: CatalogPlace) -> None:
    catalog.recorder.record_listing(recorded(1), [file("/old")])

    def unreadable() -> list[SnapshotListing]:
        raise CatalogError("a target went away")

    listings = (listing for _ in range(1) for listing in unreadable())
    with pytest.raises(CatalogError, match="a target went away"):
        rebuild(place.paths_file, listings, upgrade)
    assert [one.path for one in catalog.search.find(PathQuery(b"*"))] == [b"/old"]


def test_a_snapshot_another_process_takes_over_is_not_made_to_count(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "paths.sqlite")
    upgrade(engine, PATHS)
    slow, other = Recorder(engine), Recorder(engine)

    def entries() -> list[PathEntry]:
        other.record_listing(recorded(2), [file("/other")])
        return [file("/slow")]

    with pytest.raises(CatalogError, match="another process records"):
        slow.record_listing(recorded(1), (entry for _ in range(1) for entry in entries()))
    assert [one.id for one in Search(engine).snapshots()] == [SnapshotId(snapshot_id(2))]
    assert Search(engine).history(b"/slow") == []
    engine.dispose()
