"""BATCH and BATCH.N on a command line: completed by a shell, ``last``, and what is meant where none is named.

This module must not know what is done with a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from rushes.cli.session import Session
from rushes.cli.show import counted, counts_line
from rushes.errors import CallerError, RushesError

if TYPE_CHECKING:
    from rushes.invocation import BatchStatus
    from rushes.ports import Engine

__all__ = [
    "BatchName",
    "batch_argument",
    "engine_option",
    "found_batch",
    "found_invocation",
    "meant",
    "whole",
]

LAST: Final = "last"
_PAGE: Final = 1000


class _Batch(click.Argument):
    """BATCH, which says where names of batches are to be had when it is missing."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter as error:
            said = "BATCH is missing: `rushes list` names them, and `last` is the newest."
            raise click.UsageError(said, ctx) from error


class BatchName(click.ParamType[str]):
    """The id of a batch; ``last`` is the newest."""

    name = "batch"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - the base class' signature
        incomplete: str,
    ) -> list[CompletionItem]:
        session = ctx.find_root().obj or Session()
        try:
            engine = session.engine()
            if not engine.running():
                return []
            batches = engine.batches(limit=50)
        except RushesError:  # a shell that completes has nobody to tell it to
            return []
        return [
            CompletionItem(b.batch, help=f"{b.title} {counts_line(b.counts)}")
            for b in batches
            if b.batch.startswith(incomplete)
        ]


def batch_argument(*, required: bool) -> Callable[[Any], Any]:
    """The argument BATCH; where it is not required, the newest batch is meant."""
    return click.argument("batch", cls=_Batch, type=BatchName(), required=required)


def engine_option() -> Callable[[Any], Any]:
    """The option ``--engine`` of commands that look at batches."""
    return click.option(
        "--engine",
        "engine_name",
        metavar="local|aws:ENV",
        help="Whose batches; a name like k7m2qx@dev says that by itself.",
    )


def meant(
    session: Session, name: str | None, engine_name: str | None, *, acts: bool = False
) -> tuple[Engine, str | None]:
    """The engine that has a batch, or one of its invocations, and its name there.

    ``last``, and nothing, is what this machine sent last, wherever it sent it; and with ``--engine aws:ENV``
    what it sent last there.

    Args:
        session: of the command.
        name: as it was written.
        engine_name: as it was asked for.
        acts: the command changes what it is about.

    Raises:
        CallerError: it acts on the newest batch of an environment that this machine has sent nothing to: that
            is somebody else's (``not-sent-here``).
    """
    if name is not None and name.partition(".")[0] != LAST:
        return session.engine_of(name, engine_name), name
    if sent := session.sent_last(engine_name):
        if name is None:
            click.echo(f"the newest batch, {sent}:", err=True)
        dot_number = "".join((name or LAST).partition(".")[1:])
        return session.engine_of(sent, engine_name), f"{sent}{dot_number}"
    if acts and engine_name not in {None, "local"}:
        raise CallerError(
            f"this machine has sent nothing to {engine_name}: its last batch is somebody else's.",
            code="not-sent-here",
            fix=f"Name the batch: `rushes list --engine {engine_name}`.",
        )
    return session.engine_of(name, engine_name), name


def found_batch(engine: Engine, batch: str | None) -> BatchStatus:
    """The status of a batch; an invocation's id stands for its batch, ``last`` for the newest.

    None, where no batch was named, is the newest, too, and standard error says which that is.

    Raises:
        CallerError: no such batch.
    """
    if batch is not None and batch != LAST:
        return engine.status(batch.partition(".")[0])
    newest = engine.batches(limit=1)
    if not newest:
        raise CallerError(
            "there is no batch yet.", code="not-found", fix="`rushes run FUNCTION INPUT` makes one."
        )
    if batch is None:
        click.echo(f"the newest batch, {newest[0].batch}:", err=True)
    return newest[0]


def found_invocation(engine: Engine, invocation: str | None) -> str:
    """The id of an invocation: ``last.N`` is one of the newest batch, BATCH the only one of it.

    Where no number is given and a batch has several, the only one that failed is meant.

    Raises:
        CallerError: no such batch; or it has several, and which is meant is not known.
    """
    name, dot, number = (invocation or LAST).partition(".")
    if dot and number.isdigit() and name != LAST:
        return f"{name}.{number}"
    if not name or (dot and not number.isdigit()):
        raise CallerError(
            f"{invocation!r} names no invocation, and there is no such file.",
            code="bad-value",
            fix="Write BATCH.N, such as last.1: `rushes results` lists those of the newest batch.",
        )
    batch = found_batch(engine, invocation and name)
    if dot:
        return f"{batch.batch}.{number}"
    if batch.counts.total == 1:
        return f"{batch.batch}.1"
    if batch.counts.failed == 1:
        return _only_failure(engine, batch.batch)
    raise CallerError(
        f"{batch.batch} has {counted(batch.counts.total, 'invocation')}: {counts_line(batch.counts)}.",
        code="bad-value",
        fix=f"Write {batch.batch}.N: `rushes results {batch.batch}` lists what has ended, "
        f"`rushes status {batch.batch}` what runs.",
    )


def _only_failure(engine: Engine, batch: str) -> str:
    seen = 0
    while page := engine.results(batch, after=seen, limit=_PAGE):
        seen = page[-1].seq
        for one in page:
            if one.state.value == "failed":
                return one.invocation
    raise CallerError(f"{batch} is tried again just now.", code="bad-value", fix=f"Write {batch}.N.")


def whole(batch: str, verb: str) -> None:
    """Refuse one invocation's id where the whole batch would be acted upon."""
    its, dot, _ = batch.partition(".")
    if dot:
        raise CallerError(
            f"{batch} is one invocation; {verb} acts on a whole batch.",
            code="bad-value",
            fix=f"For all of it: rushes {verb} {its}",
        )
