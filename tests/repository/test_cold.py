"""Which packs are frozen: those of a cold class that have not been thawed, and nothing that is not wanted."""

from collections.abc import Iterator

from drorch.ids import PackId
from drorch.repository.cold import frozen_packs
from drorch.repository.layout import FileKind, key_of
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import StoredObject

_WARM, _COLD, _THAWED, _OTHER = (PackId(bytes([number]) * 32) for number in range(4))


class _ColdTarget(MemoryTarget):
    """What a service with storage classes says of its objects: a listing by class, a look with what was thawed."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for item in super().list(prefix):
            yield StoredObject(item.key, item.size, frozen=item.key != key_of(FileKind.PACK, _WARM))

    def stat(self, key: str) -> StoredObject:
        return StoredObject(key, super().stat(key).size, frozen=key != key_of(FileKind.PACK, _THAWED))


def test_what_is_cold_and_wanted_and_not_thawed_is_frozen() -> None:
    target = _ColdTarget()
    for pack in (_WARM, _COLD, _THAWED, _OTHER):
        target.save(key_of(FileKind.PACK, pack), b"x")
    assert frozen_packs(target, [_WARM, _COLD, _THAWED]) == (_COLD,)
    assert frozen_packs(MemoryTarget(), [_COLD]) == ()
