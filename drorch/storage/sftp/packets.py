"""The packets of SFTP version 3, as far as a target needs them (draft-ietf-secsh-filexfer-02).

Promise: what a server sends is read within its bounds; anything else raises `SessionLost`.
"""

import stat
import struct
from dataclasses import dataclass
from enum import IntEnum

MAX_REPLY_BYTES = 1 << 20
"""No reply is longer: OpenSSH's are at most 256 KiB."""

NOT_SFTP = "the server does not speak SFTP"
"""What is said of a server that answers with anything else, a greeting for people for instance."""


class Kind(IntEnum):
    """Types of packets: requests below 100, replies above."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """What a status reply says; servers have few words."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class OpenFlag(IntEnum):
    """How a file is opened."""

    READ = 0x01
    WRITE = 0x02
    CREATE = 0x08
    EXCLUSIVE = 0x20


_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000


class SessionLost(Exception):
    """The conversation with the server cannot go on: it hung up, does not answer, or talks nonsense."""


class Refused(Exception):
    """The server answered a request with a status other than OK."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What a server tells of a file: `size` in bytes, `mode` as in st_mode, `modified` in seconds since 1970."""

    size: int = 0
    mode: int = 0
    modified: int = 0

    @property
    def is_file(self) -> bool:
        """True for a regular file; a server that tells no mode is taken at its word that there is something."""
        return self.mode == 0 or stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """True for a folder."""
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True, slots=True)
class Room:
    """What statvfs@openssh.com tells of a file system: bytes and files that may be added (None: no limit)."""

    free_bytes: int
    free_files: int | None
    is_read_only: bool


def text(value: bytes) -> bytes:
    """A string as it is sent: its length and its bytes."""
    return struct.pack(">I", len(value)) + value


def mode_attributes(mode: int | None) -> bytes:
    """Attributes that set the mode and nothing else, or nothing at all."""
    return struct.pack(">I", 0) if mode is None else struct.pack(">II", _HAS_MODE, mode)


class PacketReader:
    """Reads one packet from its beginning; what it has not raises `SessionLost`."""

    def __init__(self, packet: bytes | bytearray) -> None:
        self._packet = memoryview(packet)
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """True where nothing is left."""
        return self._position >= len(self._packet)

    def number(self) -> int:
        """The next 32 bits."""
        return int.from_bytes(self._take(4))

    def long(self) -> int:
        """The next 64 bits."""
        return int.from_bytes(self._take(8))

    def text(self) -> bytes:
        """The next string."""
        return bytes(self._take(self.number()))

    def attributes(self) -> FileStatus:
        """The next attributes."""
        flags = self.number()
        size = self.long() if flags & _HAS_SIZE else 0
        if flags & _HAS_OWNER:
            self._take(8)
        mode = self.number() if flags & _HAS_MODE else 0
        modified = 0
        if flags & _HAS_TIMES:
            self._take(4)
            modified = self.number()
        if flags & _HAS_MORE:
            for _ in range(self.number()):
                self.text()
                self.text()
        return FileStatus(size, mode, modified)

    def names(self) -> list[tuple[str, FileStatus]]:
        """All entries of a listing, with the status of the entry itself (a link is a link)."""
        found = []
        for _ in range(self.number()):
            name = self.text()
            self.text()
            found.append((name.decode("utf-8", errors="surrogateescape"), self.attributes()))
        return found

    def room(self) -> Room:
        """The reply to statvfs@openssh.com."""
        _, fragment, _, _, available, files, _, free_files, _, flags, _ = (self.long() for _ in range(11))
        return Room(available * fragment, free_files if files else None, bool(flags & 1))

    def _take(self, count: int) -> memoryview:
        end = self._position + count
        if end > len(self._packet):
            raise SessionLost("the server sent a packet that is too short")
        piece = self._packet[self._position : end]
        self._position = end
        return piece
