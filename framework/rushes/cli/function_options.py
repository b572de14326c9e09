"""The options of a function on a command line; of several that run together, those of each under its name.

``--proxy-height`` is the height of `proxy`; where no other of them has such an option, ``--height`` is too.
This module must not know how a field becomes an option.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes.cli.options import FieldOption, nested_fields, options_of
from rushes.joint import Joint

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["layered", "nested_for", "options_for"]


def options_for(function: Function[Any, Any]) -> list[FieldOption]:
    """One option a field that can be written on a command line, in the order of the models."""
    if not isinstance(function, Joint):
        return options_of(function.params_model)
    count = Counter(name for member in function.members for name in member.params_model.model_fields)
    return [
        option.of_member(member.name, is_alone=count[option.field] == 1)
        for member in function.members
        for option in options_of(member.params_model)
    ]


def nested_for(function: Function[Any, Any]) -> list[str]:
    """The fields that a preset file alone can set."""
    if not isinstance(function, Joint):
        return nested_fields(function.params_model)
    return [f"{one.name}.{field}" for one in function.members for field in nested_fields(one.params_model)]


def layered(
    function: Function[Any, Any], base: Mapping[str, Any], upper: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of `base` with those of `upper` over them; of several functions, function by function."""
    if not isinstance(function, Joint):
        return {**base, **upper}
    found = dict(base)
    for name, options in upper.items():
        below = found.get(name)
        is_over = isinstance(below, Mapping) and isinstance(options, Mapping)
        found[name] = {**(below or {}), **options} if is_over else options
    return found
