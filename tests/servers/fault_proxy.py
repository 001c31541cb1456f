"""A line to a server that can be made slow, silent, closed or cut, for any protocol over TCP.

    with FaultProxy("127.0.0.1", server.port) as line:
        target = ...                       # talks to line.port
        line.faults.cut_up = 100_000       # live; line.heal() takes all back

What is set holds for connections that exist as well as for new ones.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.servers.ports import free_ports

_PIECE = 1 << 14
_BUFFER = 1 << 16
_GLANCE_SECONDS = 0.02
_START_SECONDS = 60.0


@dataclass(slots=True)
class Faults:
    """What is wrong with the line. Each may be changed at any time.

    `latency` is in seconds and holds up every piece of data, `rate` in bytes a second for all connections together.
    After `cut_up` bytes to the server, or `cut_down` from it, the connection that carries them is reset, once.
    A `blackhole` keeps all data back and lets nobody know; what it keeps arrives when it ends. `refuse` resets every
    connection before it begins.
    """

    latency: float = 0.0
    rate: float | None = None
    cut_up: int | None = None
    cut_down: int | None = None
    blackhole: bool = False
    refuse: bool = False


class FaultProxy:
    """Forwards a port of the loopback to a server. A context manager; connections end with it."""

    def __init__(self, host: str, port: int) -> None:
        self.faults = Faults()
        self.connections = 0
        self.cuts = 0
        self.port = 0
        self._server = (host, port)
        self._exchanges: set[asyncio.Task[None]] = set()
        self._free_at = 0.0
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fault proxy", daemon=True)

    @property
    def endpoint(self) -> str:
        """Its URL, where the server speaks http."""
        return f"http://127.0.0.1:{self.port}"

    def heal(self) -> None:
        """Nothing is wrong with the line any more."""
        self.faults = Faults()

    def lead_to(self, host: str, port: int) -> None:
        """New connections go to another server: the old one, started anew elsewhere."""
        self._server = (host, port)

    def reset_all(self) -> None:
        """Reset all connections that exist."""
        asyncio.run_coroutine_threadsafe(self._reset_all(), self._loop).result(_START_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(_START_SECONDS), "the proxy does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):  # ended before
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_START_SECONDS)
        assert not self._thread.is_alive(), "the proxy does not end"

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        # Bare sockets: asyncio's own servers and streams lose connections that are ended while they begin.
        with socket.create_server(("127.0.0.1", free_ports(1)[0]), backlog=50) as listener:
            listener.setblocking(False)
            # Else whoever sends is done long before the line is, and wonders where the answer is.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self.port = listener.getsockname()[1]
            self._loop.add_reader(listener, self._accept, listener)
            self._listening.set()
            await self._ended.wait()
            self._loop.remove_reader(listener)
        await self._reset_all()

    async def _reset_all(self) -> None:
        await asyncio.sleep(0)  # what was accepted last begins, and can be ended
        exchanges = list(self._exchanges)
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        self.connections += 1
        exchange = asyncio.create_task(self._forward(listener.accept()[0]))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)

    async def _forward(self, client: socket.socket) -> None:
        """One connection, from its beginning until both its ends are closed."""
        with client, socket.socket() as server:
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if self.faults.refuse:
                    raise ConnectionResetError("refused")
                await self._loop.sock_connect(server, self._server)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(client, server, "up"))
                    both.create_task(self._pump(server, client, "down"))
            except* (OSError, asyncio.CancelledError):
                for end in (client, server):
                    # Closed with this, an end is reset.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        while data := await self._loop.sock_recv(source, _PIECE):
            while self.faults.blackhole:
                await asyncio.sleep(_GLANCE_SECONDS)
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            if self.faults.rate:
                await self._take_turn(len(data) / self.faults.rate)
            left = self.faults.cut_up if direction == "up" else self.faults.cut_down
            if left is not None and left < len(data):
                setattr(self.faults, f"cut_{direction}", None)
                self.cuts += 1
                await self._loop.sock_sendall(sink, data[:left])
                raise ConnectionResetError("cut")
            if left is not None:
                setattr(self.faults, f"cut_{direction}", left - len(data))
            await self._loop.sock_sendall(sink, data)
        sink.shutdown(socket.SHUT_WR)

    async def _take_turn(self, seconds: float) -> None:
        """Wait until the line has carried what came before, and this."""
        self._free_at = max(self._free_at, time.monotonic()) + seconds
        await asyncio.sleep(self._free_at - time.monotonic())
