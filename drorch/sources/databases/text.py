"""A part of a dump that is made whole before it is read: accounts, facts, a few bytes of any kind."""


class Text:
    """Its bytes as a stream of a dump."""

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def readinto(self, buffer: memoryview) -> int:
        """What is next of it; 0 at the end."""
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Nothing to let go of."""
