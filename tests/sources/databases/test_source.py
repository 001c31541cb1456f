"""A dump through the real engine: its parts and the facts in order, and never a snapshot's tree of a broken one."""

import stat
from pathlib import Path

import pytest

from drorch.actions.backup import BackupRequest, BackupResult, Label, backup
from drorch.actions.listing import walk
from drorch.actions.progress import NoProgress
from drorch.errors import DrorchError, DumpFailed, SourceUnavailable, TargetUnavailable
from drorch.ids import TreeId
from drorch.process.commands import ChildFailed
from drorch.repository.node import Node
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.sources.databases.contract import DumpStream, Part
from drorch.sources.databases.facts import FACTS_NAME, from_json, to_json
from drorch.sources.databases.source import DumpSource
from drorch.storage.memory import MemoryTarget
from tests.doubles import Effect, FakeClock, Fault, FaultyTarget
from tests.repository.fresh import fresh
from tests.restic import PASSWORD
from tests.sources.databases.toy import FACTS, Toy

MIB = 1 << 20
LABEL = Label(time=0, paths=("/sqlite",), hostname="db1", uid=0, gid=0, program_version="drorch")


def saved(repository: Repository, toy: Toy, *notes: str) -> BackupResult:
    """A backup of a toy as the app makes it."""
    with toy.dump() as session:
        source = DumpSource(session, FakeClock(), notes)
        try:
            request = BackupRequest(LABEL, None, lambda _files, _size: None, tuple)
            return backup(repository, source, request, NoProgress())
        finally:
            source.close()


def nodes(repository: Repository, result: BackupResult) -> dict[str, Node]:
    """By path, in the order of the trees."""
    return {v.path.decode(): v.node for v in walk(repository, TreeId(result.snapshot.tree))}


def content(repository: Repository, node: Node) -> bytes:
    return b"".join(repository.load_blob(blob, BlobType.DATA) for blob in node.content or ())


def test_parts_are_read_in_their_order_and_the_facts_last() -> None:
    toy = Toy({"sqlite/z.sql": "printf globals", "sqlite/a.dump": "printf a", "sqlite/m.dump": "head -c 3M /dev/zero"})
    repository = fresh()
    result = saved(repository, toy, "a note of the preflight")
    found = nodes(repository, result)
    assert list(found) == [f"/{FACTS_NAME}", "/sqlite", "/sqlite/a.dump", "/sqlite/m.dump", "/sqlite/z.sql"]
    assert toy.events == [
        "begin", "open sqlite/z.sql", "close sqlite/z.sql", "open sqlite/a.dump", "close sqlite/a.dump",
        "open sqlite/m.dump", "close sqlite/m.dump", "facts", "end",
    ]  # fmt: skip
    assert content(repository, found["/sqlite/z.sql"]) == b"globals"
    assert content(repository, found["/sqlite/m.dump"]) == bytes(3 * MIB)
    assert found["/sqlite/m.dump"].size == 3 * MIB
    recorded = from_json(content(repository, found[f"/{FACTS_NAME}"]))
    assert recorded.notes == ("a note of the preflight",)
    assert (recorded.kind, recorded.databases) == (FACTS.kind, FACTS.databases)
    assert result.problems == ()


def test_what_it_stores_is_private_and_of_now() -> None:
    repository = fresh()
    found = nodes(repository, saved(repository, Toy({"sqlite/a": "echo"})))
    now = int(FakeClock().now().timestamp())
    assert [node.mode & 0o777 for node in found.values()] == [0o600, 0o700, 0o600]
    assert {node.mtime // 10**9 for node in found.values()} == {now}
    assert {node.links for node in found.values() if node.type == "file"} == {1}


def test_the_source_counts_its_parts_and_not_the_facts() -> None:
    toy = Toy({"sqlite/a": "printf abc", "sqlite/b": "printf de"})
    with toy.dump() as session:
        source = DumpSource(session, FakeClock())
        backup(fresh(), source, BackupRequest(LABEL, None, lambda *_: None, tuple), NoProgress())
        assert (source.parts_read, source.bytes_read, source.facts) == (2, 5, FACTS)


FAILING = {
    "cannot begin": "exit 3",
    "at its first byte": "kill -KILL $$",
    "in the middle": "head -c 20000000 /dev/zero; echo last words >&2; exit 3",
    "at its end": "echo whole; exit 3",
    "after its output": "echo whole; exec >&-; sleep 0.3; exit 3",
    "by hanging": "echo half; sleep 300",
    "by hanging after its output": "echo whole; exec >&-; sleep 300",
}


@pytest.mark.parametrize("script", FAILING.values(), ids=FAILING.keys())
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_part_that_fails_leaves_no_snapshot(script: str, place: str) -> None:
    good = {"sqlite/good": "head -c 5000000 /dev/urandom"}
    scripts = {"sqlite/bad": script, **good} if place == "first" else {**good, "sqlite/bad": script}
    toy, repository = Toy(scripts, quiet_seconds=1), fresh()
    with pytest.raises(DumpFailed) as failed:
        saved(repository, toy)
    assert failed.value.exit_code == 31
    assert repository.list_snapshots().snapshots == ()
    assert toy.events[-2:] == ["close sqlite/bad", "end"]
    assert toy.events.count("close sqlite/bad") == 1
    assert ("open sqlite/good" in toy.events) == (place == "last")
    assert "facts" not in toy.events


@pytest.mark.parametrize(
    ("fault", "shown", "error"),
    [
        (DumpFailed("rows were lost"), "rows were lost", DumpFailed),
        (SourceUnavailable("the server is gone"), "the server is gone", SourceUnavailable),
        (ChildFailed("command x: gone"), "the facts: command x: gone", DumpFailed),
        (OSError(5, "Input/output error"), "the facts: Input/output error", DumpFailed),
    ],
)
def test_facts_that_fail_leave_no_snapshot(fault: Exception, shown: str, error: type[DrorchError]) -> None:
    repository = fresh()
    with pytest.raises(error) as failed:
        saved(repository, Toy({"sqlite/a": "echo"}, found=fault))
    assert failed.value.message == shown
    assert repository.list_snapshots().snapshots == ()


class _Broken:
    def readinto(self, buffer: memoryview) -> int:  # noqa: ARG002
        """As a socket that fails."""
        raise OSError(104, "Connection reset by peer")

    def close(self) -> None:
        """Nothing to say."""


class _Scattered(Toy):
    """A toy whose parts are what they are."""

    def __init__(self, *parts: Part) -> None:
        super().__init__({})
        self._parts = parts

    def parts(self) -> tuple[Part, ...]:
        """These."""
        return self._parts


def _refused() -> DumpStream:
    raise OSError(111, "Connection refused")


@pytest.mark.parametrize(("opened", "shown"), [(_Broken, "Connection reset by peer"), (_refused, "Connection refused")])
def test_a_fault_of_the_system_is_one_of_the_whole_dump(opened: type[_Broken], shown: str) -> None:
    repository = fresh()
    with pytest.raises(DumpFailed, match=f"sqlite/a: {shown}"):
        saved(repository, _Scattered(Part("sqlite/a", opened)))
    assert repository.list_snapshots().snapshots == ()


@pytest.mark.parametrize(
    "names",
    [
        ["a/../b"], ["/a"], ["a//b"], ["."], ["a\0"], [""], ["a", "a"], ["a", "a/b"], ["a/b", "a"], [FACTS_NAME],
        [f"{FACTS_NAME}/a"], ["a/1", "b/1", "a/2"],
    ],
)  # fmt: skip
def test_parts_that_cannot_be_files_are_refused_before_one_is_opened(names: list[str]) -> None:
    with pytest.raises(DumpFailed, match="cannot be a part of this dump"):
        saved(fresh(), _Scattered(*[Part(name, _refused) for name in names]))


def test_names_that_are_no_text_and_nested_folders() -> None:
    repository = fresh()
    toy = Toy({"b/x/2": "printf 2", "b/x/1": "printf 1", "b/a": "printf a", "a/caf\udce9": "printf c"})
    found = [v.path for v in walk(repository, TreeId(saved(repository, toy).snapshot.tree))]
    assert found == [b"/a", b"/a/caf\xe9", b"/b", b"/b/a", b"/b/x", b"/b/x/1", b"/b/x/2", b"/drorch-facts.json"]
    assert [event for event in toy.events if event.startswith("open")] == [
        "open b/x/2", "open b/x/1", "open b/a", "open a/caf\udce9",
    ]  # fmt: skip


def test_parts_are_cut_as_they_ask() -> None:
    repository = fresh()
    result = saved(repository, Toy({"sqlite/db": "head -c 5000000 /dev/urandom"}, blob_bytes=MIB))
    node = nodes(repository, result)["/sqlite/db"]
    sizes = [len(repository.load_blob(blob, BlobType.DATA)) for blob in node.content or ()]
    assert sizes == [MIB] * 4 + [5_000_000 - 4 * MIB]


def test_a_target_that_fails_ends_the_part_in_silence_before_the_session_ends(tmp_path: Path) -> None:
    fresh(inner := MemoryTarget())
    repository = Repository.open(FaultyTarget(inner, [Fault("save", 1, Effect.FAIL_BEFORE, "data", 1000)]), PASSWORD)
    script = f"trap '' PIPE; echo $$ > {tmp_path}/pid; head -c 200000000 /dev/urandom; exit 3"
    toy = Toy({"sqlite/a": script})
    with pytest.raises(TargetUnavailable):
        saved(repository, toy)
    assert toy.events[-2:] == ["close sqlite/a", "end"]
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_the_facts_in_the_snapshot_are_those_of_the_source() -> None:
    repository = fresh()
    found = nodes(repository, saved(repository, Toy({"sqlite/a": "echo"})))
    node = found[f"/{FACTS_NAME}"]
    assert content(repository, node) == to_json(FACTS)
    assert stat.S_IMODE(node.mode) == 0o600
