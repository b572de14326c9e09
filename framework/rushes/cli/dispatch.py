"""The dispatch options that `run` and `submit` share: how work is sent, never what its result is.

This module must not know functions or their options.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.class_name import ClassName, check_class
from rushes.errors import CallerError
from rushes.units import parse_duration

if TYPE_CHECKING:
    from rushes.function import Options

__all__ = ["day_note", "deadline_of", "dispatch_options", "options_from"]

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})")


class _Usd(click.ParamType[str]):
    """An amount such as 40, $40 or 0.25, as it was written: options of a batch have it so."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from rushes.core.money import parse_dollars  # noqa: PLC0415 - only with a cap

        try:
            parse_dollars(str(value))
        except CallerError as error:
            self.fail(error.message, param, ctx)
        return str(value)


def dispatch_options() -> list[click.Option]:
    """A fresh option for each, in the order of the help."""
    return [
        click.Option(["--out"], metavar="DIR_OR_URI", help="Where outputs go; the tree below INPUT is kept."),
        click.Option(["--priority"], type=ClassName(), help="Class.  [default: standard]"),
        click.Option(["--show"], metavar="NAME", help="The production that it is for.  [default: default]"),
        click.Option(["--deadline"], metavar="T", help="2h, 18:30, or 2026-03-01T18:30; the earliest first."),
        click.Option(
            ["--max-cost"],
            type=_Usd(),
            metavar="USD",
            help="Spend no more on the batch: what does not fit is held.",
        ),
        click.Option(["--tag"], multiple=True, metavar="K=V", help="A note on the batch.  [repeatable]"),
        click.Option(["--name"], metavar="TEMPLATE", help="Output names, e.g. '{stem}_{height}p{ext}'."),
        click.Option(["--receipts"], metavar="beside|DIR|none", help="Where receipts go.  [default: beside]"),
        click.Option(
            ["--slots"], type=click.IntRange(min=1), metavar="N", help="Use at most so many slots at once."
        ),
        click.Option(
            ["--exclusive"],
            metavar="TEMPLATE",
            help="One at a time of each key, e.g. '{folder}' or '{show}'.",
        ),
        click.Option(["--force"], is_flag=True, default=None, help="Do again what is known already."),
        click.Option(
            ["--settle"], metavar="TIME", help="Wait until a source has not changed for so long, e.g. 10s."
        ),
        click.Option(
            ["--frames"], metavar="START-STOP", help="Frames or timecodes of each clip; STOP is left out."
        ),
        click.Option(
            ["--after"], multiple=True, metavar="BATCH[.N]", help="Start once that has ended.  [repeatable]"
        ),
        click.Option(
            ["--on-failure"],
            type=click.Choice(["cancel", "run"]),
            help="When what it waits for fails.  [default: cancel]",
        ),
        click.Option(
            ["--params"],
            multiple=True,
            metavar="FILE",
            type=click.Path(dir_okay=False),
            help="A preset: options of the function from a YAML or JSON file.  [repeatable]",
        ),
        click.Option(["--engine"], metavar="local|aws:ENV", help="Where it runs.  [default: local]"),
        click.Option(["--quote"], is_flag=True, help="First say what it will take; `status` compares."),
        click.Option(["--dry-run"], is_flag=True, help="List what would be sent, and send nothing."),
        click.Option(["--print-command"], is_flag=True, help="Print the commands that it would run."),
        click.Option(["--json"], is_flag=True, help="One JSON object a line, as invocations end."),
    ]


def options_from(given: Mapping[str, Any], base: Options, *, now: float | None = None) -> Options:
    """The function's dispatch options with those that were given.

    Args:
        given: values by the names of `dispatch_options` (``after``, ``tag``, …); None is not given.
        base: those of the function itself.
        now: UTC epoch seconds that a deadline is counted from.

    Raises:
        CallerError: a value cannot be read.
        click.BadParameter: this machine has no such class.
    """
    from dataclasses import replace  # noqa: PLC0415 - with the function, whose module has it loaded

    changes: dict[str, Any] = {
        name: given[name]
        for name in (
            "priority",
            "show",
            "name",
            "receipts",
            "slots",
            "exclusive",
            "force",
            "engine",
            "on_failure",
            "max_cost",
        )
        if given.get(name) is not None
    }
    if given.get("priority") is not None:
        check_class(str(given["priority"]), str(changes.get("engine", base.engine)))
    if given.get("out") is not None:
        changes["out"] = _out(str(given["out"]))
    if "receipts" in changes and changes["receipts"] not in {"beside", "none"}:
        changes["receipts"] = os.path.abspath(os.path.expanduser(changes["receipts"]))  # noqa: PTH100, PTH111
    if given.get("deadline") is not None:
        since = time.time() if now is None else now
        changes["deadline"] = deadline_of(str(given["deadline"]), since)
        if note := day_note(str(given["deadline"]), changes["deadline"], since):
            click.echo(note, err=True)
    if given.get("settle") is not None:
        changes["settle_s"] = parse_duration(given["settle"])
    if given.get("tag"):
        from rushes.options import check_tags  # noqa: PLC0415 - few say

        changes["tags"] = {**base.tags, **dict(_tag(text) for text in given["tag"])}
        check_tags(changes["tags"])
    if given.get("after"):
        changes["after"] = tuple(given["after"])
    return replace(base, **changes)


def _out(text: str) -> str:
    if "://" in text[:12]:
        return text
    if not text:
        raise CallerError("--out is empty.", code="bad-value", fix="Name a folder.")
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - a link stays a link


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CallerError(f"tag {text!r} is no K=V.", code="bad-value", fix="Write --tag reel=A001.")
    return key, value


def deadline_of(text: str, now: float) -> float:
    """UTC epoch seconds of ``2h`` (from now), ``18:30`` (local, the next one) or an ISO date and time.

    Raises:
        CallerError: it is none of these, or has passed.
    """
    clock = _CLOCK.fullmatch(text)
    try:
        if clock:
            start = datetime.fromtimestamp(now).astimezone()
            due = start.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
            return (due if due.timestamp() > now else due + timedelta(days=1)).timestamp()
        if "-" in text:
            when = datetime.fromisoformat(text)
            found = (when if when.tzinfo else when.astimezone()).timestamp()
        else:
            found = now + parse_duration(text.lstrip("+"))
    except (ValueError, CallerError) as error:
        raise CallerError(
            f"{text!r} is no deadline.", code="bad-value", fix="Write 2h, 18:30 or 2026-03-01T18:30."
        ) from error
    if found <= now:
        raise CallerError(f"the deadline {text} has passed.", code="bad-value", fix="Give a later one.")
    return found


def day_note(text: str, due: float, now: float) -> str:
    """Says which day is meant by an hour that has passed today; "" where there is nothing to say."""
    when = datetime.fromtimestamp(due).astimezone()
    if not _CLOCK.fullmatch(text) or when.date() == datetime.fromtimestamp(now).astimezone().date():
        return ""
    return f"note: {text} has passed today; {when:%A %d %B, %H:%M} is meant."
