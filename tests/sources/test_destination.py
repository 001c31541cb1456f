"""Every kind of node is put back with all its metadata, over whatever was there."""

import itertools
import os
import socket
import stat
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drorch.errors import Problem, RestoreError
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import DestinationPolicy, Identity, Kind, Metadata, OwnerPolicy
from tests.sources.destination_cases import ATIME, FOLDER, MTIME, listing, metadata, need_root, with_problems
from tests.sources.destination_cases import without_problems as opened

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def _acl(named_user: int) -> bytes:
    """An access ACL u::rw-,u:N:r--,g::r--,m::r--,o::--- (version 2 of the kernel's encoding)."""
    entries = [(1, 6, 0xFFFFFFFF), (2, 4, named_user), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_a_file_gets_owner_mode_xattrs_and_times(tmp_path: Path) -> None:
    need_root()
    wanted = metadata(
        permissions=0o640,
        uid=12345,
        gid=54321,
        xattrs=(
            ("user.colour", b"\x00blue"),
            ("user.empty", b""),
            ("system.posix_acl_access", _acl(777)),
            ("security.capability", CAPABILITY),
            ("trusted.note", b"n"),
        ),
        size=5,
    )
    with opened(tmp_path) as destination:
        assert destination.write_file((b"f",), (b"he", b"llo"), wanted)
        found = destination.describe((b"f",))
    assert found is not None
    assert (found.uid, found.gid, found.permissions, found.size) == (12345, 54321, 0o640, 5)
    assert (found.mtime_ns, found.atime_ns) == (MTIME, ATIME)
    assert dict(found.xattrs) == dict(wanted.xattrs)
    assert (tmp_path / "f").read_bytes() == b"hello"
    assert listing(tmp_path) == {"f"}


@pytest.mark.parametrize("permissions", [0, 0o400, 0o755, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777])
def test_all_twelve_permission_bits_survive_the_change_of_owner(tmp_path: Path, permissions: int) -> None:
    need_root()
    with opened(tmp_path) as destination:
        assert destination.write_file((b"f",), (b"x",), metadata(permissions=permissions, uid=1, gid=1))
        assert destination.make_dir((b"d",), metadata(Kind.DIR, permissions, uid=1, gid=1))
        destination.finish_dirs()
    for name in ("f", "d"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == permissions


def test_special_nodes(tmp_path: Path) -> None:
    need_root()
    cases = {
        b"link": metadata(
            Kind.SYMLINK, 0o777, uid=5, gid=6, linktarget=b"../\xff where", xattrs=(("trusted.a", b"1"),)
        ),
        b"pipe": metadata(Kind.FIFO, 0o604, uid=5, gid=6),
        b"disk": metadata(Kind.DEV, 0o660, uid=5, gid=6, device=os.makedev(8, 300)),
        b"null": metadata(Kind.CHARDEV, 0o666, uid=5, gid=6, device=os.makedev(1, 3)),
    }
    with opened(tmp_path) as destination:
        for name, wanted in cases.items():
            assert destination.place((name,), wanted)
            assert destination.describe((name,)) == wanted


def test_folders_get_their_metadata_last_and_deepest_first(tmp_path: Path) -> None:
    with opened(tmp_path) as destination:
        assert destination.make_dir((b"a",), metadata(Kind.DIR, 0o555, xattrs=(("user.k", b"v"),)))
        assert destination.make_dir((b"a", b"b"), metadata(Kind.DIR, 0o500))
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
        assert destination.write_file((b"a", b"b", b"f"), (b"x",), metadata())
        destination.finish_dirs()
        top, below = destination.describe((b"a",)), destination.describe((b"a", b"b"))
    assert top is not None and below is not None
    assert (top.permissions, top.mtime_ns, top.xattrs) == (0o555, MTIME, (("user.k", b"v"),))
    assert (below.permissions, below.mtime_ns) == (0o500, MTIME)


def test_the_root_itself_can_be_given_metadata(tmp_path: Path) -> None:
    with opened(tmp_path / "new" / "root") as destination:
        assert destination.make_dir((), metadata(Kind.DIR, 0o751))
        destination.finish_dirs()
    assert stat.S_IMODE((tmp_path / "new" / "root").stat().st_mode) == 0o751
    assert (tmp_path / "new" / "root").stat().st_mtime_ns == MTIME


def test_owners_go_by_name_then_by_number(tmp_path: Path) -> None:
    need_root()
    by_name = metadata(uid=4321, gid=4321, user="root", group="root")
    unknown = metadata(uid=4321, gid=4322, user="no-such-user", group="no such\0group")
    with opened(tmp_path) as destination:
        destination.write_file((b"name",), (), by_name)
        destination.write_file((b"number",), (), unknown)
    with opened(tmp_path, DestinationPolicy(owners=OwnerPolicy(numeric=True))) as destination:
        destination.write_file((b"numeric",), (), by_name)
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()}
    assert owners == {"name": (0, 0), "number": (4321, 4322), "numeric": (4321, 4321)}


@pytest.mark.parametrize("uid", [2**32 - 1, 2**32, 2**64, 2**31])
def test_a_setuid_bit_is_not_given_to_another_owner(tmp_path: Path, uid: int) -> None:
    need_root()
    problems: list[Problem] = []
    with with_problems(tmp_path, problems) as destination:
        assert destination.write_file((b"f",), (b"x",), metadata(permissions=0o6755, uid=uid, gid=0))
    status = (tmp_path / "f").stat()
    if status.st_uid == uid:
        assert problems == [] and stat.S_IMODE(status.st_mode) == 0o6755
    else:
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o2755)
        assert [problem.message.startswith("owner not set") for problem in problems] == [True]


def test_metadata_that_cannot_be_set_does_not_cost_the_content(tmp_path: Path) -> None:
    problems: list[Problem] = []
    wanted = metadata(mtime_ns=2**100, xattrs=(("nonsense", b"1"), ("user.nul\0name", b"2"), ("user.fine", b"3")))
    with with_problems(tmp_path, problems) as destination:
        assert destination.write_file((b"f",), (b"content",), wanted)
    assert (tmp_path / "f").read_bytes() == b"content"
    assert os.getxattr(tmp_path / "f", "user.fine") == b"3"
    assert {problem.subject for problem in problems} == {"/f"}
    assert len(problems) == 3


def test_an_inherited_acl_is_not_kept(tmp_path: Path) -> None:
    os.setxattr(tmp_path, "system.posix_acl_default", _acl(777))
    with opened(tmp_path) as destination:
        assert destination.make_dir((b"d",), FOLDER)
        assert destination.write_file((b"f",), (b"x",), metadata(permissions=0o664))
        destination.finish_dirs()
        assert [destination.describe((name,)) for name in (b"f", b"d")] == [metadata(permissions=0o664, size=1), FOLDER]


def test_hard_links_share_one_inode(tmp_path: Path) -> None:
    with opened(tmp_path) as destination:
        identity = destination.write_file((b"a",), (b"x",), metadata())
        assert identity is not None
        destination.make_dir((b"d",), FOLDER)
        for _ in range(2):
            assert destination.hardlink((b"d", b"b"), (b"a",), identity)
    assert (tmp_path / "d" / "b").stat().st_ino == (tmp_path / "a").stat().st_ino == identity.inode
    assert (tmp_path / "a").stat().st_nlink == 2


def test_a_hard_link_to_something_put_in_the_originals_place_is_refused(tmp_path: Path) -> None:
    problems: list[Problem] = []
    secret = tmp_path / "secret"
    secret.write_bytes(b"theirs")
    with with_problems(tmp_path / "to", problems) as destination:
        identity = destination.write_file((b"a",), (b"x",), metadata())
        assert identity is not None
        (tmp_path / "to" / "a").unlink()
        os.link(secret, tmp_path / "to" / "a")
        assert not destination.hardlink((b"b",), (b"a",), identity)
        assert not destination.hardlink((b"c",), (b"a",), Identity(0, 0))
    assert listing(tmp_path / "to") == {"a"}
    assert [problem.subject for problem in problems] == ["/b", "/c"]


def _put(destination: Destination, name: bytes, kind: Kind) -> object:
    if kind == Kind.FILE:
        return destination.write_file((name,), (b"x",), metadata(size=1))
    if kind == Kind.DIR:
        return destination.make_dir((name,), FOLDER)
    return destination.place((name,), _special(kind))


def _special(kind: Kind) -> Metadata:
    device = os.makedev(1, 3) if kind in (Kind.DEV, Kind.CHARDEV) else 0
    return metadata(
        kind, 0o777 if kind == Kind.SYMLINK else 0o640, linktarget=b"t" if kind == Kind.SYMLINK else None, device=device
    )


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Kind, Kind)))
def test_every_kind_replaces_every_kind(tmp_path: Path, old: Kind, new: Kind) -> None:
    need_root()
    with opened(tmp_path) as destination:
        assert _put(destination, b"n", old)
        destination.finish_dirs()
        assert _put(destination, b"n", new)
        destination.finish_dirs()
        found = destination.describe((b"n",))
    assert found is not None and found.kind == new
    assert listing(tmp_path) == {"n"}


def test_a_socket_is_replaced_too(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "n"))
    with opened(tmp_path) as destination:
        assert destination.describe((b"absent",)) is None
        assert destination.make_dir((b"n",), FOLDER)
    assert (tmp_path / "n").is_dir()


def test_a_folder_with_content_goes_only_where_the_policy_says_so(tmp_path: Path) -> None:
    (tmp_path / "n" / "deep").mkdir(parents=True)
    (tmp_path / "n" / "deep" / "precious").write_bytes(b"1")
    problems: list[Problem] = []
    with with_problems(tmp_path, problems) as destination:
        assert not destination.write_file((b"n",), (b"x",), metadata())
        assert not destination.place((b"n",), _special(Kind.SYMLINK))
    assert [problem.subject for problem in problems] == ["/n", "/n"]
    assert "--delete" in problems[0].message
    assert listing(tmp_path) == {"n", "n/deep", "n/deep/precious"}
    with opened(tmp_path, DestinationPolicy(delete=True)) as destination:
        assert destination.write_file((b"n",), (b"x",), metadata())
    assert listing(tmp_path) == {"n"}


def test_content_that_is_right_gets_only_its_metadata(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"right")
    inode = (tmp_path / "f").stat().st_ino
    os.setxattr(tmp_path / "f", "user.stale", b"1")
    with opened(tmp_path) as destination:
        identity = destination.adopt((b"f",), metadata(permissions=0o600, size=5))
        assert destination.describe((b"f",)) == metadata(permissions=0o600, size=5)
        assert identity is not None and identity.inode == inode
        os.link(tmp_path / "f", tmp_path / "second")
        assert destination.adopt((b"f",), metadata()) is None
        assert destination.adopt((b"absent",), metadata()) is None
        assert destination.adopt((b"f",), metadata(Kind.FIFO)) is None


def test_adopting_a_setuid_file_keeps_the_bit_that_chown_clears(tmp_path: Path) -> None:
    need_root()
    (tmp_path / "f").write_bytes(b"x")
    os.chown(tmp_path / "f", 1, 1)
    (tmp_path / "f").chmod(0o4755)
    with opened(tmp_path) as destination:
        assert destination.adopt((b"f",), metadata(permissions=0o4755, uid=2, gid=2))
    status = (tmp_path / "f").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (2, 0o4755)


def test_read_back_gives_the_content_and_keeps_the_access_time(tmp_path: Path) -> None:
    with opened(tmp_path) as destination:
        destination.write_file((b"f",), (b"0123456789",), metadata(permissions=0o400))
        content = destination.read_back((b"f",))
        assert content is not None
        assert (content.size, content.read_at(3, 4), content.read_at(8, 100)) == (10, b"3456", b"89")
    assert (tmp_path / "f").stat().st_atime_ns == ATIME


def test_what_is_no_regular_file_is_not_read_back(tmp_path: Path) -> None:
    problems: list[Problem] = []
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/hostname")
    with with_problems(tmp_path, problems) as destination:
        assert destination.read_back((b"pipe",)) is None
        assert destination.read_back((b"link",)) is None
        assert destination.read_back((b"absent",)) is None
    assert [problem.subject for problem in problems] == ["/pipe", "/link", "/absent"]


def test_existing_does_not_follow(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with opened(tmp_path) as destination:
        found = destination.existing((b"link",))
        assert found is not None and stat.S_ISLNK(found.st_mode)
        assert destination.existing((b"link", b"hostname")) is None
        assert destination.existing((b"absent",)) is None
        assert destination.existing(()) is not None


def test_threads_share_a_destination(tmp_path: Path) -> None:
    def fill(number: int) -> bool:
        folder = b"d%d" % number
        made = destination.make_dir((folder,), FOLDER)
        return made and all(destination.write_file((folder, b"%d" % i), (b"%d" % i,), metadata()) for i in range(50))

    with opened(tmp_path) as destination, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(40)))
        destination.finish_dirs()
    assert all((tmp_path / f"d{d}" / str(i)).read_bytes() == b"%d" % i for d in range(40) for i in range(50))


def test_a_root_that_cannot_be_used_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RestoreError, match="cannot restore to") as caught:
        Destination(tmp_path / "file", DestinationPolicy(), print)
    assert caught.value.exit_code == 40 and caught.value.hint
