"""Free ports of the loopback, from below the range that outgoing connections take theirs from."""

import random
import socket

_RANGE = range(15000, 32768)
_RANDOM = random.Random()  # noqa: S311  (seeded by the system: test processes must not all try the same ports)


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on at this moment."""
    found: list[int] = []
    for port in _RANDOM.sample(_RANGE, len(_RANGE)):
        if len(found) == count:
            break
        if _is_free(port):
            found.append(port)
    assert len(found) == count, "the machine has no free ports left"
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
