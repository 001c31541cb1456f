"""One message to a monitor by HTTP: sent within bounded time, or told in words why not.

Promise: a monitor's URL is a capability (whoever knows it can speak for the job), so no more than its host is ever
told. Certificates are verified, and no redirect leads to another scheme.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from socket import SHUT_RDWR, socket
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

from drorch import __version__
from drorch.errors import ConfigError
from drorch.secrets import remember

# What it logs names whole URLs.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

_SCHEMES = ("http", "https")
_MOST_REDIRECTS = 3
_AGAIN_AS_GET = (301, 302, 303)
_AGAIN_AS_IT_WAS = (307, 308)
_TOO_MANY = 429
_TELLING = 16
"""Characters of a path that does not stand in other texts by chance."""
_PASSING = 500


@dataclass(frozen=True, slots=True)
class Monitor:
    """Who watches from outside, in healthchecks' way. `subject` names what is watched, for the log."""

    subject: str
    url: str = field(repr=False)

    @property
    def host(self) -> str:
        """What may be told of its URL."""
        return urlsplit(self.url).hostname or ""


def monitor(subject: str, url: str) -> Monitor:
    """A monitor by its URL, which is a secret from then on. Raises `ConfigError` where that is none of HTTP."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"the ping of {subject} is no URL of a monitor", hint="Write it as https://hc-ping.com/UUID, for instance."
        )
    if len(parts.path) >= _TELLING:
        remember(parts.path)
    return Monitor(subject, remember(url.strip()))


def address_of(monitor: Monitor, signal: str, run: str | None) -> str:
    """Where a signal goes: "" for success, "start", "fail". `run` (32 hex digits) ties start and end together."""
    parts = urlsplit(monitor.url)
    path = parts.path.rstrip("/") + (f"/{signal}" if signal else "")
    # Monitors want a UUID as RFC 9562 writes it.
    rid = "" if run is None else f"rid={run[:8]}-{run[8:12]}-{run[12:16]}-{run[16:20]}-{run[20:]}"
    return urlunsplit(parts._replace(path=path or "/", query="&".join(filter(None, (parts.query, rid))), fragment=""))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message did not arrive, in words that hold no URL; whether that may pass by itself."""

    reason: str
    passing: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a monitor may take to accept a connection, and to come to the end of its answer's headers."""

    connect: float = 5.0
    answer: float = 10.0


class Post:
    """Sends messages, one at a time. `cut`, from any thread, ends the one that is under way."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._under_way: list[socket] = []
        self._pools: dict[str, urllib3.PoolManager] = {}

    def send(self, address: str, body: bytes) -> Refusal | None:
        """Send a message; None once it has arrived."""
        method, scheme = "POST", urlsplit(address).scheme
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                status, elsewhere = self._exchange(method, address, body)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as fault:
                return Refusal(_in_words(fault), passing=True)
            if status in _AGAIN_AS_GET:
                method, body = "GET", b""
            elif status not in _AGAIN_AS_IT_WAS:
                return _refusal(status)
            if not elsewhere:
                return Refusal(f"it answers {status} without saying where else to go", passing=False)
            address = urljoin(address, elsewhere)
            if urlsplit(address).scheme != scheme:
                return Refusal("it leads to another scheme, which is not followed", passing=False)
        return Refusal("it leads elsewhere again and again", passing=False)

    def cut(self) -> None:
        """End what is under way: it has failed then."""
        for connection in list(self._under_way):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """Let go of what it holds."""
        for pool in self._pools.values():
            pool.clear()

    def _exchange(self, method: str, address: str, body: bytes) -> tuple[int, str]:
        response = self._pool(address).urlopen(
            method,
            address,
            body=body,
            headers={"User-Agent": f"drorch/{__version__}", "Content-Type": "text/plain; charset=utf-8"},
            redirect=False,
            retries=False,
            preload_content=False,
        )
        # What it answers beside the status is of no interest, and might have no end.
        response.close()
        assert isinstance(response, HTTPResponse)
        return response.status, response.headers.get("Location", "")

    def _pool(self, address: str) -> urllib3.PoolManager:
        proxy = _proxy_for(address)
        if proxy not in self._pools:
            self._pools[proxy] = self._pool_by(proxy)
        return self._pools[proxy]

    def _pool_by(self, proxy: str) -> urllib3.PoolManager:
        patience = urllib3.Timeout(connect=self._patience.connect, read=self._patience.answer)
        pool: urllib3.PoolManager
        if proxy:
            parts = urlsplit(proxy)
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
            pool = urllib3.ProxyManager(
                proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=user), timeout=patience
            )
        else:
            pool = urllib3.PoolManager(timeout=patience)
        pool.pool_classes_by_scheme = _bounded_pools(self._patience.answer, self._under_way)
        return pool


def _bounded_pools(seconds: float, under_way: list[socket]) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose answers come in bounded time, however slowly they drip; what is under way is listed meanwhile."""

    # Any: the classes that urllib3's connections descend from disagree on what they answer with.
    class Plain(HTTPConnection):
        def getresponse(self) -> Any:
            with _bounded(self.sock, seconds, under_way):
                return super().getresponse()

    class Sealed(HTTPSConnection):
        def getresponse(self) -> Any:
            with _bounded(self.sock, seconds, under_way):
                return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SealedPool(HTTPSConnectionPool):
        ConnectionCls = Sealed

    return {"http": PlainPool, "https": SealedPool}


@contextmanager
def _bounded(connection: socket, seconds: float, under_way: list[socket]) -> Iterator[None]:
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            connection.shutdown(SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    under_way.append(connection)
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        # Cut off, it has no end, or seems to have one.
        if not late.is_set():
            raise
    finally:
        timer.cancel()
        under_way.remove(connection)
    if late.is_set():
        raise TimeoutError


def _proxy_for(address: str) -> str:
    """The proxy that the environment names for an address, empty where it names none."""
    parts = urlsplit(address)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return ""
    proxy = getproxies().get(parts.scheme, "")
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _refusal(status: int) -> Refusal | None:
    if 200 <= status < 300:
        return None
    return Refusal(f"it answers {status}", passing=status >= _PASSING or status == _TOO_MANY)


def _in_words(fault: Exception) -> str:
    """What went wrong, by its kind alone: what such errors say holds the URL."""
    if isinstance(fault, urllib3.exceptions.ProxyError):
        return "the proxy does not let it through"
    if isinstance(fault, urllib3.exceptions.NameResolutionError):
        return "its name cannot be resolved"
    if isinstance(fault, urllib3.exceptions.NewConnectionError):
        return "it cannot be reached"
    if isinstance(fault, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.ReadTimeoutError):
        return "it does not answer in time"
    if isinstance(fault, urllib3.exceptions.SSLError):
        cause = fault.args[0] if fault.args else None
        if isinstance(cause, SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        return "TLS fails"
    if isinstance(fault, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    return "the message could not be sent"
