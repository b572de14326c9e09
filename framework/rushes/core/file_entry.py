"""One entry of a file that people edit, read field by field: what is wrong is named by its place.

`FileEntry` takes what a JSON, TOML or YAML reader made of the file. It must not know what the fields are for,
nor where the file is; `place` is what a person would look for: ``tiers.lambda.limits``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, TypeVar

from rushes.errors import CallerError
from rushes.units import parse_duration, parse_size

__all__ = ["FileEntry"]

_NONE: Final = object()
T = TypeVar("T")


class FileEntry:
    """A mapping whose fields are taken one by one; `done` refuses those that nobody took.

    Args:
        data: what the file holds here.
        place: its path within the file, for messages; with a colon at its end it is the file's own name, and
            what is below it stands apart: ``classes.toml: classes.urgent.rank``.
        code: of the errors, such as ``bad-tier``.

    Raises:
        CallerError: it is no mapping of names to values; the methods raise it for a field that is missing or
            is not what it has to be.
    """

    def __init__(self, data: object, place: str, *, code: str) -> None:
        if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
            what = "is missing" if data is None else f"is {_shown(data)}"
            raise CallerError(
                f"{place.rstrip(':')} {what}, and has to be a table of names and values.",
                code=code,
                fix="Write one `name: value` for each field.",
                details={"place": place},
            )
        self.place = place
        self._code = code
        self._data: Mapping[str, Any] = data
        self._taken: set[str] = set()

    def below(self, name: str) -> str:
        """The place of a field."""
        return f"{self.place} {name}" if self.place.endswith(":") else f"{self.place}.{name}"

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty."""
        return self._read(name, default, "a text", lambda found: _require(found, str) or None)

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no."""
        return self._read(name, default, "true or false", lambda found: _require(found, bool))

    def whole(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        """A whole number of at least `least`."""

        def read(found: object) -> int | None:
            number = _number(found)
            return int(number) if number is not None and number == int(number) and number >= least else None

        return self._read(name, default, f"a whole number of at least {least}", read)

    def number(self, name: str, default: float | None = None, *, least: float = 0.0) -> float:
        """A finite number of at least `least`."""

        def read(found: object) -> float | None:
            number = _number(found)
            return float(number) if number is not None and number >= least else None

        return self._read(name, default, f"a number of at least {least:g}", read)

    def size(self, name: str, default: int | None = None) -> int:
        """Bytes, written as ``10GiB`` or as their number."""

        def read(found: object) -> int | None:
            number = _number(found)
            if number is not None:
                return int(number) if number >= 0 else None
            return parse_size(found) if isinstance(found, str) else None

        return self._read(name, default, "a size such as 10GiB", read)

    def seconds(self, name: str, default: float | None = None) -> float:
        """Seconds, written as ``15m`` or as their number."""

        def read(found: object) -> float | None:
            number = _number(found)
            if number is not None:
                return float(number) if number >= 0 else None
            return parse_duration(found) if isinstance(found, str) else None

        return self._read(name, default, "a duration such as 15m", read)

    def choice(self, name: str, choices: Mapping[str, Any], default: str | None = None) -> Any:
        """What one of a few words stands for."""
        return self._read(
            name,
            choices[default] if default is not None else None,
            f"one of {', '.join(choices)}",
            lambda found: choices.get(found) if isinstance(found, str) else None,
        )

    def items(self, name: str) -> list[Any]:
        """The elements of a list; none where the field is absent."""
        nothing: list[Any] = []
        return self._read(name, nothing, "a list", lambda found: _require(found, list))

    def rows(self, name: str) -> Iterator[FileEntry]:
        """The elements of a list as tables."""
        for number, row in enumerate(self.items(name)):
            yield FileEntry(row, f"{self.below(name)}[{number}]", code=self._code)

    def raw(self, name: str) -> Any:
        """What is there, unread; None where the field is absent."""
        self._taken.add(name)
        return self._data.get(name)

    def names(self) -> tuple[str, ...]:
        """The fields that are there."""
        return tuple(self._data)

    def entry(self, name: str) -> FileEntry:
        """The table below a name; an empty one where the field is absent."""
        self._taken.add(name)
        found = self._data.get(name)
        return FileEntry({} if found is None else found, self.below(name), code=self._code)

    def entries(self) -> Iterator[tuple[str, FileEntry]]:
        """Every field as a table of its own, in the order of the file."""
        for name in self._data:
            yield name, self.entry(name)

    def numbers(self) -> dict[str, int]:
        """Every field as a whole number of at least 1."""
        return {name: self.whole(name, least=1) for name in self._data}

    def has(self, name: str) -> bool:
        """Whether the field is there, and is not null."""
        self._taken.add(name)
        return self._data.get(name) is not None

    def done(self) -> None:
        """Say that everything was taken.

        Raises:
            CallerError: a field is left that nobody knows.
        """
        for name in self._data:
            if name not in self._taken:
                near = get_close_matches(name, self._taken, 1)
                raise CallerError(
                    f"{self.place.rstrip(':')} has a field {name!r}, which does not exist.",
                    code=self._code,
                    fix=f"Write {near[0]}." if near else f"It can have: {', '.join(sorted(self._taken))}.",
                    details={"place": self.place, "field": name},
                )

    def refuse(self, name: str, why: str, fix: str) -> CallerError:
        """The error for a field that can be read and cannot be meant."""
        return CallerError(
            f"{self.below(name)} {why}.",
            code=self._code,
            fix=fix,
            details={"place": self.place, "field": name},
        )

    def _read(self, name: str, default: T | None, wanted: str, read: Callable[[Any], T | None]) -> T:
        self._taken.add(name)
        found = self._data.get(name, _NONE)
        if found is _NONE or found is None:
            if default is None:
                raise self.refuse(name, "is missing", f"Give {wanted}.")
            return default
        try:
            value = read(found)
        except CallerError as error:
            raise self.refuse(name, f"is {_shown(found)}, and has to be {wanted}", error.fix) from error
        if value is None:
            raise self.refuse(name, f"is {_shown(found)}, and has to be {wanted}", f"Give {wanted}.")
        return value


def _require(found: object, kind: type[T]) -> T | None:
    return found if isinstance(found, kind) else None


def _number(found: object) -> float | None:
    """A number that is one: true and false are whole numbers in Python, and nobody means them."""
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
        return None
    return found


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else text[:57] + "..."
