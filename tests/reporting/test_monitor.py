"""One message to a monitor: where it goes, where it is not led, and what is said of it when it does not arrive."""

import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import ConfigError
from drorch.reporting.monitor import Patience, Post, Refusal, monitor
from tests.servers.monitor import MonitorServer
from tests.servers.ports import free_ports
from tests.servers.seaweedfs import make_certificate

CANARY = "c4nary-5bd0-capability"


@pytest.fixture
def server() -> Iterator[MonitorServer]:
    with MonitorServer() as running:
        yield running


@pytest.fixture
def post() -> Iterator[Post]:
    sender = Post()
    yield sender
    sender.close()


@pytest.mark.parametrize(
    "url", ["", "hc-ping.com/x", "ftp://hc-ping.com/x", "file:///etc/passwd", "http://[::1/", "https:///x"]
)
def test_only_urls_of_http_are_monitors(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        monitor("job homes", url)
    assert caught.value.message == "the ping of job homes is no URL of a monitor"


def test_a_monitor_shows_no_url() -> None:
    assert CANARY not in repr(monitor("job homes", f"https://hc-ping.com/{CANARY}"))


def test_redirects_within_the_scheme_are_followed(server: MonitorServer, post: Post) -> None:
    server.redirects = {"/a": (307, "/b"), "/b": (308, f"{server.url}/c")}
    assert post.send(f"{server.url}/a?rid=1", b"why") is None
    assert [(one.method, one.path, one.body) for one in server.heard] == [
        ("POST", "/a?rid=1", "why"),
        ("POST", "/b", "why"),
        ("POST", "/c", "why"),
    ]


def test_what_is_seen_elsewhere_is_only_looked_at(server: MonitorServer, post: Post) -> None:
    server.redirects = {"/a": (302, "/b")}
    assert post.send(f"{server.url}/a", b"why") is None
    assert [(one.method, one.body) for one in server.heard] == [("POST", "why"), ("GET", "")]


@pytest.mark.parametrize("elsewhere", ["https://{host}/b", "ftp://{host}/b", "file:///etc/passwd"])
def test_no_redirect_leads_to_another_scheme(server: MonitorServer, post: Post, elsewhere: str) -> None:
    server.redirects = {"/a": (307, elsewhere.format(host=f"127.0.0.1:{server.port}"))}
    assert post.send(f"{server.url}/a", b"") == Refusal("it leads to another scheme, which is not followed", False)
    assert len(server.heard) == 1


def test_redirects_without_end_are_given_up(server: MonitorServer, post: Post) -> None:
    server.redirects = {"/a": (307, "/a")}
    assert post.send(f"{server.url}/a", b"") == Refusal("it leads elsewhere again and again", False)
    assert len(server.heard) == 4


def test_an_answer_without_end_is_an_answer(server: MonitorServer, post: Post) -> None:
    server.behaviour = "endless"
    assert post.send(f"{server.url}/a", b"") is None


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_an_answer_that_does_not_come_to_its_point_is_given_up(server: MonitorServer, behaviour: str) -> None:
    server.behaviour = behaviour  # type: ignore[assignment]
    clock, post = SystemClock(), Post(Patience(answer=1.0))
    began = clock.monotonic()
    refusal = post.send(f"{server.url}/a", b"")
    assert refusal == Refusal("it does not answer in time", True)
    assert clock.monotonic() - began < 15
    post.close()


def test_garbage_is_told_nowhere_with_the_url(
    server: MonitorServer, post: Post, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.behaviour = "garbage"
    post.send(f"{server.url}/{CANARY}", b"")
    server.behaviour = "reset"
    refusal = post.send(f"{server.url}/{CANARY}", b"")
    assert refusal == Refusal("the connection broke off", True)
    assert len(server.heard) == 2
    assert ("".join(capfd.readouterr()), caplog.text) == ("", "")


def test_the_proxy_of_the_environment_is_asked(
    server: MonitorServer, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://joe:s%40cret@127.0.0.1:{server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert post.send("http://monitor.invalid/x", b"") is None
    (asked,) = server.heard
    assert asked.path == "http://monitor.invalid/x"
    assert asked.headers["proxy-authorization"] == "Basic am9lOnNAY3JldA=="
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert post.send(f"{server.url}/y", b"") is None
    assert server.heard[-1].path == "/y"


def test_a_name_that_is_none_is_told(post: Post) -> None:
    assert post.send("http://monitor.invalid/x", b"") == Refusal("its name cannot be resolved", True)
    refusal = post.send(f"http://127.0.0.1:{free_ports(1)[0]}/x", b"")
    assert refusal == Refusal("it cannot be reached", True)


def test_certificates_are_verified(tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    with MonitorServer(context) as server:
        refusal = post.send(f"{server.url}/{CANARY}", b"")
        assert refusal == Refusal("its certificate is refused: self-signed certificate", True)
        assert server.heard == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        assert post.send(f"{server.url}/{CANARY}", b"") is None
        assert len(server.heard) == 1
