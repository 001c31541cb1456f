"""Names of stored things: 32 raw bytes each, shown to people as 64 hex digits (`value.hex()`).

A *storage id* is the SHA-256 of a stored file's bytes; a *blob id* is the SHA-256 of the plaintext.
The types keep one kind from being used as another. docs/FORMAT.md, "Names".
"""

from typing import NewType

PackId = NewType("PackId", bytes)
BlobId = NewType("BlobId", bytes)
TreeId = NewType("TreeId", bytes)
SnapshotId = NewType("SnapshotId", bytes)

ID_BYTES = 32
SHORT_HEX = 8
"""How many hex digits of an id are shown where people read it, as in restic."""
