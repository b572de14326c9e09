"""`rushes cost`: what was spent, on what, for whom; and that it adds up.

This module must not know how costs come about, nor how a statement looks.
"""

from __future__ import annotations

import json
import time
from datetime import datetime

import click

from rushes.cli.batch_name import BatchName, engine_option, found_batch, meant, whole
from rushes.cli.session import Session
from rushes.cli.statement import KEYS, Sheet
from rushes.errors import CallerError
from rushes.keepers import CostKeeper
from rushes.units import parse_duration

__all__ = ["cost", "since_of"]


@click.command(short_help="What was spent, by show and function; and that it adds up.")
@click.argument("batch", type=BatchName(), required=False)
@click.option("--show", metavar="SHOW", help="Only what this show paid for.")
@click.option("--function", metavar="NAME", help="Only what was spent on this function.")
@click.option("--since", metavar="T", help="7d, 18:30, 2026-03-01: what ended since then.  [default: all]")
@click.option("--by", type=click.Choice(list(KEYS)), default="function", help="A row for each.  [function]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; money in whole nano-dollars.")
@click.option("--csv", "as_csv", is_flag=True, help="For a spreadsheet; money in dollars.")
@engine_option()
@click.pass_obj
def cost(
    session: Session,
    *,
    batch: str | None,
    engine_name: str | None,
    show: str | None,
    function: str | None,
    since: str | None,
    by: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    """What was spent on BATCH, or on all, by show and function, with waste; and that it adds up.

    The headline is the cost of a published minute: everything that was spent, waste included, over the
    minutes of media in the outputs. Without a price nothing is counted: see RUSHES_PRICES. `last` is the
    newest batch.
    """
    if batch is not None:
        whole(batch, "cost")
    engine, name = (
        meant(session, batch, engine_name) if batch else (session.engine_of(None, engine_name), None)
    )
    if not isinstance(engine, CostKeeper):
        raise CallerError("this engine keeps no costs.", code="no-costs", fix="Use --engine local.")
    start = since_of(since, time.time()) if since else 0.0
    whose = None if name is None else found_batch(engine, name).batch
    found = engine.costs(since=start, by=by, batch=whose, show=show, function=function)
    made = Sheet.of(found, by=by, batch=whose, show=show, function=function)
    if as_json:
        click.echo(json.dumps(made.to_json()))
    elif as_csv:
        click.echo(made.to_csv(), nl=False)
    else:
        click.echo(made.to_text())


def since_of(text: str, now: float) -> float:
    """UTC epoch seconds of ``7d`` ago, of a date, or of the latest ``18:30`` that has been.

    Raises:
        CallerError: it is none of these (``bad-value``).
    """
    if not text.strip().isdecimal():  # 7: days, seconds, or seven o'clock? Whoever means one says so.
        try:
            return max(now - parse_duration(text), 0.0)
        except CallerError:
            pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time on the wall
    except ValueError:
        raise CallerError(
            f"{text!r} is no time.", code="bad-value", fix="Write 7d, 18:30 or 2026-03-01T18:30."
        ) from None
    at = datetime.combine(datetime.fromtimestamp(now).astimezone(), clock).astimezone().timestamp()
    return at if at <= now else at - 86400.0
