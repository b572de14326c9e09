"""The log of a host of an environment, as a person at a terminal reads it: a line an event.

This module must not know which events there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from rushes.core.money import format_dollars
from rushes.printing import printable

__all__ = ["host_line", "tell_person"]

_WIDTH: Final = 9
"""Of ``succeeded``."""


def tell_person(what: str, more: Mapping[str, Any]) -> None:
    """Print what happened on a host just now."""
    clock = time.strftime("%H:%M:%S")
    bad = "error" in more or what == "failed"
    click.echo(f"{clock}  {click.style(host_line(what, more), fg='red') if bad else host_line(what, more)}")


def host_line(what: str, more: Mapping[str, Any]) -> str:
    """What happened, and to what, in one line.

    Args:
        what: ``succeeded``, ``rests`` …
        more: facts by name, as the log has them.
    """
    facts = " · ".join(printable(one) for one in _facts(more) if one)
    return f"{printable(what):<{_WIDTH}}  {facts}".rstrip()


def _facts(more: Mapping[str, Any]) -> Iterator[str]:
    for name, value in more.items():
        if name == "cost_usd":
            yield format_dollars(round(value * 1e9))
        elif name == "error" and isinstance(value, Mapping):
            yield " ".join(str(value[part]) for part in ("message", "fix") if value.get(part))
        elif name in {"invocation", "reason"}:  # which say themselves what they are
            yield str(value)
        else:
            yield f"{name} {value}"
