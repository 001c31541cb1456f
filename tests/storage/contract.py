"""The promises of `Target`, one test each: subclassed once for every implementation, wrapper and double."""

import mmap
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from drorch.errors import ObjectMissing, TargetUnavailable
from drorch.storage.target import StoredObject, Target
from drorch.units import KIB, MIB

ID = "ab" + "0123456789abcdef" * 3 + "0123456789abcd"
OTHER_ID = "cd" + "0123456789abcdef" * 3 + "0123456789abcd"
PACK = f"data/ab/{ID}"
OTHER_PACK = f"data/cd/{OTHER_ID}"
STOCK = {
    "config": b"the config",
    f"keys/{ID}": b"a key",
    f"index/{ID}": bytes(range(256)),
    f"snapshots/{ID}": b"",
    PACK: b"pack " * 2000,
    OTHER_PACK: b"0123456789",
}
NO_KEYS = [
    "", "/", "/abs", "..", ".", "../config", "keys/..", "keys/../config", "a//b", "keys/", "/keys/a", ".hidden",
    "keys/.hidden", "keys/a b", "keys/a\0b", "keys/a\n", "keys/ü", "keys/a\\b", "data", "locks", "data/ab",
    "data/x/y", "data/abc/y", "data/AB/y", "data/ab/c/d", "keys/a/b", "a" * 201,
    f"keys/{ID}-tmp-123", f"keys/{ID}-restic-temp-0a1b",
]  # fmt: skip
NO_PREFIXES = ["", "/", ".", "..", "data/", "/data", "data/..", "keys/a", "data/ab/c", "data/xyz", ".hidden"]


class ReadingContract:
    """What every target promises to those who read; a subclass says which target, holding `STOCK`."""

    @pytest.fixture
    def stocked(self) -> Iterator[Target]:
        raise NotImplementedError

    def test_it_names_itself_and_its_width(self, stocked: Target) -> None:
        assert stocked.properties.description
        assert stocked.properties.connections >= 1

    @pytest.mark.parametrize("key", STOCK)
    def test_what_was_saved_is_loaded(self, stocked: Target, key: str) -> None:
        assert stocked.load(key) == STOCK[key]
        assert isinstance(stocked.load(key), bytes)
        assert stocked.stat(key) == StoredObject(key, len(STOCK[key]))

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 0), (0, 1), (0, 10), (0, None), (3, 4), (9, 1), (3, None), (10, 0), (10, None), (5, 0)],
    )
    def test_ranges(self, stocked: Target, offset: int, length: int | None) -> None:
        end = None if length is None else offset + length
        assert stocked.load(OTHER_PACK, offset, length) == STOCK[OTHER_PACK][offset:end]

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 11), (9, 2), (10, 1), (11, 0), (11, None), (0, 2**62), (2**40, 1)]
    )
    def test_a_short_range_is_never_returned(self, stocked: Target, offset: int, length: int | None) -> None:
        with pytest.raises(TargetUnavailable, match=OTHER_ID):
            stocked.load(OTHER_PACK, offset, length)

    @pytest.mark.parametrize(("offset", "length"), [(-1, None), (-1, 1), (0, -1)])
    def test_a_negative_range_is_a_mistake(self, stocked: Target, offset: int, length: int | None) -> None:
        with pytest.raises(ValueError, match="negative"):
            stocked.load(OTHER_PACK, offset, length)

    @pytest.mark.parametrize(
        "key", [f"keys/{OTHER_ID}", f"data/ef/{ID}", "nothing", "elsewhere/nothing", "config/inside"]
    )
    def test_a_missing_object_is_missing(self, stocked: Target, key: str) -> None:
        with pytest.raises(ObjectMissing, match=key):
            stocked.load(key)
        with pytest.raises(ObjectMissing, match=key):
            stocked.load(key, 0, 0)
        with pytest.raises(ObjectMissing, match=key):
            stocked.stat(key)

    def test_reading_what_is_no_key_is_a_mistake(self, stocked: Target) -> None:
        for key in NO_KEYS:
            with pytest.raises(ValueError, match=re.escape(f"{key!r} is not a key")):
                stocked.load(key)
            with pytest.raises(ValueError, match=re.escape(f"{key!r} is not a key")):
                stocked.stat(key)

    @pytest.mark.parametrize("prefix", ["data", "data/ab", "data/cd", "keys", "index", "snapshots"])
    def test_a_list_has_all_below_its_prefix(self, stocked: Target, prefix: str) -> None:
        expected = {key: len(data) for key, data in STOCK.items() if key.startswith(prefix + "/")}
        found = list(stocked.list(prefix))
        assert {item.key: item.size for item in found} == expected
        assert len(found) == len(expected)

    @pytest.mark.parametrize("prefix", ["locks", "data/ef", "elsewhere", "config", "key"])
    def test_a_prefix_without_objects_lists_nothing(self, stocked: Target, prefix: str) -> None:
        assert list(stocked.list(prefix)) == []

    def test_listing_what_is_no_prefix_is_a_mistake_at_the_call(self, stocked: Target) -> None:
        for prefix in NO_PREFIXES:
            with pytest.raises(ValueError, match=re.escape(f"{prefix!r} is not a prefix")):
                stocked.list(prefix)

    def test_closing_twice_is_fine(self, stocked: Target) -> None:
        stocked.close()
        stocked.close()


class TargetContract(ReadingContract):
    """What every target promises; a subclass says which target, created and empty."""

    @pytest.fixture
    def target(self) -> Iterator[Target]:
        raise NotImplementedError

    @pytest.fixture
    def stocked(self, target: Target) -> Target:
        for key, data in STOCK.items():
            target.save(key, data)
        return target

    def test_creating_again_keeps_everything(self, stocked: Target) -> None:
        stocked.create()
        assert {key: stocked.load(key) for key in STOCK} == STOCK

    def test_writing_what_is_no_key_is_a_mistake(self, target: Target) -> None:
        for key in NO_KEYS:
            with pytest.raises(ValueError, match=re.escape(f"{key!r} is not a key")):
                target.save(key, b"x")
            with pytest.raises(ValueError, match=re.escape(f"{key!r} is not a key")):
                target.remove(key)

    def test_every_kind_of_buffer_is_saved(self, target: Target) -> None:
        content = bytes(range(256)) * 64
        with mmap.mmap(-1, len(content)) as mapped:
            mapped[:] = content
            with memoryview(mapped) as view, view[16:4096] as part:
                target.save(PACK, view)
                target.save(OTHER_PACK, part)
        target.save("config", bytearray(content))
        assert target.load(PACK) == content
        assert target.load(OTHER_PACK) == content[16:4096]
        assert target.load("config") == content

    def test_wide_items_count_as_bytes(self, target: Target) -> None:
        target.save(PACK, memoryview(bytes(range(64))).cast("Q"))
        assert target.load(PACK) == bytes(range(64))

    def test_what_is_saved_is_a_copy(self, target: Target) -> None:
        buffer = bytearray(b"before")
        target.save(PACK, buffer)
        buffer[:] = b"after!"
        assert target.load(PACK) == b"before"

    @pytest.mark.parametrize("data", [b"longer than it was", b"x", b""])
    def test_an_object_is_replaced(self, stocked: Target, data: bytes) -> None:
        stocked.save(OTHER_PACK, data)
        assert stocked.load(OTHER_PACK) == data
        assert [item.size for item in stocked.list("data/cd")] == [len(data)]

    def test_a_large_object(self, target: Target) -> None:
        content = bytes(range(251)) * (40 * MIB // 251 + 1)
        target.save(PACK, content)
        assert target.stat(PACK).size == len(content)
        assert target.load(PACK) == content
        assert target.load(PACK, 39 * MIB, 1000) == content[39 * MIB : 39 * MIB + 1000]
        assert target.load(PACK, len(content) - 3) == content[-3:]

    def test_a_removed_object_is_gone(self, stocked: Target) -> None:
        stocked.remove(PACK)
        assert [item.key for item in stocked.list("data")] == [OTHER_PACK]
        with pytest.raises(ObjectMissing):
            stocked.load(PACK)
        stocked.save(PACK, b"again")
        assert stocked.load(PACK) == b"again"

    @pytest.mark.parametrize("key", [PACK, "config", "elsewhere/nothing", "config/inside"])
    def test_removing_a_missing_object_is_fine(self, target: Target, key: str) -> None:
        target.remove(key)
        target.save("config", b"x")
        if key != "config":
            target.remove(key)
        assert target.load("config") == b"x"

    def test_objects_may_be_removed_while_they_are_listed(self, target: Target) -> None:
        keys = {f"data/{number % 256:02x}/{number:064x}" for number in range(300)}
        for key in keys:
            target.save(key, b"x")
        seen = set()
        for item in target.list("data"):
            seen.add(item.key)
            target.remove(item.key)
        assert seen == keys
        assert list(target.list("data")) == []

    def test_many_threads_at_once(self, target: Target) -> None:
        def work(worker: int) -> None:
            for number in range(12):
                key = f"data/{worker:02x}/{worker:02x}{number:062x}"
                content = bytes([worker, number]) * 4 * KIB
                target.save(key, content)
                assert target.load(key) == content
                assert StoredObject(key, len(content)) in list(target.list("data"))
                if number % 3 == 0:
                    target.remove(key)

        run_together([lambda worker=worker: work(worker) for worker in range(8)])  # type: ignore[misc]
        assert len(list(target.list("data"))) == 8 * 8

    def test_a_reader_sees_the_old_or_the_new_object_and_no_mix(self, target: Target) -> None:
        versions = [bytes([number]) * (64 * KIB + number * 4096) for number in range(4)]
        target.save(PACK, versions[0])
        finished = threading.Event()

        def write() -> None:
            try:
                for number in range(40):
                    target.save(PACK, versions[number % len(versions)])
            finally:
                finished.set()

        def read() -> None:
            while not finished.is_set():
                assert target.load(PACK) in versions
                assert [item.size for item in target.list("data/ab")] in [[len(version)] for version in versions]

        run_together([write, read, read, read])


def run_together(tasks: list[Callable[[], None]]) -> None:
    """Run all at once in threads of their own; the first failure is raised here."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()
