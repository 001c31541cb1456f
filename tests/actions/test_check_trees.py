"""Trees that no client should write: what check says of each, and whom it names."""

from dataclasses import replace

import pytest

from drorch.actions.check import CheckReport, CheckRequest, Finding, FindingKind, ReadAll, check
from drorch.ids import BlobId, SnapshotId, TreeId
from drorch.repository.check.findings import MOST_ALIKE, MOST_PATHS, MOST_SNAPSHOTS
from drorch.repository.check.trees import MOST_LEVELS
from drorch.repository.node import Node, NodeType, encode_node
from drorch.repository.pack import BlobType
from tests.repository.blobs import Plain
from tests.repository.crafted import Crafted, data, file, folder, tree

CONTENT = data("content")
SUBTREE = tree()
GOOD = file("good", CONTENT)


def report_of(docs: Plain, *more: Plain) -> tuple[CheckReport, SnapshotId]:
    """Check a snapshot that has this tree as /docs."""
    made = Crafted()
    root = tree(folder("docs", docs))
    trees = {blob.id: blob for blob in (docs, root, SUBTREE, *more)}
    made.indexed(CONTENT)
    made.indexed(*trees.values())
    snapshot = made.snapshot(root)
    return check(made.reopened(), CheckRequest(ReadAll())), snapshot


def only_finding(docs: Plain, kind: FindingKind) -> Finding:
    """The one finding about a tree, after looking that it stands in the way of trust."""
    report, snapshot = report_of(docs)
    assert [finding.kind for finding in report.findings] == [kind]
    finding = report.findings[0]
    assert [need.snapshot for need in finding.needed_by] == [snapshot]
    assert [(one.sound, one.read) for one in report.snapshots] == [(False, False)]
    assert report.exit_code == 13
    return finding


def paths(finding: Finding) -> tuple[str, ...]:
    (need,) = finding.needed_by
    assert need.more == 0
    return need.paths


def encoded(node: Node, old: str, new: str) -> str:
    """A node's JSON with one thing in it replaced."""
    text = encode_node(node)
    assert text.count(old) == 1, text
    return text.replace(old, new)


@pytest.mark.parametrize(
    "blob",
    [b"", b"no json", b"[]", b'{"nodes":7}\n', b'{"nodes":[{"name":"x"}]}\n', b'{"nodes":[7]}\n'],
)
def test_a_tree_that_is_none(blob: bytes) -> None:
    docs = Plain(BlobType.TREE, blob, compressed=bool(blob))
    finding = only_finding(docs, FindingKind.TREE_UNREADABLE)
    assert finding.subject == docs.id.hex()
    assert paths(finding) == ("/docs",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name":"good"', '"name":"go\\"od"'),
        ('"mtime":"20', '"mtime":"soon'),
        (CONTENT.id.hex(), "zz"),
        ('"uid":0', '"uid":"0"'),
    ],
)
def test_a_tree_with_a_node_that_cannot_be_understood(old: str, new: str) -> None:
    assert paths(only_finding(tree(encoded(GOOD, old, new)), FindingKind.TREE_UNREADABLE)) == ("/docs",)


def test_names_that_are_not_sorted() -> None:
    docs = tree(file("b", CONTENT), file("a", CONTENT), file("c", CONTENT))
    finding = only_finding(docs, FindingKind.TREE_UNSORTED)
    assert '"a" comes after "b"' in finding.message
    assert paths(finding) == ("/docs",)


def test_names_are_sorted_by_bytes() -> None:
    docs = tree(file(b"Z", CONTENT), file(b"a", CONTENT), file("é".encode(), CONTENT), file(b"\xff", CONTENT))
    assert report_of(docs)[0].findings == ()


def test_names_that_occur_twice() -> None:
    finding = only_finding(tree(file("a", CONTENT), file("a", CONTENT)), FindingKind.TREE_DUPLICATE_NAME)
    assert '2 nodes named "a"' in finding.message
    assert paths(finding) == ("/docs/a",)


def test_names_that_occur_twice_far_apart() -> None:
    report, _ = report_of(tree(file("a", CONTENT), file("b", CONTENT), file("a", CONTENT)))
    assert [finding.kind for finding in report.findings] == [
        FindingKind.TREE_UNSORTED,
        FindingKind.TREE_DUPLICATE_NAME,
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc"])
def test_names_that_lead_elsewhere(name: str) -> None:
    finding = only_finding(tree(file(name, CONTENT)), FindingKind.NODE_UNSAFE_NAME)
    assert paths(finding) == ((f"/docs/{name}",) if name else ("/docs",))


def test_a_name_that_is_not_utf8_is_fine_and_can_be_named() -> None:
    lost = data("lost")
    report, _ = report_of(tree(file(b"\xff", CONTENT), file(b"\xff\xfe", lost)))
    assert [finding.kind for finding in report.findings] == [FindingKind.BLOB_NOT_INDEXED]
    assert paths(report.findings[0]) == ("/docs/\udcff\udcfe",)


@pytest.mark.parametrize("kind", ["irregular", "", "door"])
def test_an_unknown_type(kind: str) -> None:
    docs = tree(replace(GOOD, type=kind, content=None, size=0))
    assert paths(only_finding(docs, FindingKind.NODE_UNKNOWN_TYPE)) == ("/docs/good",)


def test_a_socket_is_known() -> None:
    assert report_of(tree(replace(GOOD, type=NodeType.SOCKET, content=None, size=0)))[0].findings == ()


def test_a_file_without_content() -> None:
    docs = tree(replace(GOOD, content=None))
    assert paths(only_finding(docs, FindingKind.FILE_WITHOUT_CONTENT)) == ("/docs/good",)


def test_a_folder_without_subtree() -> None:
    docs = tree(replace(folder("sub", SUBTREE), subtree=None))
    assert paths(only_finding(docs, FindingKind.DIR_WITHOUT_SUBTREE)) == ("/docs/sub",)


@pytest.mark.parametrize(
    ("size", "content"), [(8, (CONTENT,)), (6, (CONTENT,)), (0, (CONTENT,)), (7, ()), (7, (CONTENT, CONTENT))]
)
def test_a_file_of_another_size_than_its_content(size: int, content: tuple[Plain, ...]) -> None:
    docs = tree(replace(file("f", *content), size=size))
    finding = only_finding(docs, FindingKind.FILE_SIZE)
    assert f"{size} bytes long, its content has {7 * len(content)}" in finding.message
    assert paths(finding) == ("/docs/f",)


def test_the_size_of_a_file_is_not_judged_where_a_part_is_unknown() -> None:
    report, _ = report_of(tree(replace(file("f", CONTENT, data("lost")), size=99)))
    assert [finding.kind for finding in report.findings] == [FindingKind.BLOB_NOT_INDEXED]


def test_content_that_is_a_tree() -> None:
    docs = tree(replace(file("f"), content=(SUBTREE.id,), size=len(SUBTREE.content)))
    finding = only_finding(docs, FindingKind.BLOB_WRONG_TYPE)
    assert finding.subject == SUBTREE.id.hex()
    assert paths(finding) == ("/docs/f",)


def test_a_subtree_that_is_data() -> None:
    docs = tree(replace(folder("sub", SUBTREE), subtree=TreeId(CONTENT.id)))
    assert paths(only_finding(docs, FindingKind.BLOB_WRONG_TYPE)) == ("/docs/sub",)


def test_a_subtree_that_is_in_no_index() -> None:
    lost = tree(file("never saved", CONTENT))
    finding = only_finding(tree(folder("sub", lost)), FindingKind.BLOB_NOT_INDEXED)
    assert finding.subject == lost.id.hex()
    assert f"tree blob {lost.id.hex()[:16]}" in finding.message
    assert paths(finding) == ("/docs/sub",)


def test_a_file_that_misses_many_blobs_is_named_for_each() -> None:
    lost = [data("lost one"), data("lost two")]
    report, _ = report_of(tree(file("f", CONTENT, *lost, lost[0])))
    assert {finding.subject for finding in report.findings} == {blob.id.hex() for blob in lost}
    assert [paths(finding) for finding in report.findings] == [("/docs/f",), ("/docs/f",)]


def test_a_folder_in_many_places_is_named_in_each() -> None:
    made = Crafted()
    lost = data("lost")
    bad = tree(file("lost", lost))
    twice = tree(folder("x", bad), folder("y", bad))
    root = tree(folder("1", twice), folder("2", twice), folder("3", bad))
    made.indexed(bad, twice, root)
    made.snapshot(root)
    (finding,) = check(made.reopened(), CheckRequest()).findings
    assert paths(finding) == ("/1/x/lost", "/1/y/lost", "/2/x/lost", "/2/y/lost", "/3/lost")


def test_paths_and_snapshots_are_named_up_to_a_bound_and_counted_beyond() -> None:
    made = Crafted()
    lost = data("lost")
    bad = tree(*(file(f"f{number:04}", lost) for number in range(30)))
    roots = [tree(folder("x", bad), folder(f"y{number}", bad)) for number in range(MOST_SNAPSHOTS + 5)]
    made.indexed(bad, *roots)
    snapshots = [made.snapshot(root, number) for number, root in enumerate(roots)]
    (finding,) = check(made.reopened(), CheckRequest()).findings
    assert [need.snapshot for need in finding.needed_by] == snapshots[:MOST_SNAPSHOTS]
    assert finding.more_snapshots == 5
    for need in finding.needed_by:
        assert need.paths == tuple(f"/x/f{number:04}" for number in range(MOST_PATHS))
        assert need.more == 60 - MOST_PATHS


def test_findings_of_a_kind_are_told_up_to_a_bound_and_counted_beyond() -> None:
    lost = [data(f"lost {number}") for number in range(MOST_ALIKE + 40)]
    docs = tree(*(file(f"f{number:04}", blob) for number, blob in enumerate(lost)), file("g", lost[-1], lost[-2]))
    report, snapshot = report_of(docs)
    assert len(report.findings) == MOST_ALIKE + 1
    rest = report.findings[-1]
    assert rest.message.startswith("40 more of this kind")
    (need,) = rest.needed_by
    assert (need.snapshot, len(need.paths), need.more) == (snapshot, MOST_PATHS, 41 - MOST_PATHS)


def test_each_tree_is_read_once_however_many_snapshots_share_it() -> None:
    made = Crafted()
    docs = tree(GOOD)
    roots = [tree(folder(f"docs{number}", docs)) for number in range(30)]
    made.indexed(CONTENT)
    made.indexed(docs, *roots)
    for number, root in enumerate(roots):
        made.snapshot(root, number)
    report = check(made.reopened(), CheckRequest())
    assert (report.findings, report.trees) == ((), 31)


def chain(levels: int) -> list[Plain]:
    """Folders within folders; the last tree is the root."""
    trees = [SUBTREE]
    for _ in range(levels - 1):
        trees.append(tree(folder("d", trees[-1])))
    return trees


@pytest.mark.parametrize(("beyond", "kinds"), [(0, []), (1, [FindingKind.TREE_TOO_DEEP])])
def test_depth_is_bounded(beyond: int, kinds: list[FindingKind]) -> None:
    made = Crafted()
    trees = chain(MOST_LEVELS + beyond)
    made.indexed(*trees)
    made.snapshot(trees[-1])
    report = check(made.reopened(), CheckRequest())
    assert [finding.kind for finding in report.findings] == kinds
    for finding in report.findings:
        assert paths(finding) == ("/d" * MOST_LEVELS,)


def test_a_snapshot_whose_root_is_in_no_index() -> None:
    made = Crafted()
    lost = tree(GOOD)
    snapshot = made.snapshot(lost)
    (finding,) = check(made.reopened(), CheckRequest()).findings
    assert finding.kind is FindingKind.BLOB_NOT_INDEXED
    assert [(need.snapshot, need.paths) for need in finding.needed_by] == [(snapshot, ("/",))]


def test_an_id_of_nothing_but_zeros_is_in_no_index() -> None:
    docs = tree(
        replace(folder("sub", SUBTREE), subtree=TreeId(bytes(32))),
        replace(GOOD, name=b"z", content=(BlobId(bytes(32)),)),
    )
    report, _ = report_of(docs)
    assert {finding.kind for finding in report.findings} == {FindingKind.BLOB_NOT_INDEXED}
    assert sorted(paths(finding)[0] for finding in report.findings) == ["/docs/sub", "/docs/z"]
