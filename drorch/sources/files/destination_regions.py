"""Regions of a file: written whole wherever they are, and told from holes."""

import os

Buffer = bytes | bytearray | memoryview
_ZEROS = bytes(1024 * 1024)


def write_all(descriptor: int, offset: int, data: Buffer) -> None:
    """Write a region whole. Raises `OSError`."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def is_zero(data: Buffer) -> bool:
    """Whether every byte is zero; compares memory without copying it."""
    length = len(data)
    if length <= len(_ZEROS):
        return _ZEROS.startswith(data)
    view = memoryview(data)
    return all(_ZEROS.startswith(view[start : start + len(_ZEROS)]) for start in range(0, length, len(_ZEROS)))
