"""What is left out of a source: by pattern, by a tag file in a folder, by size.

Patterns are gitignore's, translated by pathspec, with restic's reading of slashes: a pattern with a leading slash
is anchored at the root of the file system, any other matches at every depth. The scan goes from the top down and
never enters what is excluded, so every pattern is asked about one entry only, never about what is above it.
"""

import os
import re
import stat
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from drorch.errors import UsageError
from drorch.sources.files.selection import Selection

_Match = Callable[[str], re.Match[str] | None]

_CACHE_TAG = "CACHEDIR.TAG:Signature: 8a477f597d28d172789f06886806bc55"
# pathspec names this group in every pattern, and a name may occur only once in a joined expression.
_NAMED_GROUP = "(?P<ps_d>"
_PATTERN_HINT = 'write a gitignore pattern, for instance "*.cache" or "/var/tmp"'


def patterns_of_file(content: bytes) -> tuple[str, ...]:
    """The patterns in an exclude file: one a line, blank lines and lines that start with # left out."""
    lines = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    stripped = (line.removesuffix("\r") for line in lines)
    return tuple(line for line in stripped if line.strip() and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    takes_back: bool
    by_name: bool
    expression: str


class PatternList:
    """Patterns compiled once; the last that matches decides.

    Raises `UsageError` for one that can never match (gitignore would drop it in silence).
    """

    __slots__ = ("_compiled", "_match_name", "_match_path")

    def __init__(self, patterns: Sequence[str], *, ignore_case: bool = False) -> None:
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        parsed = [_parse(text) for text in patterns]
        self._compiled = [(item, _compiled(item.expression, flags, item.text)) for item in reversed(parsed)]
        self._match_name = _matcher([item for item in parsed if item.by_name and not item.takes_back], flags)
        self._match_path = _matcher([item for item in parsed if not item.by_name and not item.takes_back], flags)

    def match(self, prefix: str, name: str, *, is_folder: bool) -> str | None:
        """The pattern that excludes an entry, None where none does.

        `prefix` is the absolute path of its folder without the leading slash, with a trailing one unless empty.
        """
        subject = name + "/" if is_folder else name
        if not (
            (self._match_name is not None and self._match_name(subject))
            or (self._match_path is not None and self._match_path(prefix + subject))
        ):
            return None
        for pattern, matches in self._compiled:
            if matches(subject if pattern.by_name else prefix + subject):
                return None if pattern.takes_back else pattern.text
        return None


def _matcher(patterns: Sequence[_Pattern], flags: int) -> _Match | None:
    if not patterns:
        return None
    return _compiled("|".join(item.expression for item in patterns), flags, patterns[0].text)


def _compiled(expression: str, flags: int, text: str) -> _Match:
    try:
        with warnings.catch_warnings():
            # A pattern such as "[[]" is fine; Python warns that "[[" may come to mean something else one day.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(expression, flags).match
    except re.error as fault:
        raise UsageError(f'exclude pattern "{text}" is malformed', hint=_PATTERN_HINT) from fault


def _parse(text: str) -> _Pattern:
    """One pattern, made to match a whole entry: a name, or a path from the root, folders with a trailing slash."""
    body = _without_trailing_blanks(text)
    takes_back = body.startswith("!")
    body = body[1:] if takes_back else body
    inner = body.removesuffix("/")
    by_name = "/" not in inner
    # Asked about a name only, it is anchored there; the slash also keeps "#" and "!" from meaning anything here.
    anchored = "/" + body if by_name else body if body.startswith(("/", "**/")) else "**/" + body
    contents_of = inner.endswith("/**") and inner.removesuffix("/**") not in ("", "**")
    try:
        expression, _ = GitIgnoreSpecPattern.pattern_to_regex(anchored.removesuffix("/") if contents_of else anchored)
    except GitIgnorePatternError as fault:
        raise UsageError(f'exclude pattern "{text}" is malformed', hint=_PATTERN_HINT) from fault
    if expression is None or not inner:
        raise UsageError(f'exclude pattern "{text}" would never match', hint=_PATTERN_HINT)
    expression = expression.replace(_NAMED_GROUP, "(?:")
    if not expression.startswith("^"):
        expression = ".*" + expression
    if contents_of:
        # "a/**" means all that is in a, and not a itself.
        expression += "[^/].*/" if body.endswith("/") else "[^/].*"
    return _Pattern(text, takes_back, by_name, f"(?:{expression})\\Z")


def _without_trailing_blanks(text: str) -> str:
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    return text


@dataclass(frozen=True, slots=True)
class FolderTag:
    """A file whose presence says that the rest of its folder is not wanted."""

    name: bytes
    header: bytes

    def marks(self, folder: int) -> bool:
        """Whether the open folder is marked: it holds the file, starting with the header. Faults mean no."""
        try:
            status = os.stat(self.name, dir_fd=folder, follow_symlinks=False)
            if not self.header:
                return True
            if not stat.S_ISREG(status.st_mode):
                return False
            handle = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError:
            return False
        try:
            return os.read(handle, len(self.header)) == self.header
        except OSError:
            return False
        finally:
            os.close(handle)


def _tag(text: str) -> FolderTag:
    name, _, header = text.partition(":")
    if not name or "/" in name:
        raise UsageError(
            f'"{text}" does not name a file whose presence excludes a folder',
            hint="write NAME or NAME:HEADER, for instance .nobackup",
        )
    return FolderTag(os.fsencode(name), os.fsencode(header))


class Rules:
    """All that a selection leaves out, ready to be asked. Raises `UsageError` for rules that make no sense."""

    __slots__ = ("_lists", "largest", "tags")

    def __init__(self, selection: Selection) -> None:
        lists = (PatternList(selection.excludes), PatternList(selection.iexcludes, ignore_case=True))
        wanted = (selection.excludes, selection.iexcludes)
        self._lists = [patterns for patterns, texts in zip(lists, wanted, strict=True) if texts]
        caches = (_CACHE_TAG,) if selection.exclude_caches else ()
        self.tags = tuple(_tag(text) for text in (*selection.exclude_if_present, *caches))
        self.largest = selection.exclude_larger_than

    @property
    def has_patterns(self) -> bool:
        """Whether any name or path can be excluded by a pattern."""
        return bool(self._lists)

    def excluding(self, prefix: str, name: str, *, is_folder: bool) -> str | None:
        """Why an entry is excluded by its name or path; None where it is not. `prefix` as in `PatternList`."""
        for patterns in self._lists:
            text = patterns.match(prefix, name, is_folder=is_folder)
            if text is not None:
                return f"pattern {text}"
        return None

    def excluding_path(self, path: bytes, *, is_folder: bool) -> str | None:
        """Why an absolute path, or a folder above it, is excluded; None where it is not."""
        if not self._lists:
            return None
        parts = [part for part in text_of(path).split("/") if part]
        for depth, part in enumerate(parts):
            prefix = "".join(above + "/" for above in parts[:depth])
            reason = self.excluding(prefix, part, is_folder=is_folder or depth < len(parts) - 1)
            if reason is not None:
                return reason
        return None


def text_of(path: bytes) -> str:
    """A path as text for patterns and messages; bytes that are not UTF-8 come through as surrogates."""
    return path.decode("utf-8", "surrogateescape")
