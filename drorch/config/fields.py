"""What may be written for one value: paths, names, human units, schedules, zones; each with words for what is wrong.

No message quotes a value that may be a secret.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from drorch.model.names import NAME_PATTERN, NAME_RULE, is_name
from drorch.model.schedule import SCHEDULE_RULE, parse_schedule
from drorch.units import parse_duration, parse_size

OWN = "drorch"
"""The type of faults whose message is ours already."""

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (int, "an integer"),
    (float, "a number with a fraction"),
    (str, "a string"),
    (list, "a list"),
    (dict, "a table"),
    ((date, time), "a date or a time"),
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What validation asks of those above: the fault of an exclude pattern in words, None where it is sound."""

    pattern_fault: Callable[[str], str | None] = lambda _pattern: None


def wrong(message: str, *, at: str = "") -> PydanticCustomError:
    """A fault with this message, about the value in hand or, with `at`, about one of its keys."""
    return PydanticCustomError(OWN, "{message}", {"message": message, "at": at})


def kind_of(value: object) -> str:
    """What a TOML value is, in words."""
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "something else")


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise wrong(f"{kind_of(value)} stands where a string is wanted, for instance {example}")
    return value


def reading(parse: Callable[[str], Any], example: str) -> BeforeValidator:
    """A check that a string is there and can be parsed; a `ValueError` says what is wrong with it."""

    def read(value: object) -> Any:
        try:
            return parse(_text(value, example))
        except ValueError as fault:
            message = str(fault)
        raise wrong(message)

    return BeforeValidator(read)


def _positive_duration(text: str) -> timedelta:
    span = parse_duration(text)
    if not span:
        raise ValueError(f'"{text}" is no time at all; write for instance 4h or 1h30m')
    return span


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        rest = text.removeprefix("~/") if text.startswith("~") else text.lstrip("./")
        raise wrong(f'"{text}" is not an absolute path; write it from the root, for instance /{rest}')
    if "\0" in text:
        raise wrong("a path cannot hold a NUL character")
    return text


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise wrong(f"{value} is less than nothing; write a size, for instance 10 MiB")
        return value
    try:
        return parse_size(_text(value, '"10 MiB"'))
    except ValueError as fault:
        message = str(fault)
    raise wrong(message)


def _schedule(text: str) -> str:
    parse_schedule(text)
    return " ".join(text.split())


def zone_named(name: str) -> ZoneInfo:
    """The time zone of this name. Raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{name}" is not a time zone; write for instance Europe/Berlin or UTC') from None


def _zone(text: str) -> str:
    return zone_named(text).key


def _name(text: str) -> str:
    if not is_name(text):
        raise wrong(f'"{text}" is not a name: {NAME_RULE}')
    return text


def _tag(text: str) -> str:
    if not text or "," in text or text != text.strip():
        raise wrong(f'"{text}" is not a tag: a tag is not empty and holds no comma')
    if text.startswith("drorch:"):
        raise wrong(f'the tag "{text}" is reserved: what begins with drorch: is set by drorch itself')
    return text


def _pattern(text: str, info: ValidationInfo) -> str:
    surroundings = info.context if isinstance(info.context, Surroundings) else Surroundings()
    fault = surroundings.pattern_fault(text)
    if fault is not None:
        raise wrong(fault)
    return text


def _marker(text: str) -> str:
    name = text.partition(":")[0]
    if not name or "/" in name:
        raise wrong(f'"{text}" does not name a file; write NAME or NAME:HEADER, for instance .nobackup')
    return text


def _host(text: str) -> str:
    if not text or any(letter.isspace() or not letter.isprintable() for letter in text):
        raise wrong(f'"{text}" is not a host name')
    return text


def _database_url(text: str) -> str:
    try:
        url = urlsplit(text)
        secret = url.password is not None or any(key.lower() == "password" for key, _ in parse_qsl(url.query))
        sound = url.scheme == "postgresql" and bool(url.path.strip("/"))
    except ValueError:
        secret, sound = False, False
    if secret:
        raise wrong('a password stands in the URL; take it out and write password = { file = "/path/to/it" }')
    if not sound:
        raise wrong("this is not the URL of a database; write for instance postgresql://drorch@db1/drorch")
    return text


def _nonempty(text: str) -> str:
    if not text:
        raise wrong("the string is empty")
    return text


def _unique(items: list[str]) -> list[str]:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise wrong(f'"{item}" is in the list twice')
        seen.add(item)
    return items


def one_of(kinds: Mapping[str, object], *, thing: str) -> Callable[[object], object]:
    """A check that a table says which of these kinds it is of, before its other keys are looked at."""
    listed = ", ".join(f'"{kind}"' for kind in kinds)

    def check(value: object) -> object:
        if not isinstance(value, dict):
            return value
        if "type" not in value:
            raise wrong(f"this {thing} does not say of what type it is; supported: {listed}")
        kind = value["type"]
        if not isinstance(kind, str):
            raise wrong(f"{kind_of(kind)} stands where one of these is wanted: {listed}", at="type")
        if kind not in kinds:
            raise wrong(f'"{kind}" is not a type of {thing} that is supported; supported: {listed}', at="type")
        return value

    return check


def schema_of(kind: str, **more: object) -> WithJsonSchema:
    """How a string of this kind is described to other validators."""
    return WithJsonSchema({"type": "string", "title": kind, **more})


_SPAN_PATTERN = r"^\s*(\d+\s*[ywdhms]\s*)+$"

Name = Annotated[str, AfterValidator(_name), schema_of("name", pattern=f"^{NAME_PATTERN}$")]
AbsolutePath = Annotated[str, AfterValidator(_absolute), schema_of("path", pattern="^/")]
Duration = Annotated[timedelta, reading(_positive_duration, '"26h"'), schema_of("duration", pattern=_SPAN_PATTERN)]
Size = Annotated[
    int, BeforeValidator(_size), WithJsonSchema({"type": ["string", "integer"], "title": "size", "minimum": 0})
]
ScheduleText = Annotated[
    str, reading(_schedule, '"30 2 * * *"'), schema_of("schedule", description=SCHEDULE_RULE, minLength=1)
]
ZoneName = Annotated[str, reading(_zone, '"Europe/Berlin"'), schema_of("time zone", minLength=1)]
Tag = Annotated[str, AfterValidator(_tag), schema_of("tag", pattern="^[^,]+$")]
Pattern = Annotated[str, AfterValidator(_pattern), schema_of("pattern")]
Marker = Annotated[str, AfterValidator(_marker), schema_of("file name")]
HostName = Annotated[str, AfterValidator(_host), schema_of("host name", minLength=1)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url), schema_of("URL", pattern="^postgresql://")]
Word = Annotated[str, AfterValidator(_nonempty), schema_of("text", minLength=1)]
Count = Annotated[int, Field(ge=1)]
Unique = AfterValidator(_unique)
