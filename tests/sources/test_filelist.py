"""Lists of targets in their three readings."""

from pathlib import Path

import pytest

from drorch.errors import Problem, UsageError
from drorch.sources.files.filelist import expand_patterns, raw_names, verbatim_lines


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a1", "a2", ".a3", "b[x]", "b*", "sub/a4", "^", "-"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "broken").symlink_to("nowhere")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"a1", (b"a1",)),
        (b"  a1 \r", (b"a1",)),
        (b"a?", (b"a1", b"a2")),
        (b"*a*", (b".a3", b"a1", b"a2")),
        (b"a[^1]", (b"a2",)),
        (b"[!a]a*", (b".a3",)),
        (b"[a-b]1", (b"a1",)),
        (b"*/a4", (b"sub/a4",)),
        (b"b\\[x\\]", (b"b[x]",)),
        (b"b\\*", (b"b*",)),
        (b"\\a1", (b"a1",)),
        (b"broken", (b"broken",)),
    ],
)
def test_patterns(pattern: bytes, expected: tuple[bytes, ...]) -> None:
    found = expand_patterns(pattern)
    assert tuple(name for name in found.targets if b"broken" not in name or pattern == b"broken") == expected
    assert found.problems == ()


def test_comments_order_and_what_matches_nothing() -> None:
    found = expand_patterns(b"\xef\xbb\xbf# comment\n\na2\nnope*\n  # another\na1\nmissing\n")
    assert found.targets == (b"a2", b"a1")
    assert found.problems == (Problem("nope*", "matches no file"), Problem("missing", "matches no file"))


@pytest.mark.parametrize("pattern", [b"a[", b"a1\nb[x", b"a\\"])
def test_malformed_patterns_are_named_with_their_line(pattern: bytes) -> None:
    with pytest.raises(UsageError, match=rf"line {pattern.count(10) + 1} of the list"):
        expand_patterns(pattern)


def test_verbatim_lines_are_names_as_they_are() -> None:
    found = verbatim_lines(b" a1 \n#x\n\n*\ncaf\xe9\nlast")
    assert found.targets == (b" a1 ", b"#x", b"*", b"caf\xe9", b"last")
    with pytest.raises(UsageError, match="NUL"):
        verbatim_lines(b"a\0b\0")


def test_raw_names_end_in_nul() -> None:
    assert raw_names(b"a\nb\0 c\0").targets == (b"a\nb", b" c")
    assert raw_names(b"").targets == ()


@pytest.mark.parametrize("content", [b"a", b"a\0b", b"a\0\0b\0", b"\0"])
def test_malformed_raw_lists(content: bytes) -> None:
    with pytest.raises(UsageError):
        raw_names(content)
