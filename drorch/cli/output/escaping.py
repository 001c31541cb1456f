r"""Names from a hostile repository or file system, made safe for a terminal.

The promise: what `visible` returns holds no control character, no escape sequence, nothing that changes the
direction or the width of text, and nothing that cannot be encoded. What was there can still be read: `\x1b`,
`\u202e`. A backslash stays as it is, so that ordinary names look as they are.
"""

import re
import unicodedata

_PLAIN = re.compile(r"[ -~]*")
_HIDDEN_CATEGORIES = "CZ"
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str) -> str:
    """The text with every character that does not show as itself written as an escape; applying it twice is the same.

    Bytes that are not UTF-8 are expected as surrogates (surrogateescape) and shown as `\\xff`.
    """
    return text if _PLAIN.fullmatch(text) else "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    if character == " " or unicodedata.category(character)[0] not in _HIDDEN_CATEGORIES:
        return character
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def visible_name(raw: bytes) -> str:
    """Raw bytes of a name or path, made safe."""
    return visible(raw.decode("utf-8", "surrogateescape"))


def width(text: str) -> int:
    """How many columns a text takes on a terminal: wide characters two, combining marks none."""
    if _PLAIN.fullmatch(text):
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
