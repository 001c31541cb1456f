"""Targets of the configuration, by name, as repositories that can be opened."""

from drorch.app.access import Access
from drorch.app.configuration import load


def access_to(config_file: str | None, name: str) -> Access:
    """How to open the repository on a configured target. Raises `ConfigError`."""
    target = load(config_file).target(name)
    return Access(target.url, target.password)
