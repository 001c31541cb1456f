"""What lies beside the data: key files and locks."""

from drorch.errors import IntegrityError, ObjectMissing, RepositoryLocked
from drorch.repository.check.findings import FindingKind, FindingList
from drorch.repository.keys import load_key_file
from drorch.repository.layout import FileKind
from drorch.repository.repository import Repository


def survey_keys(repository: Repository, findings: FindingList) -> None:
    """Read every key file. A damaged one may keep restic from opening the repository. Raises `TargetError`."""
    for key_id, size in repository.stored(FileKind.KEY):
        try:
            if size:
                load_key_file(repository.target, key_id)
        except ObjectMissing:
            continue
        except IntegrityError as fault:
            findings.add(FindingKind.KEY_DAMAGED, key_id.hex(), fault.message)


def survey_locks(repository: Repository, findings: FindingList) -> None:
    """Look for locks whose holders are gone: they keep others out. Raises `TargetError`."""
    now = repository.locks.now()
    try:
        for lock in repository.locks.read():
            if lock.is_provably_gone() or lock.is_stale(now):
                message = f"lock {lock.id.hex()[:16]} is stale: {lock.describe()}; drorch unlock removes it"
                findings.add(FindingKind.LOCK_STALE, lock.id.hex(), message)
    except RepositoryLocked as fault:
        findings.add(FindingKind.LOCK_UNREADABLE, "", fault.message)
