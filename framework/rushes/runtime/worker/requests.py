"""Requests at the worker's door: what has the wrong shape is refused before anything acts on it.

Behind the door types are taken for granted: a wrong one would end the turn of all clients, and one that
reached the journal would end the next worker too. This module must not know what requests do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rushes.core.class_name import CLASS_NAME
from rushes.errors import CallerError

__all__ = ["check_header", "check_rows", "check_spec"]

_LARGEST: Final = 2**63 - 1
_LAST_N: Final = 2**32 - 1
_TEXTS: Final = ("batch", "invocation", "action", "priority", "level", "name")
_COUNTS: Final = ("after", "limit", "keep", "slots")
_SPANS: Final = ("wait_s", "older_s")

_NOTHING: Final = type(None)
_NUMBER: Final = (int, float)
_SPEC: Final[dict[str, tuple[type, ...]]] = {
    "function": (str,),
    "version": (str,),
    "params": (str,),
    "source_digest": (str,),
    "out": (str, _NOTHING),
    "priority": (str,),
    "show": (str,),
    "deadline": (*_NUMBER, _NOTHING),
    "tags": (dict,),
    "name": (str, _NOTHING),
    "receipts": (str,),
    "force": (bool,),
    "max_slots": (int, _NOTHING),
    "retries": (int,),
    "timeout_s": (*_NUMBER, _NOTHING),
    "stall_s": _NUMBER,
    "resources": (dict,),
    "environment": (dict,),
    "title": (str,),
    "settle_s": _NUMBER,
    "parent": (str,),
    "max_cost_nano": (int, _NOTHING),
    "lease": (int,),
    "quote": (dict, _NOTHING),
    "limits": (dict,),
}
_LIMITS: Final = frozenset({"cap", "hour_cap", "soft", "hour_soft"})
_REQUIRED: Final = ("function", "version", "priority", "show")
_TEXT_OR_NONE: Final = (str, _NOTHING)
# source, key, frames, params, subdir, tag, after, on_failure, problem, fingerprint, exclusive; the number is
# before.
_ROW: Final[tuple[tuple[type, ...], ...]] = (
    (str,),
    _TEXT_OR_NONE,
    (list, _NOTHING),
    _TEXT_OR_NONE,
    _TEXT_OR_NONE,
    _TEXT_OR_NONE,
    (list, _NOTHING),
    (str,),
    (dict, _NOTHING),
    _TEXT_OR_NONE,
    (list, _NOTHING),
)


def check_header(header: Mapping[str, Any]) -> None:
    """Refuse a header whose values are not of their kind; which are needed is the verb's matter.

    Raises:
        CallerError: says which value, and what it is.
    """
    for name in _TEXTS:
        if name in header:
            _require(isinstance(header[name], str) and _encodable(header[name]), name, header[name])
    for name in _COUNTS:
        if name in header:
            _require(type(header[name]) is int and 0 <= header[name] <= _LARGEST, name, header[name])
    for name in _SPANS:
        if name in header:
            _require(_is_number(header[name]) and header[name] >= 0, name, header[name])
    if "numbers" in header:
        numbers = header["numbers"]
        _require(isinstance(numbers, list) and all(map(_is_number_of_one, numbers)), "numbers", numbers)
    if "limits" in header:
        _check_limits(header["limits"])
    if "spec" in header:
        check_spec(header["spec"])


def _is_number_of_one(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LAST_N


def _check_limits(limits: Any) -> None:
    _require(isinstance(limits, dict) and set(limits) <= _LIMITS, "limits", limits)
    for name, nano in limits.items():
        _require(nano is None or (type(nano) is int and 0 <= nano <= _LARGEST), f"limits.{name}", nano)


def check_spec(spec: Any) -> None:
    """Refuse what is no `BatchSpec` as JSON; names that an older or newer client adds are let through.

    Raises:
        CallerError: says which value, and what it is.
    """
    _require(isinstance(spec, dict), "spec", spec)
    for name in _REQUIRED:
        _require(name in spec, f"spec.{name}", None)
    for name, kinds in _SPEC.items():
        if name in spec:
            _require(_is_of(spec[name], kinds), f"spec.{name}", spec[name])
    _require(CLASS_NAME.fullmatch(spec["priority"]), "spec.priority", spec["priority"])
    _require((spec.get("max_cost_nano") or 0) >= 0, "spec.max_cost_nano", spec.get("max_cost_nano"))
    for name, most in spec.get("limits", {}).items():
        _require(type(most) is int and most > 0, f"spec.limits.{name}", most)
    _require(spec.get("max_slots") is None or spec["max_slots"] > 0, "spec.max_slots", spec.get("max_slots"))
    for name, amount in spec.get("resources", {}).items():
        _require(_is_number(amount) and amount >= 0, f"spec.resources.{name}", amount)
    _require(isinstance(spec.get("environment", {}).get("digest", ""), str), "spec.environment.digest", "")


def check_rows(rows: Any) -> list[list[Any]]:
    """The rows of a submission, each number larger than the one before.

    Raises:
        CallerError: says which row.
    """
    _require(isinstance(rows, list), "rows", rows)
    last = 0
    for row in rows:
        _require(isinstance(row, list) and len(row) == len(_ROW) + 1, "row", row)
        number = row[0]
        _require(type(number) is int and last < number <= _LAST_N, "row's number", number)
        last = number
        for value, kinds in zip(row[1:], _ROW, strict=True):
            _require(isinstance(value, kinds), f"row {number}", value)
        for names in (row[7], row[11]):
            if names:
                _require(all(isinstance(one, str) for one in names), f"row {number}", names)
    checked: list[list[Any]] = rows
    return checked


def _is_of(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int | float):
        return isinstance(value, kinds) and _is_number(value)
    return isinstance(value, kinds)


def _is_number(value: Any) -> bool:
    """A finite one that the journal can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _LARGEST  # false of what is no number, too


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _require(holds: object, name: str, value: Any) -> None:
    if not holds:
        raise CallerError(
            f"the worker cannot make sense of {name} = {repr(value)[:200]}.",
            code="bad-request",
            fix="Send what this version of Rushes documents.",
        )
