"""Packs as the target lists them against packs as the index lists them. Reads no pack."""

from drorch.ids import PackId
from drorch.repository.check.damage import Damage
from drorch.repository.check.findings import FindingKind, FindingList, named
from drorch.repository.check.indexes import IndexSurvey
from drorch.repository.layout import FileKind
from drorch.repository.repository import Repository


def compare_packs(
    repository: Repository, survey: IndexSurvey, findings: FindingList, damage: Damage
) -> dict[PackId, int]:
    """List the packs and report what is missing, of the wrong size, or in no index.

    Returns those that are there and indexed, with their sizes in bytes on the target. Raises `TargetError`.
    """
    stored = {PackId(pack): size for pack, size in repository.stored(FileKind.PACK)}
    for pack, outline in survey.packs.items():
        size = stored.get(pack)
        if size is None:
            message = f"pack {pack.hex()[:16]} is missing"
            damage.add_pack(pack, findings.add(FindingKind.PACK_MISSING, pack.hex(), message))
        elif size != outline.size:
            message = f"pack {pack.hex()[:16]} is {size} bytes long; by the index it has {outline.size}"
            damage.add_pack(pack, findings.add(FindingKind.PACK_SIZE, pack.hex(), message))
    orphans = stored.keys() - survey.packs.keys() - survey.leaving
    if orphans:
        message = f"{len(orphans)} packs are in no index: {named(orphans)}"
        findings.add(FindingKind.PACK_ORPHANED, "", message)
    return {pack: stored[pack] for pack in survey.packs if pack in stored}
