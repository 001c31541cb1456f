"""Reading files that do not hold still, and the metadata that comes with them."""

import errno
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from drorch.repository.pipeline.entries import OpenedFile, Reader
from drorch.sources.files import metadata
from drorch.sources.files.reader import FilesReader, OpenedRegularFile
from tests.sources.needs import need, need_program, need_root


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    (tmp_path / "file").write_bytes(b"0123456789" * 1000)
    return os.fsencode(tmp_path / "file")


def read_rest(opened: OpenedRegularFile) -> bytes:
    buffer, pieces = memoryview(bytearray(4096)), []
    while count := opened.readinto(buffer):
        pieces.append(bytes(buffer[:count]))
    return b"".join(pieces)


def test_reader_is_small_and_opens_the_same_in_another_process(path: bytes) -> None:
    reader: Reader = FilesReader()
    sent = pickle.dumps(reader)
    assert len(sent) < 200
    opened: OpenedFile = pickle.loads(sent).open(path)  # noqa: S301
    buffer = bytearray(20_000)
    assert opened.readinto(memoryview(buffer)) == 10_000
    assert opened.readinto(memoryview(buffer)) == 0
    opened.close()
    assert opened.stat.st_size == 10_000


def test_nothing_stays_open(path: bytes, tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    FilesReader().open(path).close()
    os.mkfifo(tmp_path / "fifo")
    for other in (tmp_path / "fifo", tmp_path):
        with pytest.raises(OSError, match="no longer a regular file"):
            FilesReader().open(os.fsencode(other))
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_link_in_the_place_of_a_file_is_not_followed(path: bytes) -> None:
    os.rename(path, path + b".moved")
    os.symlink(path + b".moved", path)
    with pytest.raises(OSError) as caught:
        FilesReader().open(path)
    assert caught.value.errno == errno.ELOOP


def test_a_file_that_vanished_raises(path: bytes) -> None:
    os.unlink(path)
    with pytest.raises(FileNotFoundError):
        FilesReader().open(path)


def test_a_file_that_holds_still_has_not_changed(path: bytes) -> None:
    opened = FilesReader().open(path)
    read_rest(opened)
    os.chmod(path, 0o600)
    assert opened.changed() is None
    opened.close()


def test_growing(path: bytes) -> None:
    opened = FilesReader().open(path)
    opened.readinto(memoryview(bytearray(5000)))
    with open(path, "ab") as file:
        file.write(b"more")
    assert len(read_rest(opened)) == 5004
    assert opened.changed() == "grew from 10000 to 10004 bytes while it was read"
    opened.close()


def test_shrinking(path: bytes) -> None:
    opened = FilesReader().open(path)
    opened.readinto(memoryview(bytearray(5000)))
    os.truncate(path, 6000)
    assert len(read_rest(opened)) == 1000
    assert opened.changed() == "shrank from 10000 to 6000 bytes while it was read"
    opened.close()


def test_rewritten_in_place(path: bytes) -> None:
    opened = FilesReader().open(path)
    before = opened.stat.st_mtime_ns
    with open(path, "r+b") as file:
        file.write(b"new")
    os.utime(path, ns=(before, before + 1))
    assert opened.changed() == "was written to while it was read"
    opened.close()


def test_removed_while_open_is_read_to_its_end(path: bytes) -> None:
    opened = FilesReader().open(path)
    os.unlink(path)
    assert len(read_rest(opened)) == 10_000
    assert opened.changed() == "was removed while it was read"
    opened.close()


def test_holes_are_zeros(path: bytes) -> None:
    os.truncate(path, 0)
    os.truncate(path, 1_000_000)
    opened = FilesReader().open(path)
    assert read_rest(opened) == bytes(1_000_000)
    opened.close()


def test_access_time_is_left_alone(path: bytes) -> None:
    os.utime(path, ns=(1_000_000_000, 2_000_000_000))
    opened = FilesReader().open(path)
    read_rest(opened)
    opened.close()
    assert os.stat(path).st_atime_ns == 1_000_000_000


_READ_AS_NOBODY = """
import os, sys
from drorch.sources.files.reader import FilesReader

os.setgid(65534)
os.setuid(65534)
buffer = bytearray(20000)
for fd in map(int, sys.argv[1:]):
    os.fchdir(fd)
    for name in (b"theirs", b"closed"):
        try:
            print(FilesReader().open(name).readinto(memoryview(buffer)))
        except OSError as fault:
            print(fault.strerror)
"""


def test_a_file_of_somebody_else_is_read_where_its_mode_allows(tmp_path: Path) -> None:
    need_root()
    for name, mode in (("theirs", 0o604), ("closed", 0o600)):
        (tmp_path / name).write_bytes(b"content")
        (tmp_path / name).chmod(mode)
    tmp_path.chmod(0o701)
    handle = os.open(tmp_path, os.O_RDONLY)
    command = [sys.executable, "-c", _READ_AS_NOBODY, str(handle)]
    done = subprocess.run(command, pass_fds=[handle], capture_output=True, text=True, check=False)
    os.close(handle)
    assert done.stdout.splitlines() == ["7", "Permission denied"], done.stderr


class TestMetadata:
    @pytest.fixture(autouse=True)
    def attributes_work(self, path: bytes) -> None:
        try:
            os.setxattr(path, "user.zebra", b"striped\0\xff")
        except OSError as fault:
            need(fault.errno != errno.ENOTSUP, "a file system with extended attributes for temporary files")
            raise

    def test_attributes_in_the_order_of_the_system(self, path: bytes) -> None:
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, b"user.caf\xe9", b"1")
        opened = FilesReader().open(path)
        found = opened.details()
        opened.close()
        assert [name for name, _ in found.xattrs] == [os.fsencode(name) for name in os.listxattr(path)]
        expected = {b"user.zebra": b"striped\0\xff", b"user.empty": b"", b"user.caf\xe9": b"1"}
        assert dict(found.xattrs) == expected
        assert found.problems == ()
        assert metadata.details_of_path(path, os.lstat(path)) == found

    def test_a_link_has_its_own_attributes(self, path: bytes) -> None:
        need_root()
        os.symlink(path, path + b".link")
        try:
            os.setxattr(path + b".link", "trusted.own", b"link", follow_symlinks=False)
        except PermissionError:
            need(False, "the right to set trusted attributes")
        found = metadata.details_of_path(path + b".link", os.lstat(path + b".link"))
        assert (found.linktarget, found.xattrs) == (path, ((b"trusted.own", b"link"),))

    def test_access_lists(self, path: bytes, tmp_path: Path) -> None:
        setfacl = need_program("setfacl")
        subprocess.run([setfacl, "-m", "u:12345:rw", path], check=True)
        subprocess.run([setfacl, "-d", "-m", "u:12345:rx", tmp_path], check=True)
        found = dict(metadata.details_of_path(path, os.lstat(path)).xattrs)
        assert found[b"system.posix_acl_access"] == os.getxattr(path, "system.posix_acl_access")
        folder = metadata.details_of_path(os.fsencode(tmp_path), os.lstat(tmp_path))
        assert b"system.posix_acl_default" in dict(folder.xattrs)

    def test_capabilities(self, path: bytes) -> None:
        need_root()
        # Version 2 of vfs_cap_data (capabilities(7)): cap_net_bind_service, permitted and effective.
        value = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
        os.setxattr(path, "security.capability", value)
        assert dict(metadata.details_of_path(path, os.lstat(path)).xattrs)[b"security.capability"] == value

    def test_names_of_owners(self, path: bytes) -> None:
        need_root()
        found = metadata.details_of_path(path, os.lstat(path))
        assert (found.user, found.group) == ("root", "root")
        os.chown(path, 3_999_999_999, 3_999_999_999)
        found = metadata.details_of_path(path, os.lstat(path))
        assert (found.user, found.group) == ("", "")

    def test_what_vanished_is_told_in_words(self, path: bytes) -> None:
        status = os.lstat(path)
        os.unlink(path)
        found = metadata.details_of_path(path, status)
        assert found.problems == ("extended attributes cannot be listed: No such file or directory",)

    def test_a_file_system_without_attributes_is_no_problem(self) -> None:
        found = metadata.details_of_path(b"/proc/self/stat", os.stat("/proc/self/stat"))
        assert (found.xattrs, found.problems) == ((), ())
