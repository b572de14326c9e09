"""`rushes events`: who is told of state changes, how far each has been told, and a test of the way to them.

This module must not know what an event says.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.session import Session
from rushes.cli.show import counted, table
from rushes.errors import CallerError, PlatformError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.core.sinks import Sink

__all__ = ["events"]


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each sink.")
@click.pass_context
def events(ctx: click.Context, /, *, as_json: bool) -> None:
    """Who is told of state changes, and how far each has been told (RUSHES_EVENTS names the file)."""
    if ctx.invoked_subcommand is not None:
        return
    session: Session = ctx.obj
    sinks = _sinks()
    engine = session.engine()
    running = engine.running()
    told = {one["name"]: one for one in engine.pool().get("events") or ()} if running else {}
    wrong = _problems(sinks)
    if as_json:
        for one in told.values() or map(_unstarted, sinks):
            click.echo(json.dumps({**one, "problem": wrong.get(one["name"], "")}))
        return
    if not sinks and not told:
        click.echo("nobody is told of state changes; RUSHES_EVENTS names a file of sinks")
        return
    rows = [_row(one) for one in (list(told.values()) or [_unstarted(sink) for sink in sinks])]
    click.echo(table(["sink", "to", "told", "waiting", "dropped", ""], rows, right=frozenset({2, 3, 4})))
    for name, problem in wrong.items():
        click.echo(click.style(printable(f"{name}: {problem}"), fg="yellow"))
    if not running:
        click.echo("no worker runs; the next one tells what waits")
    elif set(told) != {sink.name for sink in sinks}:
        click.echo("the worker started with another file: `rushes drain`, and the next one reads this one")


def _sinks() -> list[Sink]:
    from rushes.runtime.configuration.event_file import event_sinks  # noqa: PLC0415 - pydantic, and only here

    return event_sinks(os.environ)


def _problems(sinks: list[Sink]) -> dict[str, str]:
    """What is wrong with the way to each sink, as far as this machine can see."""
    from rushes.runtime.configuration.event_file import problem_of  # noqa: PLC0415 - as above

    return {sink.name: problem for sink in sinks if (problem := problem_of(sink))}


def _unstarted(sink: Sink) -> dict[str, Any]:
    return {"name": sink.name, "to": _to(sink), "events": sorted(sink.kinds)}


def _to(sink: Sink) -> str:
    from rushes.media.running.redact import redact  # noqa: PLC0415 - as above

    return redact(sink.url) or sink.command[0]


def _row(one: dict[str, Any]) -> list[str]:
    figures = [f"{one[name]:,}" if name in one else "" for name in ("delivered", "waiting", "dropped")]
    state = ""
    if one.get("error"):
        again = max(float(one["next_at"]) - time.time(), 0.0)
        when = f"again in {again:.0f} s" if one["tries"] else "given up"
        state = f"{one['error']} ({counted(one['tries'], 'try', 'tries')}, {when})"
    return [one["name"], one["to"], *figures, state]


@events.command("test", short_help="Send one event of type rushes.test to sinks.")
@click.argument("names", nargs=-1, metavar="[SINK]...")
def test_(names: tuple[str, ...]) -> None:
    """Send one event of type rushes.test to all sinks, or to those named, and say what came of it."""
    from rushes.runtime.telling.state_event import TEST, envelope  # noqa: PLC0415 - only here
    from rushes.runtime.telling.teller import deliver  # noqa: PLC0415

    sinks = _sinks()
    if not sinks:
        raise CallerError(
            "there are no sinks.", code="no-sinks", fix="Set RUSHES_EVENTS to a file that names some."
        )
    unknown = set(names) - {sink.name for sink in sinks}
    if unknown:
        raise CallerError(
            f"there is no sink {min(unknown)!r}.",
            code="not-found",
            fix=f"The file has {', '.join(sink.name for sink in sinks)}.",
        )
    bad = 0
    for sink in sinks:
        if names and sink.name not in names:
            continue
        event = envelope(TEST, "test", time.time(), {"text": "Rushes can reach you."})
        answer = deliver(asdict(sink), f"msg_test_{int(time.time() * 1000)}", [event])
        bad += bool(answer.error)
        click.echo(f"{sink.name}: {answer.error or 'taken'}")
    if bad:
        raise PlatformError(
            f"{counted(bad, 'sink')} did not take it.", code="not-delivered", fix="See the reasons above."
        )
