"""A monitor in healthchecks' way, by HTTP, that behaves as it is told: well, slowly, badly or not at all."""

import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.servers.ports import free_ports

Behaviour = Literal["ok", "500", "404", "hang", "reset", "drip", "garbage", "endless"]
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: its method, path with query, headers in small letters, and body."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def signal(self) -> str:
        """The last part of the path."""
        return self.path.partition("?")[0].rpartition("/")[2]

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        return self.path.partition("?")[2]


class MonitorServer:
    """A monitor on the loopback, by https where it has a context. A context manager; requests that hang end with it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._scheme = "http" if context is None else "https"
        self.behaviour: Behaviour = "ok"
        self.redirects: dict[str, tuple[int, str]] = {}
        self.ended = threading.Event()
        self._heard: list[Heard] = []
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", free_ports(1)[0]), _Exchange)
        self._server.monitor = self
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """The root of its URLs."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def heard(self) -> list[Heard]:
        """All requests so far; a copy."""
        with self._changed:
            return list(self._heard)

    def hear(self, request: Heard) -> None:
        """Take note of a request."""
        with self._changed:
            self._heard.append(request)
            self._changed.notify_all()

    def wait_for(self, count: int, seconds: float = _TIMEOUT) -> list[Heard]:
        """The requests, once there are so many; fails where they do not come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._heard) >= count, seconds), self._heard
            return list(self._heard)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_TIMEOUT)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    monitor: MonitorServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the server."""


class _Exchange(BaseHTTPRequestHandler):
    timeout = _TIMEOUT

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """The monitor says nothing by itself."""

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        monitor = self.server.monitor
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {key.lower(): value for key, value in self.headers.items()}
        monitor.hear(Heard(self.command, self.path, headers, body))
        self.close_connection = True
        if (redirect := monitor.redirects.get(self.path.partition("?")[0])) is not None:
            self.send_response(redirect[0])
            self.send_header("Location", redirect[1])
            self.end_headers()
            return
        match monitor.behaviour:
            case "ok":
                self._send(200)
            case "500" | "404":
                self._send(int(monitor.behaviour))
            case "hang":
                monitor.ended.wait(_TIMEOUT)
            case "reset":
                pass
            case "drip":
                self._drip(monitor)
            case "garbage":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nno header at all\r\n: \r\n\r\n")
            case "endless":
                self._endless(monitor)

    def _send(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def _drip(self, monitor: MonitorServer) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not monitor.ended.wait(0.5):
            self.wfile.write(b"x")

    def _endless(self, monitor: MonitorServer) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not monitor.ended.is_set():
            self.wfile.write(b"x" * 65536)
