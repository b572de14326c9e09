"""The name of a priority class on a command line: one that ships, or of the file that `RUSHES_CLASSES` names.

This module must not know what a class may do.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from rushes.invocation import PRIORITIES

__all__ = ["ClassName"]


class ClassName(click.Choice[str]):
    """A choice of the classes that there are."""

    def __init__(self) -> None:
        super().__init__(PRIORITIES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(click.Choice(_names()).convert(value, param, ctx))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return click.Choice(_names()).shell_complete(ctx, param, incomplete)


def _names() -> tuple[str, ...]:
    if not os.environ.get("RUSHES_CLASSES"):
        return PRIORITIES
    from rushes.runtime.configuration.class_file import classes_of  # noqa: PLC0415 - only where there is such a file

    return tuple(one.name for one in classes_of(os.environ))
