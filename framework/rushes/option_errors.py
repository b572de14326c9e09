"""One sentence for what a model says of options that it refuses: which option, its value, what was expected.

A model speaks of its own parts: the arms of a union, patterns, the classes of errors. A person has written an
option and wants to know what to write instead. This module must not know whether that was on a command line.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rushes.declaration import RESERVED
from rushes.errors import CallerError

__all__ = ["bad_params"]

JOINT: Final = "+"
"""Between the names of functions that run together; their options are below the name of each."""
_VALUE_MAX: Final = 80
_RANGE: Final = frozenset({"greater_than_equal", "less_than_equal"})
_EXPECTED: Final = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "",
}
"""What is written instead, by pydantic's type of an error."""


def bad_params(name: str, model: type[BaseModel], problem: ValidationError) -> CallerError:
    """The error of options that `model` refuses, for the function called `name`."""
    sentences: list[str] = []
    hints: list[str] = []
    members = name.split(JOINT)
    for where, errors in _by_option(model, problem).items():
        # Of functions that run together, the one whose option it is.
        own = where[:1] if len(members) > 1 and where[0] in members else ()
        whose, option = (own[0], where[1:]) if own else (name, where)
        sentences.append(_sentence(whose, _field(model, where), option, errors))
        hints.append(_hint(whose, model, where, errors))
    if not all(hints):
        hints.append(f"`rushes describe {name}` shows its options.")
    fix = " ".join(dict.fromkeys(hint for hint in hints if hint))
    return CallerError("; ".join(sentences) + ".", code="bad-option", fix=fix)


def _by_option(model: type[BaseModel], problem: ValidationError) -> dict[tuple[str, ...], list[Any]]:
    """The errors by the option that they are about: a union has one for each of its arms."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for error in problem.errors(include_url=False):
        found.setdefault(_option(model, error["loc"]), []).append(error)
    return found


def _option(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The names down to a field that is no model itself, without the arms and places below it."""
    where: list[str] = []
    for part in loc:
        where.append(str(part))
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (inspect.isclass(inner) and issubclass(inner, BaseModel)):
            break
        model = inner
    return tuple(where)


def _sentence(name: str, field: FieldInfo | None, where: tuple[str, ...], errors: list[Any]) -> str:
    first, option = errors[0], ".".join(where)
    if first["type"] == "extra_forbidden":
        return f"{name} has no option {option!r}"
    if first["type"] == "missing":
        return f"{name} needs option {option!r}"
    if not where or _concerns_several(first):
        return f"{name}: {_own_words(first)}{_given(first['input'], first['msg'])}"
    return f"{name} option {option}={_shown(first['input'])}: {_expected(field, errors)}"


def _concerns_several(error: Any) -> bool:
    """A check of the author's on a whole model, whose input are all options."""
    return error["type"] in {"value_error", "assertion_error"} and isinstance(error["input"], Mapping)


def _own_words(error: Any) -> str:
    # What pydantic puts before a validator's own words is no news to anybody.
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")


def _given(values: Any, said: str) -> str:
    """The values of the options that a sentence names."""
    words = {word.strip(",;:.()'\"") for word in said.split()}
    named = [f"{key}={_shown(value)}" for key, value in values.items() if str(key) in words]
    return f" (given: {', '.join(named)})" if named else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_MAX else text[: _VALUE_MAX - 1] + "…"


def _expected(field: FieldInfo | None, errors: list[Any]) -> str:
    said = list(dict.fromkeys(_words(field, errors)))
    if all(error["type"] in _EXPECTED for error in errors):
        return f"expected {', or '.join(said)}"
    return "; ".join(said)


def _words(field: FieldInfo | None, errors: list[Any]) -> Iterator[str]:
    for error in errors:
        template = _EXPECTED.get(error["type"])
        if template is None:
            yield _own_words(error)
        elif error["type"] == "string_pattern_mismatch":
            examples = [str(one) for one in (field.examples or ())] if field is not None else []
            yield f"text like {' or '.join(examples)}" if examples else "another form"
        else:
            values = {key: _plain(value) for key, value in (error.get("ctx") or {}).items()}
            yield (
                _range_of(field)
                if error["type"] in _RANGE and _range_of(field)
                else template.format_map(values)
            )


def _range_of(field: FieldInfo | None) -> str:
    """``32 to 2160``, where the field itself has both bounds."""
    notes = field.metadata if field is not None else []
    least, most = (
        next((bound for note in notes if (bound := getattr(note, name, None)) is not None), None)
        for name in ("ge", "le")
    )
    return "" if least is None or most is None else f"{_plain(least)} to {_plain(most)}"


def _plain(value: Any) -> str:
    """A bound as a person writes it, words without their quotes."""
    return f"{value:g}" if isinstance(value, float) else str(value).replace("'", "")


def _hint(name: str, model: type[BaseModel], where: tuple[str, ...], errors: list[Any]) -> str:
    if errors[0]["type"] != "extra_forbidden":
        field = _field(model, where)
        return f"{where[-1]}: {field.description}" if field is not None and field.description else ""
    option = where[-1]
    if option in RESERVED:
        return f"{option!r} says how it is sent: {name}.with_options({option}=…) in Python."
    inner = _field(model, where[:-1])
    fields = getattr(inner.annotation if inner is not None else model, "model_fields", {})
    near = difflib.get_close_matches(option, fields, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def _field(model: type[BaseModel], where: tuple[str, ...]) -> FieldInfo | None:
    """The field that the names lead to, if they lead to one."""
    found: FieldInfo | None = None
    for part in where:
        fields: Mapping[str, FieldInfo] = getattr(found.annotation if found else model, "model_fields", {})
        found = fields.get(part)
        if found is None:
            return None
    return found
