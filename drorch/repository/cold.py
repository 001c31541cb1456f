"""Packs in cold storage: they are there, and cannot be read until they are thawed."""

from collections.abc import Collection

from drorch.ids import PackId
from drorch.repository.layout import FileKind, key_of
from drorch.storage.target import Target


def frozen_packs(target: Target, wanted: Collection[PackId]) -> tuple[PackId, ...]:
    """Those of the wanted packs that must be thawed before they can be read, in no particular order.

    Lists the target's packs, and looks at each wanted one that is of a cold class: it may have been thawed for a while.
    Raises `TargetError`.
    """
    keys = {key_of(FileKind.PACK, pack): pack for pack in wanted}
    cold = [item.key for item in target.list("data") if item.frozen and item.key in keys]
    return tuple(keys[key] for key in cold if target.stat(key).frozen)
