"""A table of the configuration, and the one that every secret is written as: a reference."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drorch.config.fields import AbsolutePath, Word, kind_of, wrong

_REFERENCE_KEYS = ("file", "env", "command", "credential")
_REFERENCE_RULE = 'write { file = "/path/to/it" }, { env = "NAME" }, { command = ["..."] } or { credential = "NAME" }'


Companions = tuple[tuple[str, str], ...]
"""Keys, each with the one that it is nothing without."""

Clash = tuple[str, str]
"""A key that does not go together with another, "" for the table itself, and what is wrong there, in words."""

Rule = Callable[[Mapping[str, Any]], Iterator[Clash]]
"""What is wrong with the keys of a table beside each other. What is said there was not checked: it may be anything."""


class Table(BaseModel):
    """A table of the configuration: strict, and closed to unknown keys."""

    companions: ClassVar[Companions] = ()
    rules: ClassVar[tuple[Rule, ...]] = ()

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class SecretTable(Table):
    """Where a secret is; exactly one of the keys. A secret itself is never written into a configuration."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    file: AbsolutePath | None = Field(default=None, description="A file that holds it; not readable by everyone.")
    env: Word | None = Field(default=None, description="A variable of drorch's environment that holds it.")
    command: Annotated[list[Word], Field(min_length=1)] | None = Field(
        default=None, description="A command that prints it: a list of words, started without a shell."
    )
    credential: Word | None = Field(default=None, description="A credential that systemd hands to the service.")

    @model_validator(mode="before")
    @classmethod
    def _is_one_reference(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise wrong(f"{kind_of(value)} stands where a reference to a secret is wanted; {_REFERENCE_RULE}")
        said = [key for key in _REFERENCE_KEYS if key in value]
        if len(said) > 1:
            raise wrong(f"a secret is in one place, not in {' and '.join(said)}; leave one of them")
        if not said and not value:
            raise wrong(f"this does not say where the secret is; {_REFERENCE_RULE}")
        return value
