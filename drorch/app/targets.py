"""Targets of the configuration, by name, as repositories that can be opened."""

from datetime import timedelta

from drorch.app.access import Access
from drorch.app.configuration import load
from drorch.config.configuration import Configuration


def access_to(config_file: str | None, name: str) -> Access:
    """How to open the repository on a target of a configuration that is to be read. Raises `ConfigError`."""
    return access_of(load(config_file), name)


def access_of(configuration: Configuration, name: str, retry_lock: timedelta = timedelta(0)) -> Access:
    """How to open the repository on a configured target. Raises `ConfigError` where there is none of this name."""
    target = configuration.target(name)
    return Access(target.url, target.password, retry_lock=retry_lock)
