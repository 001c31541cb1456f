"""The catalog of an installation: where it is, and opened. The engine is not loaded for it."""

import hashlib
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.schema import Upgrade
from drorch.config.configuration import CatalogSpec, Configuration

_SYSTEM_SPOOL = Path("/var/spool/drorch")
_NAME_DIGITS = 16


def place_of(configuration: Configuration) -> CatalogPlace:
    """Where an installation's catalog is. Raises `SecretMissing` where its password cannot be read."""
    url = None if configuration.catalog is None else _with_password(configuration.catalog)
    return CatalogPlace(configuration.state_dir, url, _spare_spool(configuration.state_dir))


def _spare_spool(state_dir: Path) -> Path:
    """Where records wait while state_dir takes none: another folder for each state_dir, on the system's own disk."""
    name = hashlib.sha256(bytes(state_dir)).hexdigest()[:_NAME_DIGITS]
    if os.geteuid() == 0:
        return _SYSTEM_SPOOL / name
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "drorch" / "spool" / name


def _with_password(spec: CatalogSpec) -> str:
    if spec.password is None:
        return spec.url
    parts = urlsplit(spec.url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(spec.password.read(), safe='')}@{host}"))


def upgrade() -> Upgrade:
    """What brings a schema up to date. Found by name and only when asked for: it loads alembic, which is slow."""

    def bring(*arguments: object) -> None:
        importlib.import_module("drorch.catalog.migrate").upgrade(*arguments)

    return bring


@contextmanager
def opened_catalog(configuration: Configuration) -> Iterator[Catalog]:
    """The catalog, for what cannot do without. Raises `CatalogError`."""
    with open_catalog(place_of(configuration), upgrade()) as catalog:
        yield catalog
