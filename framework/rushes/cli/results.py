"""`results`: what came of the invocations of a batch, as an overview, or what the function returned.

This module must not know how a batch was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.batch_name import batch_argument, engine_option, found_batch, meant
from rushes.cli.notes import Notes
from rushes.cli.session import Session
from rushes.cli.show import counts_line, one_line, short_name, table
from rushes.cli.values import CSV, TABLE, columns_of, csv_of, formats_of, in_short, table_of, text_of
from rushes.core.states import State
from rushes.errors import CallerError, RushesError

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.invocation import Finished
    from rushes.ports import Engine

__all__ = ["function_of", "results"]

JSON: Final = "json"
_PAGE: Final = 1000


@click.command()
@batch_argument(required=False)
@click.option("--failed", is_flag=True, help="Only those that failed.")
@click.option("--notes", is_flag=True, help="What should be known of each result, in full.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@click.option(
    "--format",
    "chosen",
    metavar="table|csv|json|…",
    help="What the function returned: as tables, or in a format that the function itself has.",
)
@engine_option()
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
@click.pass_obj
def results(
    session: Session,
    /,
    batch: str | None,
    *,
    chosen: str | None,
    engine_name: str | None,
    as_json: bool,
    **which: Any,
) -> None:
    """What came of the invocations of BATCH so far, in the order in which they ended.

    Without BATCH, of the newest.
    """
    engine, name = meant(session, batch, engine_name)
    found = found_batch(engine, name)
    ends = _Ends(engine, found.batch, **which)
    if as_json:
        for page in ends.pages():
            for one in page:
                click.echo(json.dumps(one.to_json()))
        return
    if chosen is not None:
        _values(ends, chosen)
    elif which["notes"]:
        _notes(ends)
    else:
        _overview(ends)
    if not ends.shown:
        what = "has failed yet" if which["failed"] else "has a note" if which["notes"] else "has ended yet"
        click.echo(f"nothing {what}: {counts_line(found.counts)}", err=True)


@dataclass
class _Ends:
    """The ends of a batch that are asked for, page by page."""

    engine: Engine
    batch: str
    failed: bool = False
    notes: bool = False
    limit: int | None = None
    shown: int = field(default=0, init=False)

    def pages(self) -> Iterator[list[Finished]]:
        self.shown = seen = 0
        while page := list(self.engine.results(self.batch, after=seen, limit=_PAGE)):
            seen = page[-1].seq
            kept = [one for one in page if self._is_asked_for(one)]
            if self.limit is not None:
                kept = kept[: self.limit - self.shown]
            self.shown += len(kept)
            if kept:
                yield kept
            if self.limit is not None and self.shown >= self.limit:
                return

    def _is_asked_for(self, one: Finished) -> bool:
        return (not self.failed or one.state is State.failed) and (not self.notes or bool(one.warnings))


def _overview(ends: _Ends) -> None:
    noted = Notes()
    for page in ends.pages():
        click.echo(table(["invocation", "state", "clip", "what came of it"], [_row(one) for one in page]))
        for one in page:
            noted.add(one)
    for line in noted.lines(ends.batch):
        click.echo(f"{click.style('!', fg='yellow')} {line}", err=True)


def _row(one: Finished) -> list[str]:
    error = one.error or {}
    if one.state is not State.succeeded:
        what = one_line(f"[{error.get('kind', 'platform')}] {error.get('message', '')}")
        return [one.invocation, one.state.value, short_name(one.asset), what]
    return [one.invocation, "known" if one.cached else "succeeded", short_name(one.asset), in_short(one)]


def _notes(ends: _Ends) -> None:
    for page in ends.pages():
        rows = [[one.invocation, short_name(one.asset), text] for one in page for text in one.warnings]
        click.echo(table(["invocation", "clip", "note"], rows))


def _values(ends: _Ends, chosen: str) -> None:
    function = function_of(ends.engine, f"{ends.batch}.1")
    own = formats_of(function) if function is not None else ()
    if chosen not in {TABLE, CSV, JSON, *own}:
        raise CallerError(
            f"{chosen!r} is no format of these results.",
            code="bad-value",
            fix=f"Formats: {', '.join(dict.fromkeys((TABLE, CSV, JSON, *own)))}.",
        )
    if chosen == CSV and CSV not in own:
        # Looked at twice: the columns of all stand above the first.
        columns = dict.fromkeys(name for page in ends.pages() for one in page for name in columns_of(one))
        for number, page in enumerate(ends.pages()):
            click.echo(csv_of(page, list(columns), head=not number), nl=False)
        return
    for number, page in enumerate(ends.pages()):
        if chosen == JSON and JSON not in own:
            text = "".join(f"{json.dumps(one.result)}\n" for one in page if one.result is not None)
        elif function is None:
            text = table_of([one for one in page if one.result is not None], first=not number)
        else:
            text = text_of(function, page, chosen, first=not number, files=True)
        if text:
            click.echo(text.rstrip("\n"))


def function_of(engine: Engine, invocation: str) -> Function[Any, Any] | None:
    """The function of an invocation, as it is installed here now; None where it cannot be loaded."""
    from rushes.catalog import find  # noqa: PLC0415 - few commands about results need the function

    try:
        return find(str(engine.explain(invocation)["function"]))
    except RushesError:
        return None
