"""The config: what version 3, a reducible polynomial, damage and absence are told as, each its own error."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.errors import FormatUnsupported, IntegrityError, RepositoryError, RepositoryMissing
from drorch.repository import configfile, polynomial
from drorch.repository.compression import Compressor
from drorch.repository.configfile import RepositoryConfig, fresh_config
from drorch.repository.layout import CONFIG_KEY
from drorch.repository.repository import Repository, initialize
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from tests.doubles import CountingTarget
from tests.repository.blobs import BOX
from tests.repository.fresh import CHEAP, fresh, fresh_folder, reopened
from tests.restic import PASSWORD, Restic, each_restic, restic, restic_json

POLYNOMIAL = 0x3DA3358B4DC173
IRREDUCIBLE_OF_DEGREE_89 = 1 << 89 | 1 << 38 | 1


def fields(**changed: Any) -> dict[str, Any]:
    whole = {"version": 2, "id": "ab" * 32, "chunker_polynomial": f"{POLYNOMIAL:x}", **changed}
    return {name: value for name, value in whole.items() if value is not None}


def sealed(content: Any) -> bytes:
    return BOX.seal(content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_config_round_trips_with_fields_of_others() -> None:
    config = RepositoryConfig(2, "ab" * 32, POLYNOMIAL, {"append_only": True, "compression": 3, "chunker": "Rabin"})
    target = MemoryTarget()
    configfile.save(target, BOX, config)
    assert configfile.decode(configfile.load_sealed(target), BOX) == config


def test_a_config_is_never_compressed_and_its_fields_are_in_restics_order() -> None:
    repository = fresh()
    stored = repository.target.load(CONFIG_KEY)
    plaintext = repository.box.open(stored)
    assert len(stored) == 155
    assert list(json.loads(plaintext)) == ["version", "id", "chunker_polynomial"]
    assert plaintext.startswith(b'{"version":2,"id":"')


@pytest.mark.parametrize("version", [0, 3, 99, -1])
def test_another_version_is_unsupported_and_not_damage(version: int) -> None:
    with pytest.raises(FormatUnsupported, match=str(version)) as caught:
        configfile.decode(sealed(fields(version=version)), BOX)
    assert caught.value.exit_code == 14
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        *(fields(version=None), fields(version="two"), fields(version=[2]), fields(id=None)),
        *(fields(chunker_polynomial=None), fields(chunker_polynomial=""), fields(chunker_polynomial="xyz")),
        *(fields(chunker_polynomial=7), fields(chunker_polynomial="0"), fields(chunker_polynomial="-3")),
        *(fields(chunker_polynomial=f"{POLYNOMIAL ^ 1:x}"), fields(chunker_polynomial="3_d")),
        *(fields(chunker_polynomial=f"{IRREDUCIBLE_OF_DEGREE_89:x}"), fields(chunker_polynomial="0x7")),
        *([], 7, None, "config", b"", b"{", b"\xff", b"\x02" + Compressor().compress(json.dumps(fields()).encode())),
    ],
    ids=repr,
)
def test_a_config_that_is_none_is_damage(content: Any) -> None:
    with pytest.raises(IntegrityError, match="config") as caught:
        configfile.decode(sealed(content), BOX)
    assert caught.value.hint


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_or_truncated_config_is_damage(data: st.DataObject) -> None:
    stored = bytearray(sealed(fields()))
    bit = data.draw(st.integers(0, len(stored) * 8 - 1))
    with pytest.raises(IntegrityError, match="config"):
        configfile.decode(bytes(stored[: bit // 8]), BOX)
    stored[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError, match="config"):
        configfile.decode(bytes(stored), BOX)


def test_the_large_polynomial_is_refused_for_its_size() -> None:
    assert polynomial.is_irreducible(IRREDUCIBLE_OF_DEGREE_89)


def test_an_empty_config_is_damage_and_a_missing_one_is_no_repository() -> None:
    repository = fresh()
    repository.target.save(CONFIG_KEY, b"")
    with pytest.raises(IntegrityError, match="config"):
        reopened(repository)
    repository.target.remove(CONFIG_KEY)
    with pytest.raises(RepositoryMissing) as caught:
        reopened(repository)
    assert caught.value.exit_code == 10


def test_a_gigantic_config_is_not_loaded() -> None:
    target = CountingTarget(MemoryTarget())
    target.save(CONFIG_KEY, bytes((1 << 20) + 1))
    with pytest.raises(IntegrityError, match="config"):
        configfile.load_sealed(target)
    assert target.keys("load") == []


def test_the_key_is_stored_before_the_config_which_makes_the_repository() -> None:
    target = CountingTarget(MemoryTarget())
    initialize(target, PASSWORD, cost=CHEAP)
    saved = target.keys("save")
    assert [key.partition("/")[0] for key in saved] == ["keys", "config"]


@pytest.mark.parametrize("occupant", ["config", "keys/" + "ab" * 32, "snapshots/" + "cd" * 32])
def test_what_is_there_is_never_written_over(occupant: str) -> None:
    target = MemoryTarget()
    target.save(occupant, b"somebody's")
    with pytest.raises(RepositoryError, match="already"):
        fresh(target)
    assert target.load(occupant) == b"somebody's"
    assert sum(len(list(target.list(folder))) for folder in ("keys", "snapshots")) <= 1


def test_a_polynomial_can_be_shared() -> None:
    first = fresh()
    assert fresh_config(2, first.config.chunker_polynomial).chunker_polynomial == first.config.chunker_polynomial
    assert fresh_config(2).chunker_polynomial != fresh_config(2).chunker_polynomial
    assert fresh_config(2).id != fresh_config(2).id


@each_restic
@pytest.mark.parametrize("version", [1, 2])
def test_restic_takes_a_repository_that_drorch_made(which: Restic, version: int, tmp_path: Path) -> None:
    repository = fresh_folder(tmp_path / "repository", version)
    config = orjson.loads(restic(which, tmp_path / "repository", "cat", "config").stdout)
    assert config["version"] == version
    assert config["id"] == repository.config.id
    assert int(config["chunker_polynomial"], 16) == repository.config.chunker_polynomial
    assert b"no errors were found" in restic(which, tmp_path / "repository", "check").stdout
    # restic cuts with the polynomial: a reducible one would make it drop every file.
    (tmp_path / "file").write_bytes(bytes(3 << 20))
    restic(which, tmp_path / "repository", "backup", tmp_path / "file")
    assert len(restic_json(which, tmp_path / "repository", "snapshots")) == 1
    assert b"no errors were found" in restic(which, tmp_path / "repository", "check", "--read-data").stdout


@pytest.mark.parametrize("version", [1, 2])
def test_a_repository_that_restic_made_opens(version: int, tmp_path: Path) -> None:
    restic(Restic.DEBIAN, tmp_path, "init", "--repository-version", str(version))
    repository = Repository.open(LocalTarget(tmp_path), PASSWORD)
    assert repository.config.version == version
    assert repository.config.chunker_polynomial.bit_length() == 54
    assert repository.list_snapshots().snapshots == ()
    assert len(repository.index) == 0
