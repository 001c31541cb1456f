"""What may be written for places elsewhere: endpoints, monitors, buckets, prefixes, logins, hours of the day, rates."""

import re
from datetime import time
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from drorch.config.fields import AbsolutePath, reading, schema_of, wrong
from drorch.config.table import SecretTable
from drorch.units import parse_size

_BUCKET = "[A-Za-z0-9][A-Za-z0-9._-]{2,254}"
_LOGIN = r"[^\s@:/-][^\s:/]*"
_JUMP = re.compile(r"(?:[^\s@:/,-][^\s:/,]*@)?([^\s@:/,-][^\s@:/,]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_BETWEEN = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)\s*")
_SHORTENED = "/..."
_LONGEST_NAME = 255
LONGEST_SOCKET = 107
"""As many bytes as the path of a socket may have; unix(7)."""
_RATE = re.compile(r"(.+?)\s*/\s*s", re.DOTALL)


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    return url


def _endpoint(text: str) -> str:
    url = _split(text)
    if url is None or url.scheme not in ("http", "https") or not url.hostname:
        raise wrong("this is not the URL of a service; write for instance https://s3.example.org")
    if url.username is not None or url.password is not None:
        raise wrong("credentials stand in the URL; take them out and write access_key and secret_key")
    if url.path.strip("/") or url.query or url.fragment:
        raise wrong("the URL of a service ends with its host; write bucket and prefix on lines of their own")
    return f"{url.scheme}://{url.netloc}"


def shortened(url: str) -> str:
    """The URL of a monitor as it may be shown: who sees it cannot use it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{_SHORTENED}"


def _monitor(text: str) -> str:
    url = _split(text)
    if url is None or url.scheme not in ("http", "https") or not url.hostname or not re.fullmatch(r"[!-~]+", text):
        raise wrong("this is not the URL of a monitor; write for instance https://hc-ping.com/UUID")
    if url.username is not None or url.password is not None:
        raise wrong('credentials stand in the URL; write it into a file, and here { file = "/path/to/it" }')
    if text.endswith(_SHORTENED):
        raise wrong("this URL was shortened to be shown; write all of it")
    return text


def _kind_of_ping(value: object) -> str:
    return "url" if isinstance(value, str) else "reference"


def _file_name(text: str) -> str:
    if not text or text in (".", "..") or "/" in text or "\0" in text or len(text.encode()) > _LONGEST_NAME:
        raise wrong(f'"{text}" is not the name of a file; write it without a folder, for instance orders.sql')
    return text


def _socket(text: str) -> str:
    if len(text.encode()) > LONGEST_SOCKET:
        raise wrong(f"the path of a socket has at most {LONGEST_SOCKET} bytes; write a shorter one")
    return text


def _bucket(text: str) -> str:
    if not re.fullmatch(_BUCKET, text):
        more = "; what follows it is the prefix" if "/" in text else ""
        raise wrong(f'"{text}" is not a bucket: at least three letters, digits, dots, _ and -{more}')
    return text


def _prefix(text: str) -> str:
    if not text or text.strip("/") != text or not text.isprintable():
        raise wrong(f'"{text}" is not a prefix; write it without slashes at its ends, for instance hosts/web1')
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise wrong(f'"{text}" is not a prefix: none of its parts is empty, "." or ".."')
    return text


def _login(text: str) -> str:
    if not re.fullmatch(_LOGIN, text):
        raise wrong(f'"{text}" is not a user')
    return text


def _server(text: str) -> str:
    if text.startswith("-") or "@" in text or "/" in text:
        raise wrong(f'"{text}" is not a host name; write the user and the path on lines of their own')
    return text


def _jump(text: str) -> str:
    found = _JUMP.fullmatch(text)
    if found is None or (found[2] is not None and not 0 < int(found[2]) < 65536):
        raise wrong(f'"{text}" is not a jump host; write [user@]host[:port], for instance backup@gate.example.org:2222')
    return text


def _folder(text: str) -> str:
    if not text or "\0" in text:
        raise wrong("this is not a path; write for instance /backups/web1")
    if text == "~" or text.startswith("~/"):
        raise wrong(f'"{text}" is not a path: a path that does not begin with / counts from where the user logs in')
    return text


def _between(text: str) -> str:
    found = _BETWEEN.fullmatch(text)
    start, end = ((int(found[1]), int(found[2])), (int(found[3]), int(found[4]))) if found else ((0, 0), (0, 0))
    if found is None or end > (24, 0):
        raise wrong(f'"{text}" are not hours of the day; write for instance 08:00-18:00')
    if start == (end[0] % 24, end[1]):
        raise wrong(f'"{text}" is no time at all, or all of it; for the whole day leave between out')
    return f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02}"


def hours(between: str) -> tuple[time, time]:
    """The hours that a checked text says, up to the second; midnight at the end is 00:00."""
    start, end = (part.split(":") for part in between.split("-"))
    return time(int(start[0]), int(start[1])), time(int(end[0]) % 24, int(end[1]))


def _rate(text: str) -> int:
    found = _RATE.fullmatch(text.strip())
    try:
        rate = parse_size(found[1]) if found else 0
    except ValueError:
        rate = 0
    if found is None or rate <= 0:
        raise ValueError(f'"{text}" is not a rate; write for instance 2 MiB/s')
    return rate


def _shaped(pattern: str, kind: str, words: str) -> tuple[AfterValidator, WithJsonSchema]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise wrong(f'"{text}" is not {words}')
        return text

    return AfterValidator(check), schema_of(kind, pattern=f"^{pattern}$")


_REGION = _shaped("[A-Za-z0-9][A-Za-z0-9_-]*", "region", "a region; write for instance eu-central-1")
_CLASS = _shaped("[A-Z][A-Z0-9_]*", "storage class", "a storage class; write for instance STANDARD_IA")
_CURRENCY = _shaped("[A-Z]{3}", "currency", "a currency; write for instance EUR")

Region = Annotated[str, *_REGION]
StorageClass = Annotated[str, *_CLASS]
Currency = Annotated[str, *_CURRENCY]
Endpoint = Annotated[str, AfterValidator(_endpoint), schema_of("URL", pattern="^https?://[^/]+/?$")]
Monitor = Annotated[str, AfterValidator(_monitor), schema_of("URL", pattern="^https?://[^/]")]
Ping = Annotated[
    Annotated[Monitor, Tag("url")] | Annotated[SecretTable, Tag("reference")], Discriminator(_kind_of_ping)
]
"""The URL of a monitor, or where it is."""
FileName = Annotated[str, AfterValidator(_file_name), schema_of("file name", pattern="^[^/]+$")]
SocketPath = Annotated[AbsolutePath, AfterValidator(_socket)]
Bucket = Annotated[str, AfterValidator(_bucket), schema_of("bucket", pattern=f"^{_BUCKET}$")]
Prefix = Annotated[str, AfterValidator(_prefix), schema_of("prefix", pattern="^[^/]+(/[^/]+)*$")]
Login = Annotated[str, AfterValidator(_login), schema_of("user", pattern=f"^{_LOGIN}$")]
Server = Annotated[str, AfterValidator(_server), schema_of("host name", pattern=r"^[^\s@/-][^\s@/]*$")]
Jump = Annotated[str, AfterValidator(_jump), schema_of("[user@]host[:port]", pattern=f"^{_JUMP.pattern}$")]
Folder = Annotated[str, AfterValidator(_folder), schema_of("path there", pattern="^(?!~(/|$))[^\\u0000]+$")]
Between = Annotated[str, AfterValidator(_between), schema_of("hours", pattern=f"^{_BETWEEN.pattern}$")]
Rate = Annotated[int, reading(_rate, '"2 MiB/s"'), schema_of("rate", pattern=r"^.*\d.*/\s*s\s*$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Connections = Annotated[int, Field(ge=1, le=64)]


def _money(value: object) -> object:
    # In TOML a price may well be written as 1.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


Money = Annotated[
    float,
    BeforeValidator(_money),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "title": "number", "minimum": 0}),
]
