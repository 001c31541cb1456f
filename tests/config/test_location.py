"""Which file is read, and from whom none is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.config.location import FILE_NAME, Search, User, find_config_file, read_trusted
from drorch.errors import ConfigError

ROOT, ANNA = User(0, 0), User(1000, 1000)
ME = User.current()


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder with a configuration in it and one in system/."""
    (tmp_path / "system").mkdir()
    for folder in (tmp_path, tmp_path / "system"):
        (folder / FILE_NAME).write_text("")
    return tmp_path


def found(places: Path, user: User, said: str = "") -> Path | None:
    search = Search({"DRORCH_CONFIG": said} if said else {}, user, here=places, system=places / "system")
    return find_config_file(None, search)


def test_the_first_of_the_places_is_read(places: Path) -> None:
    assert found(places, ANNA, "other.toml") == places / "other.toml"
    assert found(places, ANNA) == places / "jobs.toml"
    (places / "jobs.toml").unlink()
    assert found(places, ANNA) == places / "system" / "jobs.toml"
    (places / "system" / "jobs.toml").unlink()
    assert found(places, ANNA) is None


def test_root_reads_what_is_named_or_the_systems_own(places: Path) -> None:
    assert found(places, ROOT) == places / "system" / "jobs.toml"
    within = str(places / "system" / "web1.toml")
    assert found(places, ROOT, within) == Path(within)
    for elsewhere in (str(places / "jobs.toml"), "jobs.toml", str(places / "system" / ".." / "jobs.toml")):
        with pytest.raises(ConfigError, match="as root, DRORCH_CONFIG may only name") as raised:
            found(places, ROOT, elsewhere)
        assert raised.value.exit_code == 4
    assert find_config_file(Path("any.toml"), Search({"DRORCH_CONFIG": "x"}, ROOT)) == Path("any.toml")
    (places / "system" / "jobs.toml").unlink()
    assert found(places, ROOT) is None


def test_what_only_its_owner_writes_is_read(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes("\ufeffa = 'ä'\n".encode())
    file.chmod(0o644)
    assert read_trusted(file, ME) == "a = 'ä'\n"


def world_writable_file(file: Path) -> Path:
    file.chmod(0o646)
    return file


def world_writable_folder(file: Path) -> Path:
    file.parent.chmod(0o757)
    return file


def sticky_folder(file: Path) -> Path:
    file.parent.chmod(0o1777)
    return file


def folder_above(file: Path) -> Path:
    file.parent.parent.chmod(0o777)
    return file


def linked_from_such_a_folder(file: Path) -> Path:
    folder = file.parent / "open"
    folder.mkdir()
    (folder / FILE_NAME).symlink_to(file)
    folder.chmod(0o777)
    return folder / FILE_NAME


def linked_into_such_a_folder(file: Path) -> Path:
    folder = file.parent / "open"
    folder.mkdir()
    file.rename(folder / FILE_NAME)
    file.symlink_to(folder / FILE_NAME)
    folder.chmod(0o777)
    return file


@pytest.mark.parametrize(
    "opened",
    [
        world_writable_file,
        world_writable_folder,
        sticky_folder,
        folder_above,
        linked_from_such_a_folder,
        linked_into_such_a_folder,
    ],
)
def test_what_everyone_may_write_is_refused(tmp_path: Path, opened: Callable[[Path], Path]) -> None:
    file = tmp_path / "above" / "folder" / FILE_NAME
    file.parent.mkdir(parents=True, mode=0o755)
    file.write_text("")
    file.chmod(0o644)
    read_trusted(file, ME)
    with pytest.raises(ConfigError, match="can be written by everyone, and a configuration can run commands") as raised:
        read_trusted(opened(file), ME)
    assert (raised.value.hint or "").startswith("Type: chmod o-w ")


def test_what_belongs_to_another_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text("")
    if ME.is_root:
        os.chown(file, 12345, 0)
        reader = ME
    else:
        reader = User(ME.uid + 1, ME.gid)
    with pytest.raises(ConfigError, match="belongs to"):
        read_trusted(file, reader)


def test_what_another_group_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text("")
    file.chmod(0o664)
    read_trusted(file, ME)
    if ME.is_root:
        os.chown(file, 0, 12345)
        with pytest.raises(ConfigError, match="can be written by group 12345"):
            read_trusted(file, ME)
    else:
        with pytest.raises(ConfigError, match="can be written by group"):
            read_trusted(file, User(ME.uid, ME.gid + 1))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: no such file") as raised:
        read_trusted(tmp_path / "gone.toml", ME)
    assert "drorch config example" in (raised.value.hint or "")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        read_trusted(tmp_path, ME)
    (tmp_path / "latin.toml").write_bytes(b"a = 1\n# \xe4\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text in line 2"):
        read_trusted(tmp_path / "latin.toml", ME)
