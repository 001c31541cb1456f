"""A tree with every kind of node, name, mode, time and attribute that a backup has to keep. Made by root."""

import errno
import os
import random
import stat
import struct
from pathlib import Path

from tests.sources.needs import need, need_root

KIB, MIB = 1 << 10, 1 << 20
NEWER_TARGETS = (b"\xff\xfe/\x80", b"raw \xe2\x82", b"\xed\xa0\x80", b"back\x08space\x0c")
"""Targets of symlinks that restic 0.14 cannot keep, or writes otherwise: `linktarget_raw` came with 0.16."""

NAMES = (
    *(b"raw \xff\xfe", b"raw \xe2\x82", b"new\nline", b'quo"te', b"back\\slash", b"it's", b"\xf0\x9f\xa6\x80 crab"),
    *(b" ", b"caf\xc3\xa9", b"cafe\xcc\x81", b"zero\xe2\x80\x8bwidth", b"no\xc2\xa0break", b"line\xe2\x80\xa8sep"),
    *(b"<b>&amp;", b"-rf", b"\x01", b"...", b"..hidden", b"*?[x]", b"$HOME", b"%s%n", b"private \xee\x80\x80"),
    *(b"a", b"a!", b"a-b", b"a.b", b"aB", b"A", b"ab", b"\xc3\x84", b"C:", b"\xef\xbf\xbd", b"\xed\xa0\x80"),
    *(b"z" * 255, b"\x1b[31m", b"\x7f", b"\t"),
)
MODES = (0o000, 0o400, 0o111, 0o666, 0o4755, 0o2755, 0o1644, 0o6711, 0o7777)
TIMES = (
    -1,
    -86_400_000_000_001,
    0,
    1,
    999_999_999,
    1_000_000_000,
    1_234_567_890_123_456_789,
    4_102_444_800_000_000_100,
)
SUMMER, WINTER = 1_785_585_600_000_000_000, 1_770_000_000_120_000_000
_CAP_NET_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def make_hostile(root: Path, *, newer: bool = True) -> None:
    """Make the tree at `root`, which must not exist; `newer` adds symlinks that restic 0.14 does not keep.

    Skips the test without root, or on a file system that lacks a kind of attribute.
    """
    need_root()
    root.mkdir(mode=0o750)
    here = os.fsencode(root)
    _named(here + b"/names")
    _sized(here + b"/sizes")
    _moded(here + b"/modes")
    _linked(here + b"/links", NEWER_TARGETS if newer else ())
    _special(here + b"/special")
    _attributed(here + b"/attributes", link=newer)
    _timed(here + b"/times")
    _deep(here + b"/deep")
    os.utime(here, ns=(WINTER, SUMMER))


def write(path: bytes, content: bytes = b"") -> bytes:
    """Write a file; its path."""
    with open(path, "wb") as file:
        file.write(content)
    return path


def _named(folder: bytes) -> None:
    for name in NAMES:
        os.makedirs(folder + b"/folders/" + name)
        write(folder + b"/" + name, name)
        write(folder + b"/folders/" + name + b"/within", name)


def _sized(folder: bytes) -> None:
    os.mkdir(folder)
    dice = random.Random(4711)  # noqa: S311
    for size in (0, 1, 31, 4096, 512 * KIB - 1, 512 * KIB, 512 * KIB + 1, 9 * MIB + 7):
        write(folder + b"/random %d" % size, dice.randbytes(size))
    write(folder + b"/text", b"".join(b"line %d of many\n" % number for number in range(200_000)))
    write(folder + b"/text again", b"".join(b"line %d of many\n" % number for number in range(200_000)))
    write(folder + b"/zeros", bytes(3 * MIB))
    write(folder + b"/ones", b"\xff" * (3 * MIB))
    with open(folder + b"/sparse", "wb") as file:
        file.write(b"begin")
        file.seek(12 * MIB)
        file.write(b"middle")
        file.truncate(20 * MIB + 1)
    with open(folder + b"/all hole", "wb") as file:
        file.truncate(5 * MIB)


def _moded(folder: bytes) -> None:
    os.mkdir(folder)
    for mode in MODES:
        os.chmod(write(folder + b"/file %o" % mode, b"x"), mode)
        os.mkdir(folder + b"/folder %o" % mode)
        write(folder + b"/folder %o/within" % mode)
        os.chmod(folder + b"/folder %o" % mode, mode)
    for uid, gid in ((4_000_000_000, 4_000_000_001), (65_534, 65_534), (1, 0), (0, 1), (123_456, 654_321)):
        os.chown(write(folder + b"/of %d" % uid), uid, gid)
    os.chmod(folder + b"/of 1", 0o6755)  # noqa: S103
    os.mkdir(folder + b"/folder of 1000")
    os.chown(folder + b"/folder of 1000", 1000, 1000)


def _linked(folder: bytes, newer_targets: tuple[bytes, ...]) -> None:
    os.makedirs(folder + b"/elsewhere")
    first = write(folder + b"/hard", b"three names")
    os.link(first, folder + b"/hard too")
    os.link(first, folder + b"/elsewhere/hard three")
    large = write(folder + b"/elsewhere/large", random.Random(12).randbytes(3 * MIB))  # noqa: S311
    os.link(large, folder + b"/another large")
    empty = write(folder + b"/empty")
    os.link(empty, folder + b"/empty too")
    write(folder + b"/hard twin", b"three names")
    targets = (b"nowhere", b"/etc", b"../links", b".", b"<&>\xe2\x80\xa8", b"tab\tnew\nline\x01\x7f", b"x/" * 2000)
    for number, target in enumerate(targets + newer_targets):
        os.symlink(target, folder + b"/soft %d" % number)
    os.chown(folder + b"/soft 0", 4711, 4712, follow_symlinks=False)
    os.utime(folder + b"/soft 1", ns=(5, -7_000_000_001), follow_symlinks=False)


def _special(folder: bytes) -> None:
    os.mkdir(folder)
    os.mkfifo(folder + b"/fifo", 0o640)
    for number, (kind, device) in enumerate(
        ((stat.S_IFBLK, (8, 17)), (stat.S_IFCHR, (1, 3)), (stat.S_IFCHR, (259, 300_000)), (stat.S_IFBLK, (0, 0)))
    ):
        path = folder + b"/device %d" % number
        try:
            os.mknod(path, 0o620 | kind, os.makedev(*device))
        except PermissionError:
            need(False, "the right to make devices")
        os.chown(path, 0, 6)
    os.mkdir(folder + b"/empty folder")
    os.makedirs(folder + b"/one/two/three")


def _attributed(folder: bytes, *, link: bool) -> None:
    os.mkdir(folder)
    plain = write(folder + b"/plain", b"x")
    try:
        os.setxattr(plain, "user.zebra", b"\x00\xff\n")
        os.setxattr(plain, "user.apple", b"")
        os.setxattr(plain, "user.\xe4\xf6", b"x" * 1000)
        os.setxattr(plain, "trusted.drorch", b"of root")
        os.setxattr(write(folder + b"/capable", b"x"), "security.capability", _CAP_NET_BIND)
        os.chmod(folder + b"/capable", 0o700)
        os.setxattr(write(folder + b"/shared", b"x"), "system.posix_acl_access", _acl(6, 1000, 7))
        os.setxattr(folder, "system.posix_acl_default", _acl(5, 1001, 5))
        os.setxattr(folder, "user.folder", b"of a folder")
        os.symlink(b"plain", folder + b"/link")
        if link:
            os.setxattr(folder + b"/link", "trusted.link", b"of a link", follow_symlinks=False)
    except OSError as fault:
        need(fault.errno not in (errno.ENOTSUP, errno.EPERM), "a file system with every kind of attribute")
        raise
    write(folder + b"/heir", b"has the folder's default ACL")


def _acl(group: int, user: int, permission: int) -> bytes:
    """A POSIX ACL as the kernel stores it: owner, one user, owning group, mask, others."""
    nobody = 0xFFFFFFFF
    entries = ((1, 6, nobody), (2, permission, user), (4, group, nobody), (16, 7, nobody), (32, 4, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _timed(folder: bytes) -> None:
    os.mkdir(folder)
    for time in (*TIMES, SUMMER, WINTER):
        path = write(folder + b"/at %d" % time, b"t")
        os.utime(path, ns=(time, time))
        os.mkdir(path + b" folder")
        os.utime(path + b" folder", ns=(time, time))
    os.utime(folder, ns=(1, -123_456_789))


def _deep(folder: bytes) -> None:
    for _ in range(60):
        folder += b"/a folder in a folder"
    os.makedirs(folder)
    write(folder + b"/bottom", b"found")
