r"""JSON as Go's encoding/json writes it, to the byte. docs/FORMAT.md, "Canonical JSON".

Trees are named by the hash of their JSON, so one different escape costs deduplication, and `restic rewrite`
refuses a tree it cannot reproduce. `json.dumps` differs in `<`, `>`, `&`, U+2028/2029 and invalid UTF-8. `\b` and
`\f` are written short, as Go does since 1.22: the clients that have `rewrite` want it so.

Names in trees are quoted twice: first as Go's strconv.Quote (without its quotes), then as a JSON string.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

_SHORT = {0x07: r"\a", 0x08: r"\b", 0x0C: r"\f", 0x0A: r"\n", 0x0D: r"\r", 0x09: r"\t", 0x0B: r"\v"}
_PRINTABLE = "LMNPS"
_PLAIN_NAME = re.compile(rb"[ !#-%'-;=?-\[\]-~]*")
"""Printable ASCII that neither quoting nor JSON changes: all but `"`, `\\`, `<`, `>`, `&`."""
_NEEDS_ESCAPE = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_JSON_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "\\ufffd"
    return _JSON_SHORT.get(character) or f"\\u{code:04x}"


def encode_string(text: str) -> str:
    """A JSON string with its quotes; a byte that is not UTF-8 (surrogateescape) becomes `\\ufffd`."""
    return '"' + _NEEDS_ESCAPE.sub(_escape, text) + '"'


def encode(value: object) -> str:
    """Compact JSON of str, int, float, bool, None, lists and mappings; keys in the order given.

    Raises `TypeError` for anything else, and `ValueError` for floats that are no number.
    """
    if isinstance(value, str):
        return encode_string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{encode_string(k)}:{encode(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def _encode_float(value: float) -> str:
    # The format itself has none, but what other clients add may: rustic's summaries hold seconds.
    if not math.isfinite(value):
        raise ValueError(f"{value} has no JSON form")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return repr(value).replace("e-0", "e-")


def encode_name(name: bytes) -> str:
    """The name of a node as the JSON string that stands in a tree, with its quotes."""
    if _PLAIN_NAME.fullmatch(name):
        return f'"{name.decode("ascii")}"'
    return encode_string(quote_name(name))


def quote_name(name: bytes) -> str:
    """A name quoted as Go's strconv.Quote does, without the outer quotes."""
    return "".join(map(_quote_character, name.decode("utf-8", "surrogateescape")))


@lru_cache(maxsize=4096)
def _quote_character(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code == 0x20 or unicodedata.category(character)[0] in _PRINTABLE:
        return character
    if code in _SHORT:
        return _SHORT[code]
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_QUOTED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\\"'])|(.?))")
_UNSHORT = {"a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v"}


def unquote_name(text: str) -> bytes:
    r"""The raw bytes of a quoted name; `\x` and octal escapes are single bytes, `\u` and `\U` are UTF-8.

    Raises `ValueError` for an unescaped quote, a lone backslash, or an escape that is none.
    """
    if "\\" not in text:
        if '"' in text:
            raise ValueError("a name holds an unescaped quote")
        return text.encode("utf-8", "surrogateescape")
    parts: list[bytes] = []
    position = 0
    for match in _QUOTED.finditer(text):
        parts.append(_literal(text[position : match.start()]))
        parts.append(_unescape(match))
        position = match.end()
    parts.append(_literal(text[position:]))
    return b"".join(parts)


def _literal(text: str) -> bytes:
    if '"' in text:
        raise ValueError("a name holds an unescaped quote")
    return text.encode("utf-8", "surrogateescape")


def _unescape(match: re.Match[str]) -> bytes:
    in_hex, octal, short_unicode, long_unicode, letter, _ = match.groups()
    if in_hex:
        return bytes((int(in_hex, 16),))
    if octal:
        return bytes((int(octal, 8),))
    if short_unicode or long_unicode:
        return chr(int(short_unicode or long_unicode, 16)).encode("utf-8")
    if letter:
        return _UNSHORT.get(letter, letter.encode())
    raise ValueError("a name holds a lone backslash")
