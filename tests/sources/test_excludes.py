"""Excludes: git as the oracle of its own patterns, and what restic's users expect beyond them."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drorch.errors import UsageError
from drorch.sources.files.excludes import PatternList, Rules, patterns_of_file
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from tests.sources.needs import need_program
from tests.sources.walking import kept

CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"


@pytest.fixture
def here(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path)


def make(path: bytes, content: bytes = b"") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def excluded(pattern: str, path: str, *, is_folder: bool = False, ignore_case: bool = False) -> bool:
    prefix, _, name = path[1:].rpartition("/")
    patterns = PatternList([pattern], ignore_case=ignore_case)
    return patterns.match(prefix + "/" if prefix else "", name, is_folder=is_folder) is not None


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.cache", "/a/b/x.cache", True),
        ("*.cache", "/a/b/x.cached", False),
        ("*", "/a", True),
        ("node_modules", "/home/u/p/node_modules", True),
        ("/var/tmp", "/var/tmp", True),
        ("/var/tmp", "/srv/var/tmp", False),
        ("/tmp", "/tmp", True),
        ("/tmp", "/home/tmp", False),
        ("var/tmp", "/srv/var/tmp", True),
        ("var/tmp", "/srv/xvar/tmp", False),
        ("/home/*/.cache", "/home/u/.cache", True),
        ("/home/*/.cache", "/home/u/v/.cache", False),
        ("/home/**/.cache", "/home/u/v/.cache", True),
        ("/home/**/.cache", "/home/.cache", True),
        ("/home/**", "/home/u", True),
        ("/home/**", "/home/u/v", True),
        ("/home/**", "/home", False),
        ("a/**", "/x/a/b", True),
        ("**/a/b", "/x/a/b", True),
        ("/**", "/x", True),
        ("?", "/\u00e9", True),
        ("[ab]c", "/x/bc", True),
        ("[!ab]c", "/x/bc", False),
        ("[[]x", "/x/[x", True),
        ("#*#", "/x/#draft#", True),
        ("\\!x", "/x/!x", True),
        ("x ", "/x", True),
        ("x\\ ", "/x ", True),
        ("caf\udce9*", "/x/caf\udce9.txt", True),
        ("name", "/x/name\n", False),
        ("*.log", "/new\nline/x.log", True),
        ("b/*.log", "/new\nline/b/x.log", True),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert excluded(pattern, path) is expected


@pytest.mark.parametrize("pattern", ["build/", "/srv/build/", "srv/build/", "/srv/**/"])
def test_a_trailing_slash_means_folders_only(pattern: str) -> None:
    assert excluded(pattern, "/srv/build", is_folder=True)
    assert not excluded(pattern, "/srv/build")


def test_case_counts_unless_it_is_told_not_to() -> None:
    assert not excluded("*.JPG", "/a/b.jpg")
    assert excluded("*.JPG", "/a/b.jpg", ignore_case=True)
    assert excluded("/A/\u00c9", "/a/\u00e9", ignore_case=True)


@pytest.mark.parametrize("pattern", ["", "/", "!", "[z-a]", "  "])
def test_a_pattern_that_can_never_match_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="exclude pattern"):
        PatternList([pattern])


def test_an_exclude_file_has_comments_and_blank_lines() -> None:
    content = b"\xef\xbb\xbf# comment\n\n*.tmp\r\n  \n!keep.tmp\n\\#literal\ncaf\xe9\n/last"
    assert patterns_of_file(content) == ("*.tmp", "!keep.tmp", "\\#literal", "caf\udce9", "/last")


def test_the_last_match_decides_but_what_is_above_stays_excluded(here: bytes) -> None:
    for name in (b"a.log", b"keep.log", b"logs/keep.log", b"logs/a.log", b"gone/keep.log"):
        make(here + b"/" + name)
    selection = Selection((here,), excludes=("*.log", "!keep.log", "gone"))
    assert kept(here, selection) == {b"keep.log", b"logs", b"logs/keep.log"}


def test_only_some_files_can_be_kept(here: bytes) -> None:
    for name in (b"a.txt", b"a.bin", b"d/b.txt", b"d/b.bin"):
        make(here + b"/" + name)
    root = os.fsdecode(here)
    selection = Selection((here,), excludes=(f"{root}/**", "!*/", "!*.txt"))
    assert kept(here, selection) == {b"a.txt", b"d", b"d/b.txt"}


def test_the_two_lists_decide_each_for_itself(here: bytes) -> None:
    for name in (b"A.TMP", b"b.tmp", b"c.Tmp"):
        make(here + b"/" + name)
    assert kept(here, Selection((here,), excludes=("!b.tmp",), iexcludes=("*.tmp", "!c.tmp"))) == {b"c.Tmp"}


def test_an_excluded_target_is_left_out_and_so_is_one_below_an_excluded_folder(here: bytes) -> None:
    make(here + b"/a/b")
    make(here + b"/c")
    told: list[tuple[bytes, str]] = []
    for target in (b"/a", b"/a/b"):
        selection = Selection((here + target, here + b"/c"), excludes=("a",))
        source = FilesSource(selection, on_excluded=lambda path, reason: told.append((path, reason)))
        top = list(source.roots())
        while top[0].path != here:
            top = list(top[0].children())
        below_a = [list(child.children()) for child in top[0].children() if child.name == b"a"]
        assert below_a in ([], [[]])
    assert told == [(here + b"/a", "pattern a"), (here + b"/a/b", "pattern a")]


def test_what_is_excluded_is_told_with_its_reason(here: bytes) -> None:
    make(here + b"/x.cache")
    make(here + b"/big", b"12345")
    make(here + b"/tagged/.nobackup")
    make(here + b"/tagged/file")
    told: dict[bytes, str] = {}
    selection = Selection((here,), excludes=("*.cache",), exclude_larger_than=4, exclude_if_present=(".nobackup",))
    source = FilesSource(selection, on_excluded=told.__setitem__)
    waiting = list(source.roots())
    while waiting:
        entry = waiting.pop()
        if entry.stat.st_mode & 0o040000:
            waiting.extend(entry.children())
    assert told == {
        here + b"/x.cache": "pattern *.cache",
        here + b"/big": "larger than 4 bytes",
        here + b"/tagged/*": "marked by .nobackup",
    }


def test_larger_than_means_larger_and_files_only(here: bytes) -> None:
    make(here + b"/five", b"12345")
    make(here + b"/six", b"123456")
    os.symlink(b"a long target of a link", here + b"/link")
    assert kept(here, Selection((here,), exclude_larger_than=5)) == {b"five", b"link"}


class TestTags:
    @pytest.fixture(autouse=True)
    def folders(self, here: bytes) -> None:
        make(here + b"/cache/CACHEDIR.TAG", CACHE_TAG + b"\n# made by a program\n")
        make(here + b"/cache/sub/junk")
        make(here + b"/other/CACHEDIR.TAG", b"not the signature")
        make(here + b"/other/file")
        make(here + b"/link/file")
        os.symlink(here + b"/cache/CACHEDIR.TAG", here + b"/link/CACHEDIR.TAG")
        make(here + b"/empty/.nobackup")
        make(here + b"/empty/file")

    everything = frozenset(
        {b"cache", b"cache/CACHEDIR.TAG", b"other", b"other/CACHEDIR.TAG", b"other/file", b"empty", b"empty/.nobackup"}
        | {b"link", b"link/CACHEDIR.TAG", b"link/file"}
    )

    def test_caches_keep_their_tag(self, here: bytes) -> None:
        assert kept(here, Selection((here,), exclude_caches=True)) == self.everything | {b"empty/file"}

    def test_a_cache_as_target(self, here: bytes) -> None:
        cache = here + b"/cache"
        assert kept(cache, Selection((cache,), exclude_caches=True)) == {b"CACHEDIR.TAG"}

    def test_any_file_can_be_a_tag_with_or_without_a_header(self, here: bytes) -> None:
        tags = (".nobackup", "CACHEDIR.TAG:Signature: 8a47")
        assert kept(here, Selection((here,), exclude_if_present=tags)) == self.everything
        wrong = (".nobackup:header", "CACHEDIR.TAG:signature")
        assert b"cache/sub/junk" in kept(here, Selection((here,), exclude_if_present=wrong))

    @pytest.mark.parametrize("tag", ["", ":header", "a/b"])
    def test_a_tag_is_a_name(self, tag: str) -> None:
        with pytest.raises(UsageError):
            Rules(Selection((b"/",), exclude_if_present=(tag,)))


NAMES = (b"a", b"b", b"ab", b"a.b", b"ba.a")
_WILD = st.sampled_from(["a", "b", "ab", "*", "a*", "*.b", "?", "[ab]", "[!a]*", "b?.a", "**"])
_BODY = st.lists(_WILD, min_size=1, max_size=3).map("/".join)
# Git anchors a pattern with a slash inside, drorch only one with a leading slash: such patterns are given rooted.
_PATTERN = st.tuples(
    st.sampled_from(["", "!"]), _BODY, st.sampled_from(["/", "**/"]), st.sampled_from(["", "", "/"])
).map(lambda parts: parts[0] + (parts[2] if "/" in parts[1] else "") + parts[1] + parts[3])


@pytest.fixture(scope="module")
def ignoring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git working tree of every path of up to three of the names."""
    need_program("git")
    work = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "-q", work], check=True)
    root = os.fsencode(work)
    for first in NAMES:
        for second in NAMES[:3]:
            for third in NAMES:
                make(b"/".join([root, b"tree", first, b"d" + second, third]))
            make(b"/".join([root, b"tree", first, second]))
    return work


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(_PATTERN, min_size=1, max_size=4))
def test_git_ignores_the_same(ignoring: Path, patterns: list[str]) -> None:
    tree = os.fsencode(ignoring / "tree")
    everything = {os.path.relpath(os.path.join(at, name), tree) for at, ds, fs in os.walk(tree) for name in ds + fs}
    (ignoring / "tree" / ".gitignore").write_text("\n".join(patterns) + "\n")
    try:
        asked = b"\0".join(sorted(everything))
        told = subprocess.run(
            ["git", "check-ignore", "--no-index", "-z", "--stdin"],
            cwd=tree,
            input=asked,
            capture_output=True,
            check=False,
        )
    finally:
        (ignoring / "tree" / ".gitignore").unlink()
    assert told.returncode in (0, 1), told.stderr
    ignored = set(told.stdout.split(b"\0")) - {b""}
    root = os.fsdecode(tree)
    rooted = [_below(root, text) for text in patterns]
    # The folder itself and those above it are not git's business: a target of its own for each name in it.
    targets = tuple(os.path.join(tree, name) for name in sorted(os.listdir(tree)))
    found: set[bytes] = set()
    for target in targets:
        rules = Rules(Selection((target,), excludes=tuple(rooted)))
        if rules.excluding(os.fsdecode(tree)[1:] + "/", os.fsdecode(os.path.basename(target)), is_folder=True) is None:
            found |= _kept_in(rules, tree, os.path.basename(target))
    assert found == everything - ignored


def _below(root: str, pattern: str) -> str:
    """The pattern of a .gitignore in a folder, as drorch has to be given it."""
    sign, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    if "/" not in body.removesuffix("/"):
        return pattern
    return f"{sign}{root}/{body.removeprefix('/')}"


def _kept_in(rules: Rules, tree: bytes, top: bytes) -> set[bytes]:
    found, waiting = {top}, [top]
    while waiting:
        folder = waiting.pop()
        with os.scandir(tree + b"/" + folder) as listing:
            for item in listing:
                prefix = os.fsdecode(tree + b"/" + folder)[1:] + "/"
                if rules.excluding(prefix, os.fsdecode(item.name), is_folder=item.is_dir()) is None:
                    found.add(folder + b"/" + item.name)
                    if item.is_dir():
                        waiting.append(folder + b"/" + item.name)
    return found
