import pytest

from drorch.actions.snapshots import Reference, SnapshotFilter, find_snapshot, list_snapshots, parse_reference
from drorch.errors import RepositoryError, UsageError
from drorch.ids import SnapshotId
from drorch.repository.repository import Repository
from tests.actions.trees import new_repository, writing


def _story() -> tuple[Repository, list[SnapshotId]]:
    repository = new_repository()
    with writing(repository) as write:
        root = write.tree({b"a": b"1"})
        ids = [
            write.snapshot(root, second=10, host="h", path="/p", tag="x"),
            write.snapshot(root, second=20, host="h", path="/p", tag="x,y"),
            write.snapshot(root, second=30, host="k", path="/q"),
            write.snapshot(root, second=40, host="h", path="/q"),
        ]
    return repository, ids


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (SnapshotFilter(), [0, 1, 2, 3]),
        (SnapshotFilter(hosts=("h",)), [0, 1, 3]),
        (SnapshotFilter(hosts=("h", "k")), [0, 1, 2, 3]),
        (SnapshotFilter(paths=("/p",)), [0, 1]),
        (SnapshotFilter(paths=("/p", "/q")), []),
        (SnapshotFilter(tags=("x",)), [0, 1]),
        (SnapshotFilter(tags=("x,y",)), [1]),
        (SnapshotFilter(tags=("y", "z")), [1]),
        (SnapshotFilter(hosts=("h",), paths=("/q",)), [3]),
    ],
)
def test_filters_choose(chosen: SnapshotFilter, expected: list[int]) -> None:
    repository, ids = _story()
    listed = [item.id for item in list_snapshots(repository, chosen).snapshots]
    assert listed == [ids[number] for number in expected]


def test_the_latest_of_each_host_and_paths() -> None:
    repository, ids = _story()
    assert [item.id for item in list_snapshots(repository, latest=1).snapshots] == ids[1:]


def test_named_ones_in_order_of_time() -> None:
    repository, ids = _story()
    listed = list_snapshots(repository, ids=("latest", ids[0].hex()[:12]))
    assert [item.id for item in listed.snapshots] == [ids[0], ids[3]]


def test_latest_is_the_newest_that_fits() -> None:
    repository, ids = _story()
    assert find_snapshot(repository, "latest").id == ids[3]
    assert find_snapshot(repository, "latest", SnapshotFilter(paths=("/p",))).id == ids[1]
    assert find_snapshot(repository, ids[2].hex()).id == ids[2]
    with pytest.raises(RepositoryError, match="no snapshot that fits"):
        find_snapshot(repository, "latest", SnapshotFilter(hosts=("nowhere",)))


def test_latest_of_a_job_and_never_drorchs_own_state() -> None:
    repository = new_repository()
    with writing(repository) as writer:
        tree = writer.tree({b"file": b"content"})
        ids = [
            writer.snapshot(tree, second=number, tag=f"drorch:job={job}")
            for number, job in enumerate(("homes", "orders", "@state"), start=1)
        ]
    assert find_snapshot(repository, "latest").id == ids[1]
    assert find_snapshot(repository, "latest:homes").id == ids[0]
    assert find_snapshot(repository, "latest:@state").id == ids[2]
    assert find_snapshot(repository, "latest", SnapshotFilter(tags=("drorch:job=@state",))).id == ids[2]
    with pytest.raises(RepositoryError, match="no snapshot that fits"):
        find_snapshot(repository, "latest:other")


def test_no_latest_where_there_is_none() -> None:
    with pytest.raises(RepositoryError, match=r"holds no snapshot$"):
        find_snapshot(new_repository(), "latest")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latest", Reference("latest")),
        ("latest:/etc", Reference("latest", b"/etc")),
        ("latest:homes", Reference("latest:homes")),
        ("latest:homes:/etc", Reference("latest:homes", b"/etc")),
        ("latest:@state", Reference("latest:@state")),
        ("4BBA", Reference("4bba")),
        ("4bba:/a:b", Reference("4bba", b"/a:b")),
        ("4bba:/\udcff", Reference("4bba", b"/\xff")),
    ],
)
def test_references(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["", "newest", "latest:", "latest:Etc", "4bbz", ":/etc", "a" * 65])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(UsageError, match="is not a snapshot"):
        parse_reference(text)
