"""Where the repositories of a pass are put: a folder of this machine, or a real server on its loopback.

A server is started anew for each pass of each tool, in the folder of that pass, so that none finds the other's
traces and all is gone with the folder. Every tool speaks to the same server, with the settings of its own manual.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.servers.seaweedfs import SeaweedFS
from tests.servers.sshd import Sshd

_BUCKET = "bench"
PASSWORD_FILE = "password"  # noqa: S105  (a file's name)
"""The file, in the folder of a pass, that every tool reads the password from."""


@dataclass(frozen=True, slots=True)
class Lodging:
    """The place of one repository: what each tool's command line says of it, and the folder its bytes end up in."""

    restic: tuple[str, ...]
    drorch: tuple[str, ...]
    files: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


class Site(Protocol):
    """A kind of place."""

    @property
    def name(self) -> str:
        """How results name it."""
        ...

    def lodging(self, folder: Path) -> AbstractContextManager[Lodging]:
        """A place for one repository below `folder`, for as long as the block lasts."""
        ...


@dataclass(frozen=True, slots=True)
class LocalSite:
    """A folder of this machine."""

    name: str = "local"

    @contextlib.contextmanager
    def lodging(self, folder: Path) -> Iterator[Lodging]:
        """See `Site`."""
        repository = folder / "repository"
        here = ("--repo", str(repository), "--password-file", str(folder / PASSWORD_FILE))
        yield Lodging(here, here, repository)


@dataclass(frozen=True, slots=True)
class S3Site:
    """A bucket of SeaweedFS, by http."""

    name: str = "s3"

    @contextlib.contextmanager
    def lodging(self, folder: Path) -> Iterator[Lodging]:
        """See `Site`."""
        with SeaweedFS(folder / "server") as server:
            url = f"s3:{server.endpoint}/{server.new_bucket(_BUCKET)}/repository"
            here = ("--repo", url, "--password-file", str(folder / PASSWORD_FILE))
            keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
            yield Lodging(here, here, folder / "server", keys)


@dataclass(frozen=True, slots=True)
class SftpSite:
    """A folder behind OpenSSH's sshd."""

    name: str = "sftp"

    @contextlib.contextmanager
    def lodging(self, folder: Path) -> Iterator[Lodging]:
        """See `Site`."""
        repository, password = folder / "repository", folder / PASSWORD_FILE
        (folder / "server").mkdir()
        with Sshd(folder / "server") as server:
            ssh = f"ssh -o BatchMode=yes -o IdentitiesOnly=yes -i {server.identity}"
            ssh += f" -o UserKnownHostsFile={server.known_hosts} -p {server.port} {server.user}@127.0.0.1 -s sftp"
            restic = ("--repo", f"sftp:{server.user}@127.0.0.1:{repository}", "-o", f"sftp.command={ssh}")
            jobs = folder / "jobs.toml"
            jobs.write_text(
                f'[targets.bench]\ntype = "sftp"\nhost = "127.0.0.1"\nport = {server.port}\nuser = "{server.user}"\n'
                f'path = "{repository}"\nidentity_file = "{server.identity}"\n'
                f'known_hosts = "{server.known_hosts}"\npassword = {{ file = "{password}" }}\n'
                f'[drorch]\nstate_dir = "{folder / "state"}"\n'
            )
            drorch = ("--config", str(jobs), "--target", "bench")
            yield Lodging((*restic, "--password-file", str(password)), drorch, repository)


SITES: Mapping[str, Site] = {site.name: site for site in (LocalSite(), S3Site(), SftpSite())}
