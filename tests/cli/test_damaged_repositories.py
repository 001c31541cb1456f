"""What an operator is told when the repository is not what it should be: one line, a hint, a code, no traceback.

Nothing is lost by asking: the repository's files are the same before and after.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commandline import PASSWORD, drorch, new_repository

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one snapshot, and its source beside it."""
    place = tmp_path_factory.mktemp("sound")
    source = place / "source"
    source.mkdir()
    (source / "file").write_bytes(os.urandom(3_000_000))
    new_repository(place / "repository")
    drorch("backup", source, "--repo", place / "repository")
    return place


def _only(folder: str, *, largest: bool = True) -> Callable[[Path], Path]:
    def find(repository: Path) -> Path:
        files = sorted((repository / folder).rglob("?" * 64), key=lambda path: path.stat().st_size)
        return files[-1 if largest else 0]

    return find


def _flip(find: Callable[[Path], Path]) -> Damage:
    def damage(repository: Path) -> None:
        path = find(repository)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        _rewrite(path, bytes(content))

    return damage


def _truncate(find: Callable[[Path], Path]) -> Damage:
    def damage(repository: Path) -> None:
        path = find(repository)
        content = path.read_bytes()
        _rewrite(path, content[: len(content) // 2])

    return damage


def _remove(find: Callable[[Path], Path]) -> Damage:
    return lambda repository: find(repository).unlink()


def _replace_keys(content: bytes) -> Damage:
    def damage(repository: Path) -> None:
        _only("keys")(repository).unlink()
        (repository / "keys" / hashlib.sha256(content).hexdigest()).write_bytes(content)

    return damage


def _rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def _config(repository: Path) -> Path:
    return repository / "config"


ILLEGAL_KEY = (
    b'{"created":"2026-01-01T00:00:00Z","username":"a","hostname":"b","kdf":"scrypt","N":1073741824,"r":8,"p":1,'
    b'"salt":"' + b"A" * 86 + b'==","data":"AAAA"}'
)

DATA, TREE = _only("data"), _only("data", largest=False)
CASES: dict[str, tuple[Damage, tuple[str, ...], int]] = {
    "no config": (_remove(_config), ("snapshots",), 10),
    "flipped config": (_flip(_config), ("snapshots",), 13),
    "truncated config": (_truncate(_config), ("snapshots",), 13),
    "empty config": (lambda repository: _rewrite(_config(repository), b""), ("snapshots",), 13),
    "flipped key": (_flip(_only("keys")), ("snapshots",), 13),
    "truncated key": (_truncate(_only("keys")), ("snapshots",), 13),
    "no key": (_remove(_only("keys")), ("snapshots",), 13),
    "a key that is none": (_replace_keys(b"not a key"), ("snapshots",), 13),
    "a key that asks for too much": (_replace_keys(ILLEGAL_KEY), ("snapshots",), 13),
    "flipped index, restore": (_flip(_only("index")), ("restore", "latest", "--to", "{}"), 13),
    "truncated index, backup": (_truncate(_only("index")), ("backup", "{source}"), 13),
    "flipped index, check": (_flip(_only("index")), ("check",), 13),
    "no index, restore": (_remove(_only("index")), ("restore", "latest", "--to", "{}"), 13),
    "flipped snapshot, latest": (_flip(_only("snapshots")), ("ls", "latest"), 13),
    "flipped snapshot, check": (_flip(_only("snapshots")), ("check",), 13),
    "flipped tree, restore": (_flip(TREE), ("restore", "latest", "--to", "{}"), 40),
    "no tree, ls": (_remove(TREE), ("ls", "latest"), 13),
    "truncated tree, check": (_truncate(TREE), ("check",), 13),
    "flipped pack, restore": (_flip(DATA), ("restore", "latest", "--to", "{}"), 40),
    "truncated pack, restore": (_truncate(DATA), ("restore", "latest", "--to", "{}"), 40),
    "no pack, restore": (_remove(DATA), ("restore", "latest", "--to", "{}"), 40),
    "flipped pack, read": (_flip(DATA), ("check", "--read-data"), 13),
    "no pack, check": (_remove(DATA), ("check",), 13),
    "flipped pack, dump": (_flip(DATA), ("dump", "latest", "{source}/file"), 13),
}


@pytest.mark.parametrize("case", CASES)
def test_damage_is_told_in_words(case: str, sound: Path, tmp_path: Path) -> None:
    damage, arguments, status = CASES[case]
    repository = tmp_path / "repository"
    shutil.copytree(sound / "repository", repository)
    damage(repository)
    before = _files(repository)
    filled = [part.format(tmp_path / "restored", source=sound / "source") for part in arguments]
    done = drorch(*filled, "--repo", repository, status=status)
    said = done.stderr.decode() + done.stdout.decode(errors="replace")
    assert PASSWORD not in said
    told = done.stdout if arguments[0] == "check" and b"drorch: " not in done.stderr else done.stderr
    assert any(line.startswith(("drorch: ", "restore: ", "error")) for line in told.decode().splitlines()), said
    assert _files(repository) == before
    assert not list((tmp_path / "restored").rglob(".drorch-partial-*"))


def _files(repository: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(repository)): hashlib.sha256(path.read_bytes()).digest()
        for path in repository.rglob("*")
        if path.is_file()
    }
