"""A folder full of what real file systems hold and programs forget."""

import contextlib
import os
import socket
import stat
from pathlib import Path

ODD_NAMES = (
    b"plain",
    b" leading and trailing ",
    b"-rf",
    b"...",
    b"quote\"backslash\\apostrophe'",
    b"<html>&amp;",
    b"new\nline",
    b"tab\tbell\abackspace\bformfeed\freturn\rvertical\v",
    b"control\x01\x1b[31m\x7f",
    b"latin-1 \xe4\xf6\xfc",
    b"cut off \xe2\x82",
    b"overlong \xc0\xaf surrogate \xed\xa0\x80 too far \xf4\x90\x80\x80",
    b"\xff\xfe\x80",
    "umlaut äöü decomposed a\u0308".encode(),
    "emoji 😀 family 👨‍👩‍👧".encode(),
    "separators \u2028\u2029\u0085\u00a0\u3000\u200b\u00ad\ufeff".encode(),
    "private \ue000\U000f0000\U0010fffd".encode(),
    "non-character \uffff\U0001fffe replacement \ufffd".encode(),
    "unassigned \u0378\U0002fffd".encode(),
    "right to left \u202e gnp.exe".encode(),
    "ｆｕｌｌ　ｗｉｄｔｈ".encode(),  # noqa: RUF001
    b"x" * 255,
)
LINK_TARGETS = (
    b"plain",
    b"../up/and/away",
    b"<&>",
    "\u2028 ü 😀".encode(),
    b'"\\\n\x01\x7f',
    b"/absolute",
    b"x" * 4000,
)
LINK_TARGET_NOT_UTF8 = b"latin-1 \xe4\xff"
LINK_TARGET_WITH_SHORT_ESCAPES = b"\b\f"


def make_odd_folder(root: Path) -> None:
    """Names, modes, times, kinds and links of every sort; what needs root is left out without it."""
    for name in ODD_NAMES:
        _write(root / "names" / os.fsdecode(name), name)
    (root / "links").mkdir()
    for number, target in enumerate(LINK_TARGETS):
        (root / "links" / f"link {number}").symlink_to(os.fsdecode(target))
    for mode in (0o444, 0o755, 0o4755, 0o2711, 0o1666, 0o6755, *([0o000] if os.geteuid() == 0 else [])):
        path = root / "modes" / f"{mode:o}"
        _write(path, b"mode")
        path.chmod(mode)
    (root / "modes" / "sticky").mkdir()
    (root / "modes" / "sticky").chmod(0o1700)
    for at in (0, 1, -1, -1_500_000_001, 1_700_000_000_123_456_789, 10**9, 4_102_444_800 * 10**9 + 100):
        path = root / "times" / f"{at}"
        _write(path, b"time")
        os.utime(path, ns=(at, at))
    (root / "empty").mkdir()
    (root / "kinds").mkdir()
    _make_kinds(root / "kinds")


def _make_kinds(folder: Path) -> None:
    _write(folder / "empty file", b"")
    _write(folder / "hard link", b"shared")
    (folder / "another name").hardlink_to(folder / "hard link")
    os.mkfifo(folder / "fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(folder):
        listener.bind("socket")
    if os.geteuid() == 0:
        os.mknod(folder / "block", stat.S_IFBLK | 0o640, os.makedev(8, 17))
        os.mknod(folder / "char", stat.S_IFCHR | 0o644, os.makedev(1, 3))
        os.chown(folder / "fifo", 12345, 54321)


def set_odd_xattrs(path: Path) -> bool:
    """Extended attributes with binary, empty and odd-named values; False where the file system has none."""
    try:
        os.setxattr(path, "user.binary", bytes(range(256)))
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "user.odd <&> ü\u2028", b"value")
    except OSError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
