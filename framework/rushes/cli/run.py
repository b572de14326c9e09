"""`run` and `submit`: from arguments or a job file to a batch, followed or left to itself.

This module must not know how options are parsed or progress is drawn.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.command import FunctionCommand
from rushes.cli.session import Session
from rushes.cli.show import counted, displacement_lines
from rushes.cli.work import WorkAsked, work_asked
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.ports import Engine

__all__ = ["opened", "run", "submit"]

# Classes for which others stand aside.
_SWARMS: Final = frozenset({"interactive", "urgent"})


@click.command(cls=FunctionCommand)
@click.pass_context
def run(ctx: click.Context, /, **given: Any) -> None:
    """Run FUNCTION on every clip that INPUT names, follow it, and say what came of it.

    INPUT is a file, a sequence pattern (plate.[1001-1096].exr), a folder, a glob, a manifest (.txt, .csv,
    .jsonl), or - for standard input. FUNCTION is an installed name, package.module:name or ./file.py:name,
    several of them joined by +, which then share one reading of each clip,
    or a job.yaml that says it all.
    """
    session: Session = ctx.obj
    work = work_asked(ctx, given)
    if given["dry_run"] or given["print_command"]:
        _only_show(
            _quoted(session.engine(work.options.engine), work, given),
            commands=given["print_command"],
            as_json=given["json"],
        )
        return
    # Imported here: `submit`, and a dry run, follow nothing.
    from rushes.cli.follow import follow_batch, report  # noqa: PLC0415
    from rushes.cli.sending import Sending  # noqa: PLC0415
    from rushes.cli.sinks import sink_for  # noqa: PLC0415

    engine = session.engine(work.options.engine)
    work = _quoted(engine, work, given)
    batch, invocations = opened(engine, work)
    session.sent(batch)
    _note_free(engine, work)
    sink = sink_for(
        work.function, as_json=given["json"], chosen=work.chosen_format, terminal=session.prints_to_terminal
    )
    sending = Sending(engine, batch, invocations)
    sending.start()
    outcome = follow_batch(session, engine, batch, sink, sending=sending)
    out = work.options.out if work.function.makes_outputs else None
    quiet = given["json"] and not session.watched
    code = report(outcome, batch=batch, function=work.name, out=out, quiet=quiet)
    if work.options.priority in _SWARMS and not quiet:
        for line in displacement_lines(engine.status(batch).displacement):
            click.echo(f"  {line}", err=True)
    ctx.exit(code)


@click.command(cls=FunctionCommand)
@click.pass_context
def submit(ctx: click.Context, /, **given: Any) -> None:
    """Send work and return at once: FUNCTION and INPUT as for `run`, or a job.yaml.

    It prints the batch's name; `rushes follow BATCH` watches it.
    """
    session: Session = ctx.obj
    work = work_asked(ctx, given)
    if given["dry_run"] or given["print_command"]:
        _only_show(work, commands=given["print_command"], as_json=given["json"])
        return
    engine = session.engine(work.options.engine)
    work = _quoted(engine, work, given)
    batch, invocations = opened(engine, work)
    session.sent(batch)
    _note_free(engine, work)
    try:
        total = engine.submit(batch, invocations)
    except BaseException:  # also Ctrl-C: half a list is not what was asked for
        engine.cancel(batch)
        raise
    engine.seal(batch)
    if given["json"]:
        click.echo(json.dumps({"schema": 1, "batch": batch, "invocations": total}))
        return
    click.echo(batch)
    click.echo(f"{counted(total, 'invocation')} of {work.name} sent: rushes follow {batch}", err=True)


def _quoted(engine: Engine, work: WorkAsked, given: Mapping[str, Any]) -> WorkAsked:
    """The same work with what it is quoted, where that is asked for; its clips are then all looked for."""
    if not given["quote"]:
        return work
    from rushes.cli.quote import quote_lines, quoted  # noqa: PLC0415 - the media stack
    from rushes.runtime.sending.quoting import kept_quote  # noqa: PLC0415

    found = list(work.found)
    made = quoted(engine, replace(work, found=iter(found)))
    if not given["json"]:
        for line in quote_lines(made, time.time()):
            click.echo(line, err=True)
    return replace(work, found=iter(found), quote=kept_quote(made.to_json()))


def opened(engine: Engine, work: WorkAsked) -> tuple[str, Iterator[Any]]:
    """A batch for some work, and its invocations, unsent."""
    from rushes.keepers import ObjectKeeper  # noqa: PLC0415 - only when it is sent
    from rushes.runtime.sending.submission import batch_spec, invocations  # noqa: PLC0415 - likewise

    asked = (work.function, work.options, work.params)
    objects = engine if isinstance(engine, ObjectKeeper) else None
    spec = (objects.spec_of if objects else batch_spec)(*asked, title=work.name)
    if work.quote is not None:
        spec = replace(spec, quote=work.quote)
    batch = engine.open(spec)
    return batch, (objects.invocations if objects else invocations)(*asked, work.found)


def _note_free(engine: Engine, work: WorkAsked) -> None:
    """A cap that cannot hold anything back is no cap: say so."""
    if work.options.max_cost is None:
        return
    from rushes.cli.budget import price_note  # noqa: PLC0415 - only with a cap
    from rushes.keepers import BudgetKeeper  # noqa: PLC0415

    if isinstance(engine, BudgetKeeper) and (note := price_note(engine.budgets())):
        click.echo(note, err=True)


# -- without sending --------------------------------------------------------------------------------------


def _only_show(work: WorkAsked, *, commands: bool, as_json: bool) -> None:
    """List what would be sent, with what is wrong with it; sends nothing."""
    if commands:
        from rushes.cli.commands import print_commands  # noqa: PLC0415 - the media stack

        print_commands(work)
        return
    total = bad = 0
    for one in work.found:
        total += 1
        bad += one.problem is not None
        message = str((one.problem or {}).get("message", ""))
        if as_json:
            row = {"asset": one.asset.uri, "subdir": one.subdir, "params": one.params, "problem": one.problem}
            click.echo(json.dumps(row))
        else:
            mark = click.style(f"  ✗ {printable(message)}", fg="red") if message else ""
            click.echo(f"{printable(str(one.asset))}{mark}")
    note = f", {bad:,} of them cannot be used" if bad else ""
    click.echo(f"would send {counted(total, 'invocation')} of {work.name}{note}", err=True)
