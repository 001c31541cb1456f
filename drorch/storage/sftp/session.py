"""One conversation with an SFTP server: questions are asked ahead of their answers.

drorch speaks the protocol itself: over the same connection, paramiko's SFTP client reads at a quarter of the speed for
ten times the processor's time, and knows none of OpenSSH's extensions (fsync, posix-rename, statvfs, limits).

Promise: `Refused` leaves the conversation in order; after `SessionLost` it is over.
"""

import struct

from drorch.storage.sftp.packets import (
    MAX_REPLY_BYTES,
    NOT_SFTP,
    Code,
    FileStatus,
    Kind,
    PacketReader,
    Refused,
    SessionLost,
    text,
)
from drorch.storage.sftp.streams import Stream

_SAFE_REQUEST = 32 * 1024
"""What every server takes in one request (draft-ietf-secsh-filexfer-02, 3)."""
_LARGEST_REQUEST = 255 * 1024
_BYTES_AHEAD = 8 * 1024 * 1024
QUESTIONS_AHEAD = 64
"""As many as OpenSSH's own client. Either the questions or the answers are small, so that nobody waits in a ring."""

_HEADER = struct.Struct(">IBI")


class SftpSession:
    """Questions and answers over one connection; used by one thread at a time."""

    def __init__(self, stream: Stream) -> None:
        """Greets the server. Raises `SessionLost`."""
        self.stream = stream
        self._last = 0
        self._awaited: set[int] = set()
        self._unwanted: set[int] = set()
        self._early: dict[int, tuple[int, bytearray]] = {}
        self._extensions = self._greet()
        self.read_size, self.write_size = self._limits()

    @property
    def is_alive(self) -> bool:
        """Whether the next question has a chance."""
        return self.stream.is_alive()

    def close(self) -> None:
        """End the connection. Closing twice is fine."""
        self.stream.close()

    def offers(self, extension: str) -> bool:
        """Whether the server has an extension of this name."""
        return extension.encode() in self._extensions

    def ask(self, kind: Kind, *parts: bytes | memoryview) -> int:
        """Send a request; its number. Every number is to be given to one of the methods below, once."""
        self._last = self._last % 0xFFFFFFFF + 1
        length = 5 + sum(len(part) for part in parts)
        self.stream.send([_HEADER.pack(length, kind, self._last), *parts])
        self._awaited.add(self._last)
        return self._last

    def ask_extended(self, name: str, *parts: bytes) -> int:
        """Send a request of an extension that the server offers."""
        return self.ask(Kind.EXTENDED, text(name.encode()), *parts)

    def answer(self, number: int, kind: Kind) -> PacketReader:
        """The reply to a request. Raises `Refused`."""
        if number in self._early:
            found, rest = self._early.pop(number)
            return expect(kind, found, rest)
        while True:
            answered, found, length = self.next_answer()
            rest = self.receive(length)
            if answered == number:
                return expect(kind, found, rest)
            self._early[answered] = found, rest

    def refusal(self, number: int) -> Refused | None:
        """How the server refused a request that has no other answer; None where it was done."""
        try:
            self.answer(number, Kind.STATUS)
        except Refused as refusal:
            return refusal
        return None

    def do(self, kind: Kind, *parts: bytes) -> None:
        """Send a request that has no other answer, and wait until it is done. Raises `Refused`."""
        self.answer(self.ask(kind, *parts), Kind.STATUS)

    def status(self, number: int) -> FileStatus:
        """The attributes that a request asked for. Raises `Refused`."""
        return self.answer(number, Kind.ATTRS).attributes()

    def handle(self, number: int) -> bytes:
        """The handle that a request asked for. Raises `Refused`."""
        return self.answer(number, Kind.HANDLE).text()

    def close_handle(self, handle: bytes) -> None:
        """Close a file or folder without waiting until it is done."""
        self.forget(self.ask(Kind.CLOSE, text(handle)))

    def forget(self, number: int) -> None:
        """Do not wait for a reply; a handle that it brings, or has brought, is closed."""
        if number in self._early:
            self._put_away(*self._early.pop(number))
        else:
            self._unwanted.add(number)

    def settle(self) -> None:
        """Receive the replies that were forgotten, so that nothing is outstanding."""
        while self._awaited:
            if self._next_header() is not None:
                raise SessionLost("a question was left without its answer")

    def next_answer(self) -> tuple[int, int, int]:
        """Number and kind of the next reply that somebody waits for, and how many bytes are to be received of it."""
        while True:
            header = self._next_header()
            if header is not None:
                return header

    def receive(self, length: int) -> bytearray:
        """So many bytes of the reply at hand."""
        data = bytearray(length)
        with memoryview(data) as view:
            self.receive_into(view)
        return data

    def receive_into(self, view: memoryview) -> None:
        """As many bytes of the reply at hand as there is room for."""
        done = 0
        while done < len(view):
            done += self.stream.receive_into(view[done:])

    def ahead(self, size: int) -> int:
        """How many requests for so many bytes each may be under way at once."""
        return max(2, min(QUESTIONS_AHEAD, _BYTES_AHEAD // size))

    def _next_header(self) -> tuple[int, int, int] | None:
        """As `next_answer`; None after a reply that was forgotten has been received."""
        length, kind, number = _HEADER.unpack(self.receive(_HEADER.size))
        if not 5 <= length <= MAX_REPLY_BYTES or number not in self._awaited:
            raise SessionLost(NOT_SFTP)
        self._awaited.remove(number)
        if number not in self._unwanted:
            return number, kind, length - 5
        self._unwanted.remove(number)
        self._put_away(kind, self.receive(length - 5))
        return None

    def _put_away(self, kind: int, rest: bytearray) -> None:
        if kind == Kind.HANDLE:
            self.close_handle(PacketReader(rest).text())

    def _greet(self) -> frozenset[bytes]:
        """The names of the extensions that the server offers. These two packets have a version where others count."""
        self.stream.send([_HEADER.pack(5, Kind.INIT, 3)])
        length, kind, _ = _HEADER.unpack(self.receive(_HEADER.size))
        if kind != Kind.VERSION or not 5 <= length <= MAX_REPLY_BYTES:
            raise SessionLost(NOT_SFTP)
        reader, names = PacketReader(self.receive(length - 5)), set()
        while not reader.is_at_end:
            names.add(reader.text())
            reader.text()
        return frozenset(names)

    def _limits(self) -> tuple[int, int]:
        """How many bytes one request may read and write."""
        if not self.offers("limits@openssh.com"):
            return _SAFE_REQUEST, _SAFE_REQUEST
        try:
            reply = self.answer(self.ask_extended("limits@openssh.com"), Kind.EXTENDED_REPLY)
        except Refused:
            return _SAFE_REQUEST, _SAFE_REQUEST
        _, read, write = reply.long(), reply.long(), reply.long()
        return min(read or _SAFE_REQUEST, _LARGEST_REQUEST), min(write or _SAFE_REQUEST, _LARGEST_REQUEST)


def expect(wanted: Kind, kind: int, rest: bytearray) -> PacketReader:
    """A reader of a reply. Raises `Refused` for a status that is not OK, `SessionLost` for any other kind."""
    reader = PacketReader(rest)
    if kind == Kind.STATUS:
        code = reader.number()
        told = "" if reader.is_at_end else reader.text().decode("utf-8", errors="replace")
        if code != Code.OK:
            raise Refused(code, told)
    if kind != wanted:
        raise SessionLost("the server gave an answer to another question")
    return reader
