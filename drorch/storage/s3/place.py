"""Where one repository lies in a bucket: which object's name belongs to which key, and how messages name it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from drorch.storage.keys import check_key
from drorch.storage.s3.settings import S3Settings

AWS_HOST = "s3.amazonaws.com"
"""How messages name AWS, whichever of its hosts is asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket of a service and the prefix in it. `root` is "" or ends in a slash; `endpoint` is a URL."""

    endpoint: str
    bucket: str
    root: str

    @classmethod
    def of(cls, settings: S3Settings) -> "Place":
        """The place that settings describe."""
        prefix = settings.prefix.strip("/")
        endpoint = settings.endpoint or f"https://{AWS_HOST}"
        return cls(endpoint.rstrip("/"), settings.bucket, f"{prefix}/" if prefix else "")

    @property
    def description(self) -> str:
        """How restic's command line names it, without the scheme of a secure endpoint."""
        return f"s3:{self.endpoint.removeprefix('https://')}/{self.bucket}/{self.root}".rstrip("/")

    @property
    def host(self) -> str:
        """The endpoint's host name."""
        return urlsplit(self.endpoint).hostname or self.endpoint

    def name_of(self, key: str) -> str:
        """The name of the object that holds a key of the repository, or of all below a prefix of keys."""
        return self.root + key

    def key_of(self, name: str) -> str | None:
        """The key that an object's name stands for; None where it is none of the repository's."""
        try:
            return check_key(name.removeprefix(self.root)) if name.startswith(self.root) else None
        except ValueError:
            return None
