"""The file that `RUSHES_EVENTS` names: who is told of state changes.

    [sinks.tracker]
    url = "https://hooks.example.com/rushes"
    secret_file = "tracker.secret"
    events = ["succeeded", "failed", "batch-ended"]

    [sinks.editorial]
    command = ["/usr/local/bin/clip-ready", "--quiet"]

Secrets are not in it: it names the file that holds one. This module must not know how anything is delivered.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rushes.core.sinks import DEFAULT_KINDS, KINDS, Sink
from rushes.errors import CallerError
from rushes.runtime.configuration.policy_file import policy_text
from rushes.units import parse_duration

__all__ = ["event_sinks", "problem_of"]

_FIX: Final = "Correct it there, or unset RUSHES_EVENTS."
_HAS_TO_BE: Final = {
    "dict_type": "a table of names and values",
    "model_type": "a table of names and values",
    "tuple_type": "a list of texts",
    "frozen_set_type": "a list of texts",
    "string_type": "a text",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
}
"""What a field has to be where it is something else, by the kind of pydantic's complaint."""


def _seconds(value: Any) -> float:
    try:
        return parse_duration(value)
    except CallerError as error:
        raise ValueError(error.message.removesuffix(".")) from error


_Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=600)]


class _Entry(BaseModel):
    """One sink as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = ""
    allow_http: bool = False
    secret_file: str = ""
    command: tuple[str, ...] = ()
    events: frozenset[str] = Field(default=DEFAULT_KINDS, min_length=1)
    shows: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    at_once: int = Field(default=100, ge=1, le=1000)
    timeout: _Seconds = 30.0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if unknown := self.events - set(KINDS):
            raise ValueError(f"there is no event {min(unknown)!r}; there are {', '.join(KINDS)}")
        if bool(self.url) == bool(self.command):
            raise ValueError("give it either a url or a command")
        if self.command and not Path(self.command[0]).is_absolute():
            raise ValueError(f"command {self.command[0]!r} is no absolute path")
        if self.secret_file and not self.url:
            raise ValueError("secret_file signs the deliveries of a url")
        if self.url:
            _check_url(self.url, allow_http=self.allow_http)
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sinks: dict[str, _Entry]


def event_sinks(environ: Mapping[str, str]) -> list[Sink]:
    """The sinks that an environment asks for; none without `RUSHES_EVENTS`.

    Raises:
        CallerError: the file cannot be read, or an entry of it is wrong (``bad-events``).
    """
    asked = environ.get("RUSHES_EVENTS")
    if not asked:
        return []
    path = Path(asked).expanduser().absolute()
    try:
        found = _File.model_validate(_read(path))
    except OSError as error:
        raise _bad(f"the events file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise _bad(f"{path}: {_complaint(error)}.") from error
    return [_sink(name, entry, path.parent) for name, entry in found.sinks.items()]


def _read(path: Path) -> Any:
    try:
        return tomllib.loads(policy_text(path))
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"the events file {path} is no TOML: {error}.") from error
    except ValueError as error:
        raise _bad(f"the events file {path} cannot be read: {error}.") from error
    except RecursionError:
        raise _bad(f"the events file {path} cannot be read: it is nested too deeply.") from None


def problem_of(sink: Sink) -> str:
    """Why nothing can be told to a sink as this machine is now; "" where nothing is seen to be wrong.

    A file may be brought later, so this is no reason not to start.
    """
    if sink.command:
        program = Path(sink.command[0])
        if not program.exists():
            return f"the command {program} does not exist"
        if not (program.is_file() and os.access(program, os.X_OK)):
            return f"the command {program} cannot be executed"
    if sink.secret_file:
        try:
            if not Path(sink.secret_file).read_bytes().strip():
                return f"the secret file {sink.secret_file} is empty"
            if Path(sink.secret_file).stat().st_mode & 0o077:
                return f"the secret file {sink.secret_file} is open to others: chmod 600 {sink.secret_file}"
        except OSError as error:
            return f"the secret file {sink.secret_file} cannot be read: {error.strerror}"
    return ""


def _complaint(error: ValidationError) -> str:
    """The first thing that is wrong, in words of the file and not of Python."""
    first = error.errors()[0]
    kind, where = first["type"], ".".join(str(part) for part in first["loc"]) or "sinks"
    if kind in _HAS_TO_BE:
        return f"{where} is {first['input']!r:.60}, and has to be {_HAS_TO_BE[kind]}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "extra_forbidden":
        known = _Entry if len(first["loc"]) > 2 else _File
        return f"{where} does not exist; there are {', '.join(sorted(known.model_fields))}"
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said[:1].lower()}{said[1:]}"


def _sink(name: str, entry: _Entry, folder: Path) -> Sink:
    secret = str(folder / Path(entry.secret_file).expanduser()) if entry.secret_file else ""
    return Sink(
        name,
        frozenset(entry.events),
        entry.shows,
        entry.functions,
        entry.at_once,
        entry.timeout,
        entry.url,
        secret,
        entry.command,
    )


def _check_url(url: str, *, allow_http: bool) -> None:
    """What a webhook's address may be.

    Raises:
        ValueError: it is none, or its deliveries could be read on their way.
    """
    parts: Any = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("the url is no https:// address")
    if parts.username is not None:
        raise ValueError("the url has a user name; sign deliveries with secret_file instead")
    if parts.scheme == "http" and not allow_http and not _is_loopback(parts.hostname):
        raise ValueError("the url is http, which anybody on its way can read; allow_http = true permits it")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bad(message: str) -> CallerError:
    return CallerError(message, code="bad-events", fix=_FIX)
