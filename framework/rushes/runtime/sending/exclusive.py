"""Exclusive keys: from a template and one invocation to the key that no two may hold at a time.

``{stem}``, ``{name}``, ``{folder}`` and ``{path}`` are the source's, ``{show}`` is the show; the rest are
options of the function. This module must not know who waits for a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Formatter
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.function import Function
from rushes.joint import members_of

__all__ = ["Exclusive"]

OF_SOURCE: Final = ("stem", "name", "folder", "path", "show")
LONGEST: Final = 1024


class Exclusive:
    """The keys of one batch's invocations: those of its functions, and the one that it was sent with.

    Raises:
        CallerError: a template names what there is not.
    """

    def __init__(self, function: Function[Any, Any], params: Any, template: str | None, show: str) -> None:
        self._show = show
        found: list[
            tuple[str, str]
        ] = []  # with the function whose options it takes, where several run jointly
        for one, _ in members_of(function, params):
            joint = one.name if one is not function else ""
            if one.exclusive:
                found.append((one.exclusive, joint))
                _check(one.exclusive, f"{one.name} has exclusive=", one.params_model.model_fields)
        if template:
            found.append((template, ""))
            _check(template, "exclusive=", function.params_model.model_fields)
        self._templates = tuple(dict.fromkeys(found))

    def keys(self, source: Asset, params: Any) -> tuple[str, ...]:
        """The keys of one invocation."""
        if not self._templates:
            return ()
        path = PurePosixPath(source.uri)
        known = {
            "stem": source.stem,
            "name": source.name,
            "folder": path.parent.name,
            "path": source.uri,
            "show": self._show,
        }
        keys = []
        for template, member in self._templates:
            its = getattr(params, member) if member else params
            keys.append(template.format_map({**_options(its), **known})[:LONGEST])
        return tuple(dict.fromkeys(keys))


def _options(params: Any) -> Mapping[str, Any]:
    names = type(params).model_fields
    values = ((name, getattr(params, name, "")) for name in names)
    return {name: value.uri if isinstance(value, Asset) else value for name, value in values}


def _check(template: str, where: str, options: Mapping[str, Any]) -> None:
    try:
        fields = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise _bad(where, template, f"cannot be read: {error}", options) from error
    for name in fields:
        if name not in options and name not in OF_SOURCE:
            raise _bad(where, template, f"names {name!r}", options)


def _bad(where: str, template: str, why: str, options: Mapping[str, Any]) -> CallerError:
    return CallerError(
        f"{where}{template!r} {why}.",
        code="bad-value",
        fix=f"It can name {', '.join([*OF_SOURCE, *options])}, in braces.",
    )
