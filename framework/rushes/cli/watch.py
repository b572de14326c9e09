"""`watch`: clips that come into a folder are sent, once each, as soon as they have been left alone.

What is a clip, and when it may start, is decided elsewhere; here is the loop. This module must not know how
work is followed: `rushes list` and `rushes events` tell of what was sent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.command import FunctionCommand, asked
from rushes.cli.dispatch import dispatch_options, options_from
from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.errors import CallerError, PlatformError
from rushes.printing import printable
from rushes.units import parse_duration

if TYPE_CHECKING:
    from rushes.cli.work import WorkAsked
    from rushes.core.folder_watch import FolderWatch
    from rushes.runtime.sources.folder import Folder, Sent
    from rushes.triggers import OnFolder

__all__ = ["watch"]

_OTHERS: Final = frozenset(
    {"quote", "dry_run", "print_command", "json", "after", "on_failure", "deadline", "frames"}
)
"""Options of `run` that mean nothing where clips come one by one."""
AT_ONCE: Final = 500
"""Clips in one batch, so that a full folder does not wait for its last clip."""


class _WatchCommand(FunctionCommand):
    def own_options(self) -> list[click.Option]:
        own = [one for one in dispatch_options() if one.name not in _OTHERS]
        return [
            *own,
            click.Option(
                ["--kinds"],
                type=click.Choice(["any", "video", "audio", "image"]),
                help="Only these, by extension.",
            ),
            click.Option(["--ready"], metavar="WHAT", help="object, sidecar:.xml or manifest:NAME.csv."),
            click.Option(
                ["--every"], default="2s", show_default=True, metavar="TIME", help="From look to look."
            ),
            click.Option(["--once"], is_flag=True, help="End when all that is there was sent."),
        ]


@dataclass(slots=True)
class _Watched:
    """One folder, with what is done about its clips."""

    folder: Folder
    state: FolderWatch
    sent: Sent
    work: WorkAsked
    missing: str = ""


@click.command(cls=_WatchCommand)
@click.pass_context
def watch(ctx: click.Context, /, **given: Any) -> None:
    """Send FUNCTION for every clip that comes into a folder, until Ctrl-C.

    INPUT is one folder or several; without one, those that the function declares with on_folder. A clip is
    sent once it has not changed for --settle (10s), and never again unless it changes: also not by a watch
    that is started tomorrow. Outputs are no clips.
    """
    session: Session = ctx.obj
    every_s = parse_duration(given["every"])
    watched = _all_watched(ctx, given)
    engine = session.engine(watched[0].work.options.engine)
    for one in watched:
        settle = f"{one.folder.settle_s:g} s"
        click.echo(
            f"watching {printable(one.folder.place)} for {one.work.name}, settled for {settle}", err=True
        )
    while True:
        busy = False
        for one in watched:
            busy |= _look(engine, one, forgiving=not given["once"])
        if given["once"] and not busy:
            return
        time.sleep(every_s)


def _look(engine: Any, one: _Watched, *, forgiving: bool) -> bool:
    """One look at a folder; whether something of it has still to be sent.

    Args:
        engine: that it is sent to.
        one: the folder.
        forgiving: what cannot be had now may come back: it is told, and looked at again.
    """
    try:
        there = one.folder.there()
        ready = one.state.look(there, time.monotonic(), lambda name: one.folder.needs(name, there))
        while ready:
            _send(engine, one, ready[:AT_ONCE])
            ready = ready[AT_ONCE:]
    except (CallerError, PlatformError) as error:  # the folder, or the worker, may come back
        if not forgiving:
            raise
        if error.message != one.missing:
            click.echo(f"{printable(error.message)} It is looked at again.", err=True)
        one.missing = error.message
        return False
    one.missing = ""
    return one.state.waits


def _send(engine: Any, one: _Watched, names: list[str]) -> None:
    from rushes.cli.run import opened  # noqa: PLC0415 - what is sent

    found = [one.folder.clip(name) for name in names]
    batch, invocations = opened(engine, replace(one.work, found=iter(found)))
    try:
        engine.submit(batch, invocations)
    except BaseException:  # also Ctrl-C: it is sent whole, or not at all
        engine.cancel(batch)
        raise
    engine.seal(batch)
    one.sent.add([(name, one.state.give(name)) for name in names])
    what = printable(names[0].rpartition("/")[2]) if len(names) == 1 else counted(len(names), "clip")
    click.echo(f"{batch}  {what}")


def _all_watched(ctx: click.Context, given: Mapping[str, Any]) -> list[_Watched]:
    """Every folder that is asked for, or declared.

    Raises:
        CallerError: there is none, or outputs have no place.
    """
    from rushes.triggers import OnFolder, on_folder  # noqa: PLC0415 - with the function

    function = asked(ctx).function
    said = {name: given[name] for name in ("kinds", "ready") if given.get(name)}
    if given["inputs"]:
        settle = given.get("settle") or "10s"
        triggers = [on_folder(place, settle=settle, **said) for place in given["inputs"]]
    else:
        triggers = [one for one in function.triggers if isinstance(one, OnFolder)]
    if not triggers:
        raise CallerError(
            f"{function.name} declares no folder, and none is given.",
            code="no-input",
            fix="Name a folder, or declare it: triggers=[on_folder(…)].",
        )
    return [_watched(ctx, given, trigger, declared=not given["inputs"]) for trigger in triggers]


def _watched(ctx: click.Context, given: Mapping[str, Any], trigger: OnFolder, *, declared: bool) -> _Watched:
    from rushes.cli.function_options import layered  # noqa: PLC0415 - a function is at hand
    from rushes.cli.job import load_preset  # noqa: PLC0415 - as above
    from rushes.cli.options import values_of  # noqa: PLC0415 - as above
    from rushes.cli.work import WorkAsked  # noqa: PLC0415 - as above
    from rushes.core.folder_watch import FolderWatch  # noqa: PLC0415 - as above
    from rushes.runtime.configuration.settings import settings_from  # noqa: PLC0415 - as above
    from rushes.runtime.sources.folder import Folder, Sent  # noqa: PLC0415 - as above

    found = asked(ctx)
    function = found.function
    values: dict[str, Any] = {}
    for preset in given["params"]:
        values = layered(function, values, load_preset(preset))
    values = layered(function, values, values_of(ctx, found.fields))
    own: dict[str, Any] = {}
    if declared:
        own = {"out": trigger.out or None, "show": trigger.show, "priority": trigger.priority}
    dispatch = own | {k: v for k, v in given.items() if v is not None and v != () and k != "settle"}
    options = options_from({k: v for k, v in dispatch.items() if v is not None}, function.options)
    if function.makes_outputs and options.out is None:
        raise CallerError(
            f"{function.name} makes files, and no place for them is given.",
            code="no-out",
            fix="Add --out DIR.",
        )
    out = options.out if function.makes_outputs else None
    folder = Folder(trigger, out)
    params = function.params(None, **values)
    sent = Sent(
        settings_from(os.environ).home,
        [function.ref, function.version, folder.place, out or "", params.model_dump_json()],
    )
    work = WorkAsked(function, params, options, iter(()), title=given["function"])
    return _Watched(folder, FolderWatch(trigger.settle_s, sent.read()), sent, work)
