"""How much memory a process may have, and what it looks like when that is not enough."""

import errno
import resource

_WANTS = ("can't start new thread", "failed to map segment", "cannot allocate memory", "error return without exception")
"""What Python says, beside a `MemoryError`, when the kernel gives it no more memory."""


def limit_memory(size: int) -> None:
    """Have at most so many bytes of data, now and in every process that is started from here: setrlimit(2)."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most != resource.RLIM_INFINITY:
        size = min(size, most)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def is_want_of_memory(error: BaseException) -> bool:
    """Whether an exception, or what it came from, was raised for want of memory, as far as that can be told."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno == errno.ENOMEM):
            return True
        if isinstance(seen, ImportError | RuntimeError | SystemError) and any(
            one in str(seen).lower() for one in _WANTS
        ):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
