"""What coordinator and workers say to each other. All of it is picklable and small; content never crosses.

The worker claims blobs and is told which to store; finished packs follow as descriptors of anonymous files.
"""

from dataclasses import dataclass

from drorch.ids import BlobId, PackId
from drorch.repository.compression import Compression
from drorch.repository.crypto import BoxKey
from drorch.repository.pack import PackedBlob
from drorch.repository.pipeline.entries import Reader


@dataclass(frozen=True, slots=True, repr=False)
class Assignment:
    """First message to a worker: everything it needs to seal and pack. It holds the master key."""

    master: BoxKey
    version: int
    compression: Compression
    polynomial: int
    reader: Reader


@dataclass(frozen=True, slots=True)
class FileTask:
    """One regular file to be read. `ticket` names it in the answer.

    `device_id`, `inode` and `links` are what the scan saw. They decide what is a hard link of what, and come from
    one place so that they agree. `omit_inode` is set where another file with several links was seen under the same
    inode before: clients would take the two for one file when they restore.
    """

    ticket: int
    locator: object
    name: bytes
    device_id: int
    inode: int
    links: int
    omit_inode: bool
    with_atime: bool


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of a file: its node in JSON, or None where it could not be read, and what was wrong."""

    ticket: int
    node: str | None
    size: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Files to read, to a worker."""

    tasks: tuple[FileTask, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Which of these data blobs shall I store? From a worker; answered by a `Grant`, in order."""

    blobs: tuple[BlobId, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Which blobs of the oldest unanswered claim are the worker's to store."""

    granted: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Files that are done, their blobs handed over; `batches` of the ones sent are finished with it."""

    results: tuple[FileResult, ...]
    batches: int


@dataclass(frozen=True, slots=True)
class PackReady:
    """A finished pack; its descriptor follows on the channel."""

    id: PackId
    size: int
    blobs: tuple[PackedBlob, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """To a worker: nothing more will come. It hands on its open pack and answers `Finished`."""


@dataclass(frozen=True, slots=True)
class Finished:
    """From a worker: everything is handed over."""


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: it could not go on. `trace` is for --debug only."""

    message: str
    trace: str
