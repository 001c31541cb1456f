"""A database out of a snapshot: which job takes it, what is looked at before, and what is said afterwards."""

from dataclasses import replace

import pytest

from drorch.actions.progress import Counters, NoProgress
from drorch.actions.snapshots import parse_reference
from drorch.app.databases.restoring import DatabaseRestore, Loader, PlannedLoad, Receiver, plan_load
from drorch.errors import ConfigError, IntegrityError, UsageError
from drorch.ids import BlobId
from drorch.repository.layout import FileKind
from drorch.repository.repository import Repository
from drorch.sources.databases.contract import RestoreWish
from drorch.sources.databases.facts import FACTS_NAME, MOST_BYTES, to_json
from tests.actions.trees import Tree, bare_node, new_repository, writing
from tests.app.databases.toy import KIND, SHOP, Toy, facts_of, saved
from tests.doubles import flip_bit

AS_IT_WAS = RestoreWish()


def holding(tree: Tree, *, tag: str = "drorch:job=shop") -> Repository:
    """A repository with one snapshot of this."""
    repository = new_repository()
    with writing(repository) as write:
        write.snapshot(write.tree(tree), tag=tag)
    return repository


def asked(wish: RestoreWish = AS_IT_WAS, *, what: str = "latest", using: str = "") -> DatabaseRestore:
    return DatabaseRestore(parse_reference(what), wish, using)


def planned(repository: Repository, loader: Loader, what: DatabaseRestore | None = None) -> PlannedLoad:
    """A plan with jobs shop and spare, which have this loader."""

    def receiver(job: str) -> Receiver:
        if job not in ("shop", "spare"):
            raise ConfigError(f"there is no job {job}")
        return Receiver(job, loader, "a toy box", b"/file")

    return plan_load(repository, what or asked(), receiver, NoProgress())


def test_everything_comes_back_and_agrees() -> None:
    toy = Toy()
    plan = planned(holding(saved()), toy)
    assert plan.parts.names() == [f"{KIND}/orders.dump", f"{KIND}/stock.dump"]
    assert plan.facts == facts_of(SHOP)
    assert plan.objections() == []
    done = plan.execute()
    assert toy.databases == SHOP
    assert (done.loaded.databases, done.loaded.differences, done.loaded.compared) == (("orders", "stock"), (), True)
    assert done.read_all
    assert done.bytes_read == plan.parts.total() > 0


def test_one_of_several_goes_where_it_is_wanted_and_does_not_prove_the_whole() -> None:
    toy = Toy()
    done = planned(holding(saved()), toy, asked(RestoreWish(into="copy", only="orders"))).execute()
    assert toy.databases == {"copy": SHOP["orders"]}
    assert not done.read_all


def test_what_differs_is_said() -> None:
    done = planned(holding(saved()), Toy(loses=1)).execute()
    assert "table open has 2 rows, had 3" in done.loaded.differences
    assert done.loaded.compared


def test_another_job_may_take_it() -> None:
    assert planned(holding(saved()), Toy(), asked(using="spare")).receiver.job == "spare"
    with pytest.raises(ConfigError):
        planned(holding(saved()), Toy(), asked(using="gone"))
    with pytest.raises(ConfigError):
        planned(holding(saved(), tag="drorch:job=gone"), Toy())


@pytest.mark.parametrize("tag", ["", "nightly", "drorch:job=shop,drorch:job=spare"])
def test_a_snapshot_of_no_one_job_is_asked_about(tag: str) -> None:
    repository = holding(saved(), tag=tag)
    with pytest.raises(UsageError, match="does not say whose it is") as caught:
        planned(repository, Toy())
    assert "--using JOB" in str(caught.value.hint)
    assert planned(repository, Toy(), asked(using="spare")).receiver.job == "spare"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({b"etc": {b"passwd": b"root"}}, "holds no database"),
        ({b"postgresql": {b"orders.dump": b"x"}}, f"holds a postgresql database, and job shop is of {KIND}"),
        ({KIND.encode(): {}}, f"holds a {KIND} database"),
        ({KIND.encode(): b"a file"}, f"holds a {KIND} database"),
        ({FACTS_NAME.encode(): to_json(facts_of(SHOP))}, "holds facts and no database"),
    ],
)
def test_a_snapshot_without_such_a_database_is_refused(tree: Tree, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        planned(holding(tree), Toy())
    assert caught.value.hint


def test_a_path_in_a_snapshot_of_a_database_is_refused() -> None:
    with pytest.raises(UsageError, match="a database is restored from all"):
        planned(holding(saved()), Toy(), asked(what=f"latest:/{KIND}/orders.dump"))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (None, "holds no facts"),
        (b"", "cannot be read"),
        (b'{"format": 1}', "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        ({b"folder": b""}, "they are no file"),
        (replace(bare_node(FACTS_NAME.encode()), size=MOST_BYTES + 1, content=()), "too large"),
        (to_json(replace(facts_of(SHOP), kind="mariadb")), "of another kind"),
    ],
)
def test_without_facts_it_comes_back_and_is_never_said_to_agree(facts: Tree | bytes | None, why: str) -> None:
    tree = {name: item for name, item in saved().items() if name != FACTS_NAME.encode()}
    if facts is not None:
        tree[FACTS_NAME.encode()] = facts
    toy = Toy()
    plan = planned(holding(tree), toy)
    assert plan.facts is None
    assert why in plan.without_facts
    done = plan.execute()
    assert toy.databases == SHOP
    assert not done.loaded.compared
    assert why in done.loaded.notes[0]


@pytest.mark.parametrize(
    "part",
    [
        {b"orders\n.dump": b""},
        {b"\x1b[31m.dump": b""},
        {b"..": b""},
        {b"a/b": b""},
        {b"link": replace(bare_node(b"link", "symlink"), linktarget=b"/etc/passwd")},
        {b"device": bare_node(b"device", "dev")},
    ],
)
def test_what_is_no_part_is_refused(part: Tree) -> None:
    with pytest.raises(IntegrityError):
        planned(holding({KIND.encode(): part}), Toy())


def test_folders_that_nest_too_deep_are_refused() -> None:
    tree: Tree = {b"orders.dump": b"x"}
    for _ in range(20):
        tree = {b"folder": tree}
    with pytest.raises(IntegrityError, match="no name of a part"):
        planned(holding({KIND.encode(): tree}), Toy())


def test_two_parts_of_one_name_are_refused() -> None:
    repository = new_repository()
    with writing(repository) as write:
        twice = write.nodes(write.file(b"a.dump", b"1"), write.file(b"a.dump", b"2"))
        write.snapshot(write.nodes(write.folder(KIND.encode(), twice)), tag="drorch:job=shop")
    with pytest.raises(IntegrityError):
        planned(repository, Toy())


@pytest.mark.parametrize(("size", "said"), [(9, "more bytes"), (11, "fewer bytes")])
def test_a_part_is_as_long_as_it_says_or_is_not_given(size: int, said: str) -> None:
    repository = new_repository()
    with writing(repository) as write:
        part = replace(write.file(b"a.dump", b"t\trow\n", b"more"), size=size)
        write.snapshot(write.tree({KIND.encode(): {b"a.dump": part}}), tag="drorch:job=shop")
    plan = planned(repository, Toy())
    given: list[bytes] = []
    with pytest.raises(IntegrityError, match=said), plan.parts.open(f"{KIND}/a.dump") as pieces:
        given.extend(pieces)
    assert sum(map(len, given)) <= size
    assert not plan.parts.all_read()


def _lose_packs(repository: Repository) -> None:
    for pack, _ in repository.stored(FileKind.PACK):
        repository.target.remove(f"data/{pack.hex()[:2]}/{pack.hex()}")


def test_missing_packs_are_seen_before_anything_is_touched() -> None:
    repository = holding(saved())
    plan = planned(repository, Toy())
    _lose_packs(repository)
    [objection] = plan.objections()
    assert objection.fatal
    assert "missing on the target" in objection.message


def test_blobs_that_no_index_knows_are_seen_before_anything_is_touched() -> None:
    repository = new_repository()
    with writing(repository) as write:
        part = replace(write.file(b"a.dump", b"known"), content=(BlobId(bytes(32)), BlobId(bytes(32))))
        write.snapshot(write.tree({KIND.encode(): {b"a.dump": part, b"b.dump": b"whole"}}), tag="drorch:job=shop")
    said = [objection.message for objection in planned(repository, Toy()).objections() if objection.fatal]
    assert said == ["2 blobs of this dump are not in the index"]


def test_a_part_of_many_small_pieces_comes_in_order_however_they_repeat() -> None:
    pieces = [bytes([number % 7, number % 256]) * (32 << 10) for number in range(500)]
    repository = new_repository()
    with writing(repository) as write:
        part = write.file(b"a.dump", *pieces)
        write.snapshot(write.tree({KIND.encode(): {b"a.dump": part}}), tag="drorch:job=shop")
    plan = planned(repository, Toy())
    with plan.parts.open(f"{KIND}/a.dump") as given:
        assert list(given) == pieces
    assert plan.parts.all_read()
    with plan.parts.open(f"{KIND}/a.dump") as given:
        assert next(given) == pieces[0]


def test_a_damaged_piece_is_never_given() -> None:
    repository = holding(saved({"orders": {"open": ["one"]}}))
    for pack, _ in list(repository.stored(FileKind.PACK)):
        key = f"data/{pack.hex()[:2]}/{pack.hex()}"
        repository.target.save(key, flip_bit(repository.target.load(key)))
    toy = Toy()
    with pytest.raises(IntegrityError):
        planned(repository, toy).execute()
    assert toy.databases == {}


def test_a_database_that_is_there_is_left_alone_unless_it_is_to_be_replaced() -> None:
    toy = Toy({"orders": {"open": ["new"]}})
    plan = planned(holding(saved()), toy)
    assert [objection.fatal for objection in plan.objections()] == [True]
    assert planned(holding(saved()), toy, asked(RestoreWish(overwrite=True))).objections() == []


def test_how_far_it_is_can_be_seen() -> None:
    progress = Counters()
    repository = holding(saved())
    plan_load(repository, asked(), lambda job: Receiver(job, Toy(), ""), progress).execute()
    step = progress.step()
    assert (step.files_done, step.files_total) == (2, 2)
    assert step.bytes_done == step.bytes_total > 0
