"""Targets from a file: glob patterns, names as they are one a line, or names that end in NUL bytes.

The three readings are restic's --files-from, --files-from-verbatim and --files-from-raw.
"""

import glob
import os
from dataclasses import dataclass

from drorch.errors import Problem, UsageError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileList:
    """Targets read from a list, in its order, and the patterns that matched nothing."""

    targets: tuple[bytes, ...]
    problems: tuple[Problem, ...] = ()


def expand_patterns(content: bytes) -> FileList:
    """Glob patterns, one a line; blanks around them, blank lines and lines that start with # do not count.

    `*` and `?` match dot files too and never a slash, `\\` takes the meaning from the next character. Raises
    `UsageError` for a malformed pattern.
    """
    targets: list[bytes] = []
    problems: list[Problem] = []
    for number, line in enumerate(_lines(content), 1):
        pattern = line.strip()
        if not pattern or pattern.startswith(b"#"):
            continue
        matches = sorted(glob.glob(_python_glob(pattern, number), include_hidden=True))
        if not matches:
            problems.append(Problem(pattern.decode("utf-8", "surrogateescape"), "matches no file"))
        targets.extend(matches)
    return FileList(tuple(targets), tuple(problems))


def verbatim_lines(content: bytes) -> FileList:
    """Names, one a line, taken as they are; empty lines do not count. Raises `UsageError` for a NUL byte."""
    if b"\0" in content:
        raise UsageError(
            "the list of files holds NUL bytes", hint="use --files-from-raw for a list separated by NUL bytes"
        )
    return FileList(tuple(line for line in _lines(content) if line))


def raw_names(content: bytes) -> FileList:
    """Names that each end in a NUL byte. Raises `UsageError` for an empty name and for a missing last NUL."""
    if not content:
        return FileList(())
    *names, rest = content.split(b"\0")
    if rest:
        raise UsageError(
            "the last name in the list of files does not end in a NUL byte",
            hint="make the list with find -print0 or printf '%s\\0'",
        )
    if b"" in names:
        raise UsageError("the list of files holds an empty name", hint="end each name in exactly one NUL byte")
    return FileList(tuple(names))


def _lines(content: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in content.removeprefix(_BYTE_ORDER_MARK).split(b"\n")]


def _python_glob(pattern: bytes, line: int) -> bytes:
    """The pattern as the glob module writes it: `\\x` becomes `[x]`, `[^` becomes `[!`."""
    text = os.fsdecode(pattern)
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            if at + 1 == len(text):
                raise _malformed(text, line)
            parts.append(glob.escape(text[at + 1]))
            at += 2
        elif text[at] == "[":
            end = text.find("]", at + 2)
            if end < 0:
                raise _malformed(text, line)
            inside = text[at + 1 : end]
            parts.append("[!" + inside[1:] + "]" if inside.startswith("^") else "[" + inside + "]")
            at = end + 1
        else:
            parts.append(text[at])
            at += 1
    return os.fsencode("".join(parts))


def _malformed(pattern: str, line: int) -> UsageError:
    return UsageError(
        f'line {line} of the list of files is not a pattern: "{pattern}"',
        hint="close the bracket or write \\[ for a bracket; --files-from-verbatim takes names as they are",
    )
