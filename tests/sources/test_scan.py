"""The walk: every kind of node, every kind of name, the layout of targets, and what is skipped."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from drorch.errors import UsageError
from drorch.repository.pipeline.entries import Entry, Source
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from tests.sources.needs import need_program, need_root
from tests.sources.walking import below, kept, read_all, walked


@pytest.fixture
def here(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path)


def source_of(*targets: bytes) -> FilesSource:
    return FilesSource(Selection(targets))


def make(path: bytes, content: bytes = b"x") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def test_fits_what_the_engine_asks_for(here: bytes) -> None:
    make(here + b"/file", b"content" * 1000)
    source: Source = source_of(here)
    entry: Entry = walked(source)[here + b"/file"]
    assert read_all(source, entry) == b"content" * 1000
    assert not entry.streamed


def test_folders_on_the_way_have_the_metadata_of_the_real_ones(here: bytes) -> None:
    make(here + b"/a/b/c")
    os.chmod(here + b"/a", 0o700)
    entries = walked(source_of(here + b"/a/b"))
    assert stat.S_IMODE(entries[here + b"/a"].stat.st_mode) == 0o700
    assert entries[here].stat.st_ino == os.stat(here).st_ino
    assert entries[here].details().user == entries[here + b"/a/b"].details().user


def test_every_kind_of_node(here: bytes) -> None:
    make(here + b"/t/file")
    os.mkfifo(here + b"/t/fifo")
    os.symlink(b"nowhere", here + b"/t/link")
    os.link(here + b"/t/file", here + b"/t/hard")
    source = source_of(here + b"/t")
    entries = {path.rpartition(b"/")[2]: entry for path, entry in walked(source).items()}
    assert stat.S_ISFIFO(entries[b"fifo"].stat.st_mode)
    assert stat.S_ISLNK(entries[b"link"].stat.st_mode)
    assert entries[b"link"].details().linktarget == b"nowhere"
    assert entries[b"fifo"].details().linktarget is None
    assert entries[b"hard"].stat.st_ino == entries[b"file"].stat.st_ino
    assert entries[b"hard"].stat.st_nlink == 2


def test_devices(here: bytes) -> None:
    need_root()
    os.mknod(here + b"/block", 0o640 | stat.S_IFBLK, os.makedev(8, 17))
    os.mknod(here + b"/char", 0o644 | stat.S_IFCHR, os.makedev(1, 3))
    entries = walked(source_of(here))
    assert stat.S_ISBLK(entries[here + b"/block"].stat.st_mode)
    assert entries[here + b"/block"].stat.st_rdev == 2065
    assert stat.S_ISCHR(entries[here + b"/char"].stat.st_mode)
    assert entries[here + b"/char"].details().problems == ()


def test_sockets_are_skipped_and_counted(here: bytes) -> None:
    make(here + b"/file")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(here + b"/socket")
        source = source_of(here, here + b"/socket")
        assert below(here, source) == {b"file"}
        assert source.skipped_sockets == 2


def test_names_are_bytes(here: bytes) -> None:
    names = [b"new\nline", b"\xff\xfe", b"caf\xc3\xa9", b"caf\xe9", b" ", b"-rf", b"a\x7fb", b"\\", b'"', b"z" * 255]
    for name in names:
        make(here + b"/" + name, name)
    source = source_of(here)
    entries = walked(source)
    assert {path[len(here) + 1 :] for path in entries if path.startswith(here + b"/")} == set(names)
    for name in names:
        assert read_all(source, entries[here + b"/" + name]) == name


def test_link_targets_are_bytes(here: bytes) -> None:
    os.symlink(b"\xff/\n", here + b"/link")
    assert walked(source_of(here))[here + b"/link"].details().linktarget == b"\xff/\n"


def test_a_tree_deeper_than_any_path(here: bytes) -> None:
    levels, name = 2000, b"deep-folder"
    handle = os.open(here, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=handle)
        below_it = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below_it
    with open(os.open(b"file", os.O_WRONLY | os.O_CREAT, dir_fd=handle), "wb") as file:
        file.write(b"at the bottom")
    os.symlink(b"file", b"link", dir_fd=handle)
    os.setxattr(handle, "user.depth", b"2000")
    os.close(handle)
    bottom = here + (b"/" + name) * levels
    try:
        source = source_of(here)
        open_before = len(os.listdir("/proc/self/fd"))
        entries = walked(source)
        assert len(os.listdir("/proc/self/fd")) == open_before
        assert read_all(source, entries[bottom + b"/file"]) == b"at the bottom"
        assert entries[bottom + b"/link"].details().linktarget == b"file"
        assert entries[bottom].details().xattrs == ((b"user.depth", b"2000"),)
        assert below(bottom, source_of(bottom)) == {b"file", b"link"}
    finally:
        subprocess.run([b"rm", b"-rf", here + b"/" + name], check=True)


def test_more_entries_than_are_looked_at_together(here: bytes) -> None:
    for number in range(5000):
        os.mkdir(here + b"/%d" % number)
    listed = next(iter(source_of(here).roots()))
    while listed.path != here:
        listed = next(iter(listed.children()))
    first, *rest = listed.children()
    assert [first.name, *(entry.name for entry in rest)] == sorted(b"%d" % number for number in range(5000))
    assert first.stat.st_ino == os.stat(here + b"/0").st_ino


class TestLayout:
    """Expected layouts are those of restic 0.18.1 for the same targets."""

    @pytest.fixture(autouse=True)
    def tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        here = os.fsencode(tmp_path)
        make(here + b"/a/b/c/f")
        make(here + b"/a/x")
        make(here + b"/d/a/g")
        os.symlink(b"a", here + b"/lnk")
        monkeypatch.chdir(tmp_path / "d")

    whole_a = frozenset({b"/a", b"/a/b", b"/a/b/c", b"/a/b/c/f", b"/a/x"})

    @pytest.mark.parametrize(
        ("targets", "expected"),
        [
            ([b"a"], {b"/a", b"/a/g"}),
            ([b"a/"], {b"/a", b"/a/g"}),
            ([b"."], {b"/a", b"/a/g"}),
            ([b"../a/b"], {b"/a", b"/a/b", b"/a/b/c", b"/a/b/c/f"}),
            ([b"../a", b"../a/b"], whole_a),
            ([b"../a/b", b"../a"], whole_a),
            ([b"../a//", b"../d/../a"], whole_a),
            ([b"a", b"../a/x"], {b"/a", b"/a/g", b"/a-1", b"/a-1/x"}),
            ([b"../a/x", b"a"], {b"/a", b"/a/x", b"/a-1", b"/a-1/g"}),
            ([b".."], {b"/d", b"/d/a", b"/d/a/g", b"/lnk", *whole_a}),
            ([b"../lnk/"], {b"/lnk"}),
            ([b"../lnk/x"], {b"/lnk", b"/lnk/x"}),
            ([b"../a/x", b"../a/b/c"], {b"/a", b"/a/x", b"/a/b", b"/a/b/c", b"/a/b/c/f"}),
        ],
    )
    def test_relative_targets(self, targets: list[bytes], expected: set[bytes]) -> None:
        assert set(walked(source_of(*targets))) == expected

    def test_names_that_clash_are_numbered_and_still_read_their_own_file(self) -> None:
        source = source_of(b".", b"..")
        entries = walked(source)
        assert set(entries) >= {b"/a/g", b"/a-1/x", b"/a-1/b/c/f", b"/d/a/g"}
        assert read_all(source, entries[b"/a-1/x"]) == b"x"
        assert entries[b"/a-1/b"].locator == os.path.dirname(os.getcwdb()) + b"/a/b"

    def test_a_link_as_target_is_a_link(self) -> None:
        entry = walked(source_of(b"../lnk"))[b"/lnk"]
        assert stat.S_ISLNK(entry.stat.st_mode)
        assert entry.details().linktarget == b"a"

    def test_a_link_on_the_way_is_the_folder_it_leads_to(self) -> None:
        entries = walked(source_of(b"..", b"../lnk/x"))
        assert stat.S_ISDIR(entries[b"/lnk"].stat.st_mode)
        assert {path for path in entries if path.startswith(b"/lnk/")} == {b"/lnk/x"}

    def test_absolute_and_relative_targets_share_a_snapshot(self, here: bytes) -> None:
        entries = walked(source_of(here + b"/a/x", b"a"))
        assert {here + b"/a/x", b"/a/g"} <= set(entries)

    def test_paths_are_absolute_and_named_once(self, here: bytes) -> None:
        assert source_of(b"a", b"./a/", here + b"/a").paths == (here + b"/d/a", here + b"/a")

    @pytest.mark.parametrize("target", [b"", b"a\0b"])
    def test_impossible_targets(self, target: bytes) -> None:
        with pytest.raises(UsageError):
            source_of(target)

    def test_a_missing_target_is_a_problem_beside_the_others(self) -> None:
        source = source_of(b"a", b"nothere", b"a/g/not-a-folder")
        assert b"/a/g" in walked(source)
        assert [(problem.subject.rpartition("/")[2], problem.message) for problem in source.problems] == [
            ("nothere", "cannot be read: No such file or directory"),
            ("not-a-folder", "cannot be read: Not a directory"),
        ]


_AS_NOBODY = """
import os, sys
from drorch.sources.files.layout import Branch
from drorch.sources.files.scan import Walk, branch_children
from drorch.sources.files.selection import Selection

os.fchdir(int(sys.argv[1]))
os.setgid(65534)
os.setuid(65534)
walk = Walk(Selection((), excludes=("hidden",)), None)
top = Branch(b"/proc/self/cwd/.", wanted=True)
for entry in branch_children(walk, top, b"", os.stat("."), covered=False):
    try:
        print(entry.name.decode(), [child.name.decode() for child in entry.children()])
    except OSError as fault:
        print(entry.name.decode(), fault.strerror)
print([problem.message for problem in walk.problems])
"""


def test_what_may_not_be_read_is_told(here: bytes) -> None:
    """A folder that may not be listed raises; one whose entries may not be looked at has a problem for each."""
    need_root()
    for folder, mode in ((b"closed", 0o700), (b"open", 0o705), (b"unseen", 0o704)):
        make(here + b"/" + folder + b"/file")
        make(here + b"/" + folder + b"/hidden")
        os.chmod(here + b"/" + folder, mode)
    os.chmod(here, 0o705)
    handle = os.open(here, os.O_RDONLY)
    command = [sys.executable, "-c", _AS_NOBODY, str(handle)]
    done = subprocess.run(command, pass_fds=[handle], capture_output=True, text=True, check=False)
    os.close(handle)
    assert done.stdout.splitlines() == [
        "closed Permission denied",
        "open ['file']",
        "unseen []",
        "['cannot be read: Permission denied']",
    ], done.stderr


def test_a_folder_replaced_by_a_link_is_not_entered(here: bytes) -> None:
    make(here + b"/secret/key")
    make(here + b"/t/folder/file")
    entries = walked(source_of(here + b"/t"))
    os.rename(here + b"/t/folder", here + b"/t/moved")
    os.symlink(here + b"/secret", here + b"/t/folder")
    with pytest.raises(OSError, match="Not a directory"):
        list(entries[here + b"/t/folder"].children())


def test_a_folder_reached_through_a_link_slipped_in_above_it_is_not_entered(here: bytes) -> None:
    make(here + b"/secret/in/key")
    make(here + b"/t/folder/in/file")
    entries = walked(source_of(here + b"/t"))
    os.rename(here + b"/t/folder", here + b"/moved")
    os.symlink(here + b"/secret", here + b"/t/folder")
    with pytest.raises(OSError, match="was replaced while it was read"):
        list(entries[here + b"/t/folder/in"].children())


def test_a_folder_replaced_where_it_was_is_read(here: bytes) -> None:
    make(here + b"/t/folder/old")
    entries = walked(source_of(here + b"/t"))
    os.rename(here + b"/t/folder", here + b"/elsewhere")
    make(here + b"/t/folder/new")
    assert [child.name for child in entries[here + b"/t/folder"].children()] == [b"new"]


def test_a_folder_that_vanished_raises(here: bytes) -> None:
    make(here + b"/t/folder/file")
    entries = walked(source_of(here))
    os.unlink(here + b"/t/folder/file")
    os.rmdir(here + b"/t/folder")
    with pytest.raises(FileNotFoundError):
        list(entries[here + b"/t/folder"].children())


class TestMounts:
    @pytest.fixture
    def mounted(self, here: bytes) -> bytes:
        need_root()
        mount = need_program("mount")
        os.mkdir(here + b"/mnt")
        make(here + b"/file")
        done = subprocess.run([mount, "-t", "tmpfs", "none", here + b"/mnt"], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"needs the right to mount: {done.stderr.decode()}")
        make(here + b"/mnt/sub/inside")
        make(here + b"/mnt/beside")
        return here

    @pytest.fixture(autouse=True)
    def unmounted(self, here: bytes, request: pytest.FixtureRequest) -> None:
        def unmount() -> None:
            if os.path.ismount(here + b"/mnt"):
                subprocess.run(["umount", here + b"/mnt"], check=True)

        request.addfinalizer(unmount)

    def test_a_mount_is_entered_unless_told_otherwise(self, mounted: bytes) -> None:
        assert kept(mounted, Selection((mounted,))) == {
            *(b"file", b"mnt", b"mnt/beside", b"mnt/sub", b"mnt/sub/inside")
        }

    def test_one_file_system_keeps_the_mount_point_empty(self, mounted: bytes) -> None:
        told: list[tuple[bytes, str]] = []
        source = FilesSource(
            Selection((mounted,), one_file_system=True), on_excluded=lambda path, reason: told.append((path, reason))
        )
        assert below(mounted, source) == {b"file", b"mnt"}
        assert told == [(mounted + b"/mnt/*", "on another file system")]

    def test_a_target_on_another_file_system_is_entered_all_the_same(self, mounted: bytes) -> None:
        selection = Selection((mounted, mounted + b"/mnt/sub"), one_file_system=True)
        assert kept(mounted, selection) == {b"file", b"mnt", b"mnt/sub", b"mnt/sub/inside"}

    def test_a_file_mounted_over_a_file_is_on_another_file_system(self, mounted: bytes) -> None:
        subprocess.run(["mount", "--bind", mounted + b"/mnt/sub/inside", mounted + b"/file"], check=True)
        try:
            assert kept(mounted, Selection((mounted,), one_file_system=True)) == {b"mnt"}
        finally:
            subprocess.run(["umount", mounted + b"/file"], check=True)
