"""The name of a priority class on a command line: one that ships, or of the file that `RUSHES_CLASSES` names.

An environment on AWS has classes of its own, which need not be in a file of this machine: a name that may
be one is taken as it stands, and whoever is asked for it says whether there is such a class. This module must
not know what a class may do.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from rushes.core.class_name import CLASS_NAME
from rushes.invocation import PRIORITIES

__all__ = ["ClassName", "check_class"]


class ClassName(click.Choice[str]):
    """A choice of the classes that there are here, or the name of one that may be elsewhere."""

    def __init__(self) -> None:
        super().__init__(PRIORITIES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if CLASS_NAME.fullmatch(str(value)):
            return str(value)
        return str(click.Choice(_names()).convert(value, param, ctx))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return click.Choice(_names()).shell_complete(ctx, param, incomplete)


def check_class(priority: str, engine: str) -> None:
    """Refuse a class that this machine does not have, for work on it; an environment on AWS says its own.

    Raises:
        click.BadParameter: it has none of that name.
    """
    if engine == "local" and priority not in (names := _names()):
        raise click.BadParameter(
            f"{priority!r} is not one of {', '.join(map(repr, names))}.", param_hint="'--priority'"
        )


def _names() -> tuple[str, ...]:
    if not os.environ.get("RUSHES_CLASSES"):
        return PRIORITIES
    from rushes.runtime.configuration.class_file import classes_of  # noqa: PLC0415 - only where there is such a file

    return tuple(one.name for one in classes_of(os.environ))
