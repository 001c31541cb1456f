"""An S3 service that fails as planned: requests pass through to a real one, but for those that are chosen.

Signatures stay valid: the Host header is passed on as it came, and it is part of what is signed. Plain http only.
"""

import contextlib
import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.servers.ports import free_ports

_BETWEEN_TWO = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "content-length"})
_TIMEOUT = 60.0

Answer = Literal["500", "503", "truncated", "hang"]
_CODES = {"500": (500, "InternalError"), "503": (503, "SlowDown")}


@dataclass(frozen=True, slots=True)
class HttpFault:
    """The `number`th (from 1) request of a method whose path holds `part` is answered badly, `times` in a row.

    "500" and "503" are errors as S3 words them, "truncated" sends half of the body and closes, "hang" says nothing.
    With `takes_effect` the service has done what was asked; "truncated" passes the answer on in any case.
    """

    answer: Answer
    method: str = ""
    part: str = ""
    number: int = 1
    times: int = 1
    takes_effect: bool = False


class HttpFaults:
    """A port of the loopback that leads to a service on another. A context manager; requests that hang end with it."""

    def __init__(self, port: int, *plan: HttpFault) -> None:
        self.requests: list[tuple[str, str]] = []
        self.given: list[HttpFault] = []
        self.service = port
        self.ended = threading.Event()
        self._plan: tuple[HttpFault, ...] = ()
        self._seen: list[int] = []
        self._lock = threading.Lock()
        self.plan(*plan)
        self._server = _Server(("127.0.0.1", free_ports(1)[0]), _Exchange)
        self._server.faults = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def plan(self, *faults: HttpFault) -> None:
        """From now on this is what goes wrong; requests are counted anew."""
        with self._lock:
            self._plan, self._seen = faults, [0] * len(faults)

    def due(self, method: str, path: str) -> HttpFault | None:
        """Take note of a request; the fault that it has."""
        with self._lock:
            self.requests.append((method, path))
            found = None
            for place, fault in enumerate(self._plan):
                if fault.method in ("", method) and fault.part in path:
                    self._seen[place] += 1
                    if found is None and 0 <= self._seen[place] - fault.number < fault.times:
                        found = fault
            if found is not None:
                self.given.append(found)
            return found

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
    request_queue_size = 50
    faults: HttpFaults

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what this is for."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 1.0
    server: _Server

    def handle_one_request(self) -> None:
        """One request, or the end of the connection where none comes for a while."""
        super().handle_one_request()
        if self.server.faults.ended.is_set():
            self.close_connection = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.faults.due(self.command, self.path)
        if fault is None:
            self._answer(*self._ask(body))
        elif fault.answer == "truncated":
            status, headers, content = self._ask(body)
            self._answer(status, headers, content[: len(content) // 2], len(content))
        else:
            if fault.takes_effect:
                self._ask(body)
            if fault.answer == "hang":
                self.server.faults.ended.wait(_TIMEOUT)
                self.close_connection = True
                return
            status, code = _CODES[fault.answer]
            error = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>planned</Message></Error>".encode()
            self._answer(status, [("Content-Type", "application/xml")], error)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the service answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.faults.service, timeout=_TIMEOUT)
        with contextlib.closing(connection):
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _BETWEEN_TWO:
                    connection.putheader(name, value)
            if body or self.command in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, answer.getheaders(), content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, promised: int | None = None) -> None:
        is_head = self.command == "HEAD"
        length = dict(headers).get("Content-Length", "0") if is_head else str(promised or len(content))
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _BETWEEN_TWO:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if not is_head:
            self.wfile.write(content)
        if promised is not None:
            self.close_connection = True
