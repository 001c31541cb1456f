import pytest

from drorch.actions.unlock import unlock
from drorch.errors import RepositoryLocked
from drorch.repository.gojson import encode
from drorch.repository.layout import FileKind
from drorch.repository.repository import Repository
from drorch.repository.timestamps import format_local
from tests.actions.trees import new_repository

_MINUTE = 60 * 1_000_000_000


def _foreign_lock(repository: Repository, *, minutes_old: int) -> None:
    time = format_local(repository.locks.now() - minutes_old * _MINUTE)
    fields = {"time": time, "exclusive": True, "hostname": "elsewhere", "username": "u", "pid": 7}
    repository.files.save(FileKind.LOCK, encode(fields))


def _locks(repository: Repository) -> int:
    return len(list(repository.stored(FileKind.LOCK)))


def test_silent_locks_go_and_fresh_ones_stay() -> None:
    repository = new_repository()
    _foreign_lock(repository, minutes_old=31)
    _foreign_lock(repository, minutes_old=29)
    result = unlock(repository)
    assert (result.removed, len(result.kept), _locks(repository)) == (1, 1, 1)
    assert "elsewhere" in result.kept[0].describe()


def test_all_go_where_asked_for() -> None:
    repository = new_repository()
    with repository.shared_lock():
        _foreign_lock(repository, minutes_old=1)
        assert unlock(repository).removed == 0
        assert unlock(repository, remove_all=True).removed == 2
    assert _locks(repository) == 0


def test_a_lock_that_cannot_be_read_stays_unless_all_go() -> None:
    repository = new_repository()
    repository.target.save(f"locks/{'ab' * 32}", b"not a lock")
    with pytest.raises(RepositoryLocked, match="cannot be read"):
        unlock(repository)
    assert unlock(repository, remove_all=True).removed == 1
