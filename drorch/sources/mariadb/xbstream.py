"""The container of mariabackup's streams, looked at as it passes: where its files would go.

Promise: no file of a stream lies outside the folder it is unpacked into; a stream that says otherwise, or is none, is
refused before the piece that says so is handed on.

A chunk is `XBSTCK01`, flags, type (P: content, E: end of a file), length of the path (4 bytes, little-endian), path;
content goes on with its length and offset (8 bytes each), a checksum (4) and its bytes.
"""

import struct

from drorch.errors import RestoreError

_MAGIC = b"XBSTCK01"
_HEADER = struct.Struct("<8sBcI")
_CONTENT = struct.Struct("<QQI")
_LONGEST_PATH = 512


class PathGuard:
    """Looks at a stream's paths. Holds one header at most."""

    def __init__(self) -> None:
        self._held = b""
        self._skip = 0

    def feed(self, piece: bytes) -> None:
        """Look at the next piece. Raises `RestoreError`."""
        position = min(self._skip, len(piece)) if not self._held else 0
        self._skip -= position
        text = self._held + piece
        while not self._skip:
            following = _after_header(text, position)
            if following is None:
                break
            position, self._skip = following
            passed = min(self._skip, len(text) - position)
            position, self._skip = position + passed, self._skip - passed
        self._held = text[position:]

    def finish(self) -> None:
        """The stream is over. Raises `RestoreError` where that is in the middle of something."""
        if self._held or self._skip:
            raise RestoreError("the copy of the server ends in the middle of a file", hint="Choose another snapshot.")


def _after_header(text: bytes, position: int) -> tuple[int, int] | None:
    """Where a chunk's header ends, and how much content follows; None where there is not all of it."""
    if len(text) - position < _HEADER.size:
        return None
    magic, _, kind, length = _HEADER.unpack_from(text, position)
    if magic != _MAGIC or kind not in (b"P", b"E") or not 0 < length <= _LONGEST_PATH:
        raise RestoreError("the copy of the server is not what mariabackup writes", hint="Choose another snapshot.")
    start = position + _HEADER.size
    end = start + length
    if len(text) < end:
        return None
    path = text[start:end]
    if path.startswith(b"/") or b"\0" in path or b".." in path.split(b"/"):
        raise RestoreError("the copy of the server holds files that would go elsewhere", hint="Do not trust it.")
    if kind == b"E":
        return end, 0
    if len(text) < end + _CONTENT.size:
        return None
    content, _, _ = _CONTENT.unpack_from(text, end)
    return end + _CONTENT.size, content
