"""The line does what it is told: a test of faults that cannot tell them apart would prove nothing."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.servers.fault_proxy import FaultProxy
from tests.servers.ports import free_ports

_TIMEOUT = 30.0


class Echo:
    """A server that sends back what it receives."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", free_ports(1)[0]))
        self.port: int = self._listener.getsockname()[1]
        self.received = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_TIMEOUT)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(1 << 16):
                self.received += len(data)
                connection.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def line(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(line: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", line.port), timeout=_TIMEOUT) as client:
        yield client


def received(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := client.recv(size - len(data))):
        data += piece
    return data


def exchanged(client: socket.socket, data: bytes) -> bytes:
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    got = received(client, len(data))
    sender.join(_TIMEOUT)
    return got


def test_a_line_without_faults_carries_everything(line: FaultProxy) -> None:
    content = bytes(range(256)) * 4000
    with connected(line) as client:
        assert exchanged(client, content) == content
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert line.connections == 1


def test_latency_holds_up_every_exchange(line: FaultProxy) -> None:
    line.faults.latency = 0.2
    with connected(line) as client:
        began = time.monotonic()
        assert exchanged(client, b"x") == b"x"
        assert time.monotonic() - began >= 0.4
        line.heal()
        began = time.monotonic()
        assert exchanged(client, b"x") == b"x"
        assert time.monotonic() - began < 0.4


def test_a_slow_line_is_slow_for_all_connections_together(line: FaultProxy) -> None:
    line.faults.rate = 400_000
    began = time.monotonic()
    with connected(line) as one, connected(line) as other:
        for client in (one, other):
            client.sendall(bytes(50_000))
        assert received(one, 50_000) == received(other, 50_000) == bytes(50_000)
    assert time.monotonic() - began >= 0.4, "100 kB there, and most of it back"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_lets_so_many_bytes_through_and_resets(line: FaultProxy, echo: Echo, direction: str) -> None:
    setattr(line.faults, f"cut_{direction}", 100_000)
    with connected(line) as client, pytest.raises(ConnectionError):
        client.sendall(bytes(100_000))
        client.sendall(bytes(100_000))
        assert len(received(client, 200_000)) == 200_000
    assert line.cuts == 1
    if direction == "up":
        assert echo.received <= 100_000
    with connected(line) as client:
        assert exchanged(client, bytes(300_000)) == bytes(300_000)
    assert line.cuts == 1


def test_a_black_hole_says_nothing_and_gives_back_what_it_took(line: FaultProxy) -> None:
    line.faults.blackhole = True
    with connected(line) as client:
        client.sendall(b"hello")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        line.heal()
        client.settimeout(_TIMEOUT)
        assert received(client, 5) == b"hello"


def test_refused_connections_are_reset(line: FaultProxy) -> None:
    line.faults.refuse = True
    with pytest.raises(ConnectionResetError), connected(line) as client:
        client.recv(1)
    line.heal()
    with connected(line) as client:
        assert exchanged(client, b"x") == b"x"


def test_a_server_that_is_gone_resets_and_may_come_back_elsewhere(line: FaultProxy, echo: Echo) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError), connected(line) as client:
        client.recv(1)
    again = Echo()
    try:
        line.lead_to("127.0.0.1", again.port)
        with connected(line) as client:
            assert exchanged(client, b"x") == b"x"
    finally:
        again.close()


def test_all_connections_can_be_reset(line: FaultProxy) -> None:
    with connected(line) as client:
        assert exchanged(client, b"x") == b"x"
        line.reset_all()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_the_end_of_the_proxy_ends_its_connections_even_held_ones(echo: Echo) -> None:
    with FaultProxy("127.0.0.1", echo.port) as line, connected(line) as client:
        line.faults.blackhole = True
        client.sendall(b"x")
        began = time.monotonic()
        line.__exit__(None, None, None)
        assert time.monotonic() - began < _TIMEOUT
        with pytest.raises(ConnectionResetError):
            client.recv(1)
