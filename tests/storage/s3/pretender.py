"""A service at the edge that is no S3 service: it answers as a test tells it to, and keeps what it was asked.

It checks no signature. What a real server does is for real servers to show; this is for what they cannot be made to.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from drorch.storage.s3.settings import S3Settings
from tests.storage.s3.places import credentials


@dataclass(frozen=True, slots=True)
class Request:
    """What it was asked. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What it says. With `cut_after` the connection ends after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None


def refusal(status: int, code: str, message: str = "so it is") -> Answer:
    """An answer that says no in the way of S3."""
    return Answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())


class Pretender:
    """Listens on the loopback while its block lasts; `answer` is called for each request, from several threads."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.pretender = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def settings(self, **others: Any) -> S3Settings:
        """A place at this service."""
        given: dict[str, Any] = {
            "bucket": "bucket",
            "prefix": "p",
            "endpoint": f"http://127.0.0.1:{self._server.server_port}",
            "credentials": credentials("AKPRETENDED", "secret"),
            "timeout_seconds": 10.0,
        }
        return S3Settings(**(given | others))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    pretender: Pretender
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may hang up."""


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(self.command, unquote(url.path), query, headers, body)
        self.server.pretender.requests.append(request)
        answer = self.server.pretender.answer(request)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut_after])
        self.close_connection = answer.cut_after is not None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815
