"""Objects on their way to the service without a copy: memory that the S3 library may read like a file."""

import base64
import hashlib

from drorch.storage.target import Buffer

_SMALL = 64 * 1024
_PIECE = 256 * 1024


class Body:
    """A view of memory with a position in it. What reads it gets views of the same memory, never copies."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._position = 0

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int = -1) -> memoryview:
        """The next bytes; none at the end.

        At least 256 KiB where there is as much: the library asks for 16 KiB at a time, each a turn in Python. No more,
        for each piece must be through within the timeout, on slow lines too.
        """
        start = self._position
        end = len(self._content) if size < 0 else min(start + max(size, _PIECE), len(self._content))
        self._position = end
        return self._content[start:end]

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position from the start (0), from here (1) or from the end (2)."""
        self._position = offset + (0, self._position, len(self._content))[whence]
        return self._position


def body_of(content: memoryview) -> bytes | Body:
    """What is sent: small ones in one piece with their header, large ones only once the service agreed to take them."""
    return bytes(content) if len(content) < _SMALL else Body(content)


def content_md5(content: Buffer) -> str:
    """The value of a Content-MD5 header, RFC 1864: against damage on the way, no seal."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
