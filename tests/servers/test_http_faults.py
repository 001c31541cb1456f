"""Requests pass through to the byte, and those that are chosen fail as planned."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.servers.http_faults import HttpFault, HttpFaults
from tests.servers.ports import free_ports

_TIMEOUT = 30.0

Asked = list[tuple[str, str, str, bytes]]
"""Method, path, Host and body of each request."""


class _Service(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: Asked

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, self.headers["Host"], body))
        self.send_response_only(200)
        self.send_header("Content-Length", "10")
        self.send_header("X-Sort", "real")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"0123456789")

    def do_GET(self) -> None:
        self.do_PUT()

    def do_HEAD(self) -> None:
        self.do_PUT()


@pytest.fixture
def asked() -> Asked:
    """What the service was asked."""
    return []


@pytest.fixture
def service(asked: Asked) -> Iterator[int]:
    handling = type("Handling", (_Service,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", free_ports(1)[0]), handling)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(_TIMEOUT)


class Client:
    def __init__(self, faults: HttpFaults, timeout: float = _TIMEOUT) -> None:
        self._port = int(faults.endpoint.rpartition(":")[2])
        self._timeout = timeout

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            connection.request(method, path, body, {"Host": "signed.example"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def test_requests_pass_as_they_are(service: int, asked: Asked) -> None:
    with HttpFaults(service) as faults:
        client = Client(faults)
        assert client.ask("PUT", "/b/k?x=%2F", b"body") == (200, b"0123456789")
        assert client.ask("HEAD", "/b/k") == (200, b"")
        assert client.ask("GET", "/b/k") == (200, b"0123456789")
    assert asked == [
        ("PUT", "/b/k?x=%2F", "signed.example", b"body"),
        ("HEAD", "/b/k", "signed.example", b""),
        ("GET", "/b/k", "signed.example", b""),
    ]
    assert faults.requests == [(method, path) for method, path, _, _ in asked]
    assert faults.given == []


@pytest.mark.parametrize(("answer", "code", "word"), [("500", 500, b"InternalError"), ("503", 503, b"SlowDown")])
@pytest.mark.parametrize("takes_effect", [False, True])
def test_chosen_requests_are_answered_with_errors(
    service: int,
    asked: Asked,
    answer: str,
    code: int,
    word: bytes,
    takes_effect: bool,
) -> None:
    fault = HttpFault(answer, "PUT", "/data/", number=2, times=2, takes_effect=takes_effect)  # type: ignore[arg-type]
    with HttpFaults(service, fault) as faults:
        client = Client(faults)
        statuses = [client.ask("PUT", f"/b/data/{number}", b"x") for number in range(4)]
        assert client.ask("PUT", "/b/index/1", b"x")[0] == 200
    assert [status for status, _ in statuses] == [200, code, code, 200]
    assert word in statuses[1][1]
    assert faults.given == [fault, fault]
    assert len(asked) == (5 if takes_effect else 3)


def test_a_truncated_body_ends_before_it_should(service: int) -> None:
    with HttpFaults(service, HttpFault("truncated", "GET")) as faults:
        client = Client(faults)
        with pytest.raises(http.client.IncompleteRead) as raised:
            client.ask("GET", "/b/k")
        assert raised.value.partial == b"01234"
        assert client.ask("GET", "/b/k") == (200, b"0123456789")


def test_a_request_that_hangs_says_nothing_and_ends_with_the_service(service: int) -> None:
    with HttpFaults(service, HttpFault("hang")) as faults:
        with pytest.raises(TimeoutError):
            Client(faults, timeout=0.5).ask("GET", "/b/k")
        assert Client(faults).ask("GET", "/b/k") == (200, b"0123456789")


def test_another_plan_counts_anew(service: int) -> None:
    with HttpFaults(service, HttpFault("500")) as faults:
        client = Client(faults)
        assert client.ask("GET", "/")[0] == 500
        faults.plan(HttpFault("503", number=2))
        assert [client.ask("GET", "/")[0] for _ in range(3)] == [200, 503, 200]
