"""Where a repository is, as an operator writes it: a URL as restic reads it becomes settings that a target opens with.

Nothing is touched here, and no library of a remote kind is imported.
"""

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from drorch.errors import UsageError
from drorch.storage.limits import Limits
from drorch.storage.s3.settings import S3Settings
from drorch.storage.sftp.settings import SftpSettings

_SCHEME = re.compile(r"(local|sftp|s3|rest|b2|azure|gs|swift|rclone):(.*)", re.DOTALL)
_AWS_HOST = re.compile(r"s3(?:[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_LOGIN = re.compile(r"(?:(.*)@)?(\[[0-9A-Fa-f:.%]+\]|[^:@]*):(.*)", re.DOTALL)

_LOCAL_HINT = "Give a path, for instance /srv/backup."
_S3_HINT = "Write for instance s3:https://s3.example.org/BUCKET/PREFIX, or s3:s3.amazonaws.com/BUCKET/PREFIX."
_SFTP_HINT = "Write for instance sftp:user@host:/backups/web1, or sftp://user@host:2222//backups/web1."
_INSTEAD = {
    "s3": "Take it out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    "sftp": "Take it out, and log in with a key.",
}


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A folder of this machine."""

    path: Path


Settings = LocalPlace | S3Settings | SftpSettings
"""What is known of a place: one class for each kind."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where one repository is and how it is gone about: `name` is what the configuration calls it.

    `limits` bound the use of its line, by all processes that share `budget`, a folder. Below `cache`, a folder, what
    every command reads of it is kept; None: nothing is. With a `moment` it is the place as it was then.
    """

    settings: Settings
    name: str | None = None
    limits: Limits | None = None
    budget: Path | None = None
    cache: Path | None = None
    moment: datetime | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the place is not on this machine's disks."""
        return not isinstance(self.settings, LocalPlace)

    def uncached(self) -> "Location":
        """The same, and nothing of it is kept here."""
        return replace(self, cache=None)

    def at(self, moment: datetime) -> "Location":
        """The same as it was at a moment, which has a time zone. Raises `UsageError` where the past is not kept."""
        if not isinstance(self.settings, S3Settings):
            raise UsageError(
                "only a bucket with versions can be opened as it was", hint="Leave --at out, or choose such a target."
            )
        return replace(self, moment=moment, cache=None)

    def same_place(self, other: "Location") -> bool:
        """Whether both lead to the same repository, as far as their words tell."""
        return _identity(self.settings) == _identity(other.settings)


def located(url: str, environment: Mapping[str, str] | None = None) -> Location:
    """The place a URL names: a path, or "local:", "sftp:" or "s3:" and what restic lets follow them.

    Its cache is the user's own: $XDG_CACHE_HOME/drorch, or ~/.cache/drorch. Raises `UsageError`.
    """
    match = _SCHEME.fullmatch(url)
    kind, rest = (match[1], match[2]) if match else ("local", url)
    match kind:
        case "local":
            return Location(_local(rest))
        case "s3":
            return Location(_s3(rest), cache=user_cache(environment))
        case "sftp":
            return Location(_sftp(rest), cache=user_cache(environment))
    raise UsageError(f"{kind} repositories are not supported", hint="Supported: a path, s3: and sftp:")


def user_cache(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of caches of repositories that no configuration names."""
    said = (os.environ if environment is None else environment).get("XDG_CACHE_HOME", "")
    return (Path(said) if said.startswith("/") else Path.home() / ".cache") / "drorch"


def _local(path: str) -> LocalPlace:
    if not path:
        raise UsageError("the repository's path is empty", hint=_LOCAL_HINT)
    if "\0" in path:
        raise UsageError("the repository's path holds a NUL character", hint=_LOCAL_HINT)
    return LocalPlace(Path(path))


def _s3(rest: str) -> S3Settings:
    """restic's forms: `s3:https://host/bucket/prefix`, `s3://host/bucket/prefix`, `s3:host/bucket/prefix`."""
    if rest.startswith(("http://", "https://")):
        url = _split(rest, "s3", _S3_HINT)
        if url.query or url.fragment:
            raise UsageError("the repository's s3 URL goes on after its path", hint=_S3_HINT)
        scheme, host, path = url.scheme, url.netloc, unquote(url.path).lstrip("/")
    else:
        scheme = "https"
        host, _, path = rest.removeprefix("//").partition("/")
    bucket, _, prefix = path.partition("/")
    if not host or "@" in host or any(letter.isspace() for letter in host):
        raise UsageError("the repository's s3 URL names no host", hint=_S3_HINT)
    if not bucket:
        raise UsageError(f"the repository's s3 URL names no bucket at {host}", hint=_S3_HINT)
    endpoint, region = _service(scheme, host)
    return S3Settings(bucket, _clean_prefix(prefix), endpoint, region)


def _service(scheme: str, host: str) -> tuple[str | None, str | None]:
    """Endpoint and region; None for AWS's own endpoint, and for the region that it is told by."""
    aws = _AWS_HOST.fullmatch(host)
    if aws is not None and scheme == "https":
        return None, aws[1]
    if _REGION.fullmatch(host):
        return None, host
    return f"{scheme}://{host}", None


def _clean_prefix(prefix: str) -> str:
    if not prefix.strip("/"):
        return ""
    clean = posixpath.normpath(prefix).strip("/")
    if clean == ".." or clean.startswith("../") or not clean.isprintable():
        raise UsageError("the prefix of the repository's s3 URL leads nowhere", hint=_S3_HINT)
    return "" if clean == "." else clean


def _sftp(rest: str) -> SftpSettings:
    """restic's forms: `sftp:user@host:path` and `sftp://user@host:port/path`, where an absolute path begins with //."""
    if rest.startswith("//"):
        url = _split(f"sftp:{rest}", "sftp", _SFTP_HINT)
        user, host, port, path = unquote(url.username or ""), url.hostname or "", url.port, unquote(url.path)[1:]
        if url.query or url.fragment:
            path = unquote(rest.partition("/")[2])
    else:
        login = _LOGIN.fullmatch(rest)
        if login is None:
            raise UsageError("the repository's sftp URL names no path", hint=_SFTP_HINT)
        user, host, port, path = login[1] or "", login[2].strip("[]"), None, login[3]
    if not host or host.startswith("-") or user.startswith("-") or any(letter.isspace() for letter in host + user):
        raise UsageError("the repository's sftp URL names no host", hint=_SFTP_HINT)
    if not path or "\0" in path:
        raise UsageError(f"the repository's sftp URL names no path on {host}", hint=_SFTP_HINT)
    clean = posixpath.normpath(path)
    clean = clean[1:] if clean.startswith("//") else clean
    if clean.startswith("~"):
        raise UsageError(
            "the path of the repository's sftp URL begins with ~, which servers do not know",
            hint="A path that does not begin with / counts from where the user logs in.",
        )
    return SftpSettings(host, clean, user or None, port)


def _split(text: str, kind: str, hint: str) -> SplitResult:
    try:
        url = urlsplit(text)
        password, _ = url.password, url.port
    except ValueError:
        # What is wrong with it may quote it, and it may hold a secret.
        raise UsageError(f"the repository's {kind} URL cannot be read", hint=hint) from None
    if password is not None:
        raise UsageError(f"a password stands in the repository's {kind} URL", hint=_INSTEAD[kind])
    return url


def _identity(settings: Settings) -> tuple[object, ...]:
    match settings:
        case S3Settings():
            return ("s3", settings.endpoint, settings.bucket, settings.prefix)
        case SftpSettings():
            return ("sftp", settings.host, settings.port or 22, settings.user, posixpath.normpath(settings.path))
        case LocalPlace():
            return ("local", settings.path.absolute())
