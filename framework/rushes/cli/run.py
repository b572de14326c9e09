"""`run` and `submit`: from arguments or a job file to a batch, followed or left to itself.

This module must not know how options are parsed or progress is drawn.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.command import FunctionCommand, asked
from rushes.cli.dispatch import options_from
from rushes.cli.session import Session
from rushes.cli.show import counted, displacement_lines
from rushes.errors import CallerError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.function import Function, Options, Params
    from rushes.ports import Engine
    from rushes.runtime.inputs import Found

__all__ = ["Work", "run", "submit"]

# Classes for which others stand aside.
_SWARMS: Final = frozenset({"interactive", "urgent"})


@dataclass(frozen=True, slots=True)
class Work:
    """What the command line asks for, validated."""

    function: Function[Any, Any]
    params: Params
    options: Options
    found: Iterator[Found]
    title: str
    chosen_format: str | None = None


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
    work = _work(ctx, given)
    if given["dry_run"] or given["print_command"]:
        _only_show(work, commands=given["print_command"], as_json=given["json"])
        return
    # Imported here: `submit`, and a dry run, follow nothing.
    from rushes.cli.follow import Sending, follow_batch, report  # noqa: PLC0415
    from rushes.cli.sinks import sink_for  # noqa: PLC0415

    engine = session.engine(work.options.engine)
    batch, invocations = _open(engine, work)
    sink = sink_for(
        work.function, as_json=given["json"], chosen=work.chosen_format, terminal=session.prints_to_terminal
    )
    sending = Sending(engine, batch, invocations)
    sending.start()
    outcome = follow_batch(session, engine, batch, sink, sending=sending)
    out = work.options.out if work.function.makes_outputs else None
    quiet = given["json"] and not session.watched
    code = report(outcome, batch=batch, function=_title(work), out=out, quiet=quiet)
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
    work = _work(ctx, given)
    if given["dry_run"] or given["print_command"]:
        _only_show(work, commands=given["print_command"], as_json=given["json"])
        return
    engine = session.engine(work.options.engine)
    batch, invocations = _open(engine, work)
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
    click.echo(f"{counted(total, 'invocation')} of {_title(work)} sent: rushes follow {batch}", err=True)


# -- from the command line to work ------------------------------------------------------------------------


def _work(ctx: click.Context, given: dict[str, Any]) -> Work:
    """Everything that can be wrong with a command line is found here, before a batch is opened.

    Raises:
        CallerError: an option, an input or the place for outputs is wrong.
    """
    from rushes.cli.function_options import layered  # noqa: PLC0415
    from rushes.cli.job import load_preset  # noqa: PLC0415 - what follows is paid for by every `run`
    from rushes.cli.options import values_of  # noqa: PLC0415
    from rushes.runtime.inputs import expand, limited  # noqa: PLC0415

    found = asked(ctx)
    function, job = found.function, found.job
    inputs: Sequence[str] = given["inputs"]
    if not inputs and job is None:
        raise click.UsageError("INPUT is missing: name a file, a folder, a manifest, or -.", ctx)
    values: dict[str, Any] = dict(job.params) if job else {}
    for preset in given["params"]:
        values = layered(function, values, load_preset(preset))
    values = layered(function, values, values_of(ctx, found.fields))
    dispatch = dict(job.dispatch) if job else {}
    dispatch |= {k: v for k, v in given.items() if v is not None and v != ()}
    options = options_from(dispatch, function.options)
    params = function.params(None, **values)
    if function.makes_outputs and options.out is None:
        raise CallerError(
            f"{function.name} makes files, and no place for them is given.",
            code="no-out",
            fix="Add --out DIR.",
        )
    unused = [f"--{name}" for name in ("out", "name", "receipts") if dispatch.get(name) is not None]
    if not function.makes_outputs and unused:
        are = "is" if len(unused) == 1 else "are"
        click.echo(f"note: {function.name} makes no files: {', '.join(unused)} {are} not used.", err=True)
    stream = expand(
        inputs or (job.inputs if job else ()),
        out=options.out if function.makes_outputs else None,
        base=job.folder if job and not inputs else None,
    )
    if dispatch.get("frames"):
        from rushes.media.spans import Span  # noqa: PLC0415 - seldom asked for

        function.require_ranges()
        span = Span.parse(str(dispatch["frames"]))
        stream = (limited(one, span) for one in stream)
    # The first clip is looked for now, so that a folder without media opens no batch.
    first = list(itertools.islice(stream, 1))
    return Work(
        function,
        params,
        options,
        itertools.chain(first, stream),
        title=given["function"] if job is None else job.function,
        chosen_format=given.get("format"),
    )


def _open(engine: Engine, work: Work) -> tuple[str, Iterator[Any]]:
    from rushes.runtime.submission import batch_spec, invocations  # noqa: PLC0415 - only when it is sent

    spec = batch_spec(work.function, work.options, work.params, title=_title(work))
    batch = engine.open(spec)
    return batch, invocations(work.function, work.options, work.params, work.found)


def _title(work: Work) -> str:
    return work.function.name if "/" in work.title or ".py" in work.title else work.title


# -- without sending --------------------------------------------------------------------------------------


def _only_show(work: Work, *, commands: bool, as_json: bool) -> None:
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
    click.echo(f"would send {counted(total, 'invocation')} of {_title(work)}{note}", err=True)
