"""From a command line, or a job file, to work: everything validated, the clips found.

This module must not know what is done with it: sent, listed or quoted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.command import asked
from rushes.cli.dispatch import options_from
from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.function import Function, Options, Params
    from rushes.keepers import ObjectKeeper
    from rushes.runtime.sources.inputs import Found

__all__ = ["WorkAsked", "work_asked"]


@dataclass(frozen=True, slots=True)
class WorkAsked:
    """What the command line asks for, validated."""

    function: Function[Any, Any]
    params: Params
    options: Options
    found: Iterator[Found]
    title: str
    chosen_format: str | None = None
    quote: Mapping[str, Any] | None = None
    """What it was quoted, to be kept with its batch."""

    @property
    def name(self) -> str:
        """What people call the function; a path is no name, nor is the module that it is in."""
        is_name = not any(mark in self.title for mark in ("/", ".py", ":"))
        return self.title if is_name else self.function.name


def work_asked(ctx: click.Context, given: dict[str, Any], *, sent: bool = True) -> WorkAsked:
    """Everything that can be wrong with a command line is found here, before a batch is opened.

    Args:
        ctx: of the command, a `FunctionCommand`.
        given: its options by name.
        sent: the work is to be sent, so outputs need a place.

    Raises:
        CallerError: an option, an input or the place for outputs is wrong.
    """
    from rushes.cli.function_options import layered  # noqa: PLC0415
    from rushes.cli.job import load_preset  # noqa: PLC0415 - what follows is paid for by every `run`
    from rushes.cli.options import values_of  # noqa: PLC0415
    from rushes.runtime.sources.inputs import expand, limited  # noqa: PLC0415

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
    if sent and function.makes_outputs and options.out is None:
        raise CallerError(
            f"{function.name} makes files, and no place for them is given.",
            code="no-out",
            fix="Add --out DIR.",
        )
    unused = [f"--{name}" for name in ("out", "name", "receipts") if dispatch.get(name) is not None]
    if not function.makes_outputs and unused:
        are = "is" if len(unused) == 1 else "are"
        click.echo(f"note: {function.name} makes no files: {', '.join(unused)} {are} not used.", err=True)
    named, out = inputs or (job.inputs if job else ()), options.out if function.makes_outputs else None
    objects = _object_keeper(ctx, options.engine)
    if objects is not None:
        stream = objects.find(named, out=out)
    else:
        stream = expand(named, out=out, base=job.folder if job and not inputs else None)
    if dispatch.get("frames"):
        from rushes.media.describing.spans import Span  # noqa: PLC0415 - seldom asked for

        function.require_ranges()
        span = Span.parse(str(dispatch["frames"]))
        stream = (limited(one, span) for one in stream)
    # The first clip is looked for now, so that a folder without media opens no batch.
    first = list(itertools.islice(stream, 1))
    return WorkAsked(
        function,
        params,
        options,
        itertools.chain(first, stream),
        title=given["function"] if job is None else job.function,
        chosen_format=given.get("format"),
    )


def _object_keeper(ctx: click.Context, engine: str) -> ObjectKeeper | None:
    """The engine that is asked for, where its clips are not files of this machine."""
    if engine == "local":
        return None
    from rushes.keepers import ObjectKeeper  # noqa: PLC0415 - seldom

    found: Any = ctx.obj.engine(engine)
    return found if isinstance(found, ObjectKeeper) else None
