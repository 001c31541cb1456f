"""What the global options and the environment say together: which repository, which password, how much to print.

An option counts more than a variable. Options that name the same thing twice are refused, not ranked.
"""

import getpass
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from drorch.app.access import Access, PasswordOrigin
from drorch.app.locations import Location, located
from drorch.cli.global_options import given
from drorch.cli.output.writer import Output
from drorch.errors import SecretMissing, UsageError


@dataclass(frozen=True, slots=True)
class Session:
    """One command line's global options."""

    values: Mapping[str, Any]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, context: click.Context) -> "Session":
        """The session of a command that is being run. Raises `UsageError` where it is to be quiet and verbose."""
        values = dict(given(context))
        if values.get("verbose") and values.get("quiet"):
            raise UsageError("--quiet and --verbose contradict each other", hint="Leave one of them out.")
        return cls(values, os.environ)

    @property
    def output(self) -> Output:
        """Where this command writes."""
        verbosity = -1 if self.values.get("quiet") else min(int(self.values.get("verbose", 0)), 2)
        return Output(json=bool(self.values.get("json")), verbosity=verbosity)

    @property
    def terminal(self) -> bool:
        """Whether somebody looks at stderr."""
        return sys.stderr.isatty()

    def access(self, *, new: bool = False) -> Access:
        """How to open the repository; `new` asks for a password twice.

        Raises `UsageError`, and `ConfigError` where a target of the configuration is named.
        """
        access = self._access_to_target() if self.values.get("target") else self._access_by_url(new=new)
        moment = self.values.get("at")
        return access.at(moment) if moment else access

    def _access_by_url(self, *, new: bool) -> Access:
        return Access(
            location=self.located(self._url()),
            password=self._password(new=new),
            lock=not self.values.get("no_lock"),
            retry_lock=self.retry_lock,
            tell=self.output.note,
        )

    @contextmanager
    def begun(self) -> Iterator[Access]:
        """How to open the repository, which is being unlocked from now on unless somebody is asked for the password.

        Raises as `access` does, and `SecretMissing`.
        """
        access = self.access()
        if isinstance(access.password, PasswordOrigin) and access.password.is_asked_for:
            yield access
        else:
            with access.begun() as begun:
                yield begun

    def _access_to_target(self) -> Access:
        if self.values.get("repo") or self.values.get("repository_file"):
            raise UsageError("--target and --repo contradict each other", hint="Leave one of them out.")
        # By name, so that a command without a configuration does not pay for reading one.
        access: Access = importlib.import_module("drorch.app.targets").access_to(
            self.values.get("config"), self.values["target"]
        )
        if self.values.get("no_cache"):
            access = access.uncached()
        lock = not self.values.get("no_lock")
        return replace(access, lock=lock, retry_lock=self.retry_lock, tell=self.output.note)

    def other_access(self, place: str, password: PasswordOrigin | None, like: Access) -> Access:
        """How to open a second repository: with -t `place` may be a target's name, else it is a URL.

        Its password is the one given, or a target's own, or that of the first. Raises `UsageError` and `ConfigError`.
        """
        if self.values.get("target"):
            targets = importlib.import_module("drorch.app.targets")
            named: Access | None = targets.access_if_named(self.values.get("config"), place)
            if named is not None:
                return replace(named, password=password or named.password, retry_lock=self.retry_lock)
        return Access(self.located(place), password or like.password, retry_lock=self.retry_lock)

    def located(self, url: str) -> Location:
        """The place that a URL of the command line names. Raises `UsageError`."""
        location = located(url, self.environment)
        return location.uncached() if self.values.get("no_cache") else location

    @property
    def retry_lock(self) -> timedelta:
        """How long to wait for a repository's lock."""
        return timedelta(seconds=float(self.values.get("retry_lock", 0.0)))

    def _url(self) -> str:
        url, file = self._said("repo", "RESTIC_REPOSITORY", "repository_file", "RESTIC_REPOSITORY_FILE")
        if url:
            return url
        if not file:
            raise UsageError("no repository is named", hint="Say where it is with --repo, or set RESTIC_REPOSITORY.")
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            raise UsageError(f"repository file {file} cannot be read", hint="Give a file you can read.") from fault
        if not text:
            raise UsageError(f"repository file {file} is empty", hint="Write the repository's URL into it.")
        return text

    def _password(self, *, new: bool) -> PasswordOrigin:
        file, command = self._said(
            "password_file", "RESTIC_PASSWORD_FILE", "password_command", "RESTIC_PASSWORD_COMMAND"
        )
        text = None if file or command else self.environment.get("RESTIC_PASSWORD")
        return PasswordOrigin(
            file=Path(file) if file else None,
            command=command or None,
            text=text or None,
            ask=(_ask_twice if new else _ask) if sys.stdin.isatty() else None,
        )

    def _said(self, one: str, one_variable: str, other: str, other_variable: str) -> tuple[str, str]:
        by_option = self.values.get(one, ""), self.values.get(other, "")
        said = by_option
        if not any(by_option):
            said = self.environment.get(one_variable, ""), self.environment.get(other_variable, "")
        if all(said):
            names = (one, other) if any(by_option) else (one_variable, other_variable)
            written = [f"--{name.replace('_', '-')}" if any(by_option) else name for name in names]
            raise UsageError(f"{written[0]} and {written[1]} contradict each other", hint="Leave one of them out.")
        return said


def password_from(file: str | None, command: str | None) -> PasswordOrigin | None:
    """Where the password of a second repository is; None where neither is said."""
    if file is None and command is None:
        return None
    return PasswordOrigin(file=Path(file) if file else None, command=command)


def _ask() -> str:
    return getpass.getpass("password for the repository: ")


def _ask_twice() -> str:
    first = getpass.getpass("password for the new repository: ")
    if getpass.getpass("the same password again: ") != first:
        raise SecretMissing("the two passwords differ", hint="Type the same password twice.")
    return first
