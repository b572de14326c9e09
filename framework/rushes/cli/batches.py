"""Commands about batches: follow, status, cancel, set, retry, list.

This module must not know how a batch was made.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.batch_name import batch_argument, engine_option, found_batch, meant, whole
from rushes.cli.budget import Dollars, keeper_of
from rushes.cli.class_name import ClassName
from rushes.cli.quoted import quoted_lines
from rushes.cli.session import Session
from rushes.cli.show import (
    counted,
    counts_line,
    displacement_lines,
    held_lines,
    short_name,
    spent_line,
    summary_line,
    table,
    target_line,
    waits_line,
)
from rushes.core.money import format_dollars
from rushes.invocation import Spent
from rushes.printing import printable
from rushes.units import format_duration

if TYPE_CHECKING:
    from rushes.invocation import BatchStatus

__all__ = ["cancel", "follow", "list_", "retry", "set_", "status"]


_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")


@click.command()
@batch_argument(required=False)
@engine_option()
@_JSON
@click.pass_context
def follow(ctx: click.Context, /, batch: str | None, *, engine_name: str | None, as_json: bool) -> None:
    """Follow BATCH, or the newest, until it has ended; its exit code is that of `run`."""
    from rushes.cli.follow import follow_batch, report  # noqa: PLC0415 - only here
    from rushes.cli.sinks import JsonSink, NothingSink  # noqa: PLC0415

    session: Session = ctx.obj
    engine, name = meant(session, batch, engine_name)
    found = found_batch(engine, name)
    sink = JsonSink() if as_json else NothingSink()
    outcome = follow_batch(session, engine, found.batch, sink)
    quiet = as_json and not session.watched
    ended = engine.status(found.batch)
    if ended.ended is not None:  # how long the batch took, not how long it was looked at
        outcome = replace(outcome, elapsed_s=ended.ended - ended.submitted)
    ctx.exit(report(outcome, batch=found.batch, function=found.title, out=found.out, quiet=quiet))


@click.command()
@batch_argument(required=False)
@engine_option()
@_JSON
@click.pass_obj
def status(session: Session, batch: str | None, *, engine_name: str | None, as_json: bool) -> None:
    """Where BATCH, or the newest, stands: counts, pace, and what runs now."""
    found = found_batch(*meant(session, batch, engine_name))
    if as_json:
        click.echo(json.dumps(_status_json(found)))
        return
    about = f"{found.batch} · {found.priority} · show {printable(found.show)}"
    if found.ended is None:
        since = format_duration(max(time.time() - found.submitted, 0.0))
        click.echo(f"{found.title}: {counts_line(found.counts)}, sent {since} ago")
        click.echo(f"  {about}")
    else:
        elapsed = found.ended - found.submitted
        click.echo(summary_line(found.title, found.counts, elapsed, found.media_s, found.out))
        click.echo(f"  {about} · {counts_line(found.counts)}")
    if found.tags:
        click.echo(f"  tags {', '.join(f'{printable(k)}={printable(v)}' for k, v in found.tags.items())}")
    for line in quoted_lines(found):
        click.echo(f"  {line}")
    if not found.sealed:
        click.echo("  still being sent")
    for line in _standing(found):
        click.echo(f"  {line}")
    if found.spent.nano:
        click.echo(f"  {spent_line(found.spent, ended=found.ended is not None)}")
    for line in displacement_lines(found.displacement):
        click.echo(f"  {line}")
    for one in found.running:
        fraction = one.get("fraction")
        part = f"{fraction:4.0%}" if isinstance(fraction, float) and fraction >= 0 else "  … "
        name = short_name(str(one.get("asset") or ""))
        since = format_duration(float(one.get("seconds") or 0.0))
        note = printable(str(one.get("note") or ""))
        click.echo(f"  ▸ {part} {name}  {one.get('invocation')}  {since}  {note}".rstrip())


def _standing(found: BatchStatus) -> list[str]:
    """Why a batch does not go on, or not as was asked."""
    lines = [target_line(found, time.time())] if found.target_s is not None else []
    lines += held_lines(found) if found.held else []
    lines += [waits_line(one) for one in found.waits]
    if found.class_note:
        lines.append(printable(found.class_note))
    if found.standstill:
        lines.append(click.style(printable(found.standstill), fg="yellow"))
    return lines


@click.command()
@batch_argument(required=True)
@engine_option()
@click.pass_obj
def cancel(session: Session, batch: str, *, engine_name: str | None) -> None:
    """Cancel what has not ended of BATCH; nothing half-written is left."""
    whole(batch, "cancel")
    engine, name = meant(session, batch, engine_name, acts=True)
    found = found_batch(engine, name)
    if found.ended is not None:
        click.echo(f"{found.batch} had ended already: {counts_line(found.counts)}", err=True)
        return
    engine.cancel(found.batch)
    after = engine.status(found.batch)
    click.echo(f"{found.batch} cancelled: {counts_line(after.counts)}", err=True)


class _Cap(Dollars):
    """An amount, or ``none``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "none" else super().convert(value, param, ctx)


@click.command("set")
@batch_argument(required=True)
@click.option("--priority", type=ClassName(), help="Its class from now on.")
@click.option(
    "--max-cost",
    type=_Cap(),
    metavar="USD|none",
    help="What may be spent on it, from now on; none: anything.",
)
@engine_option()
@click.pass_obj
def set_(
    session: Session, batch: str, *, priority: str | None, max_cost: int | str | None, engine_name: str | None
) -> None:
    """Give BATCH another class or cap, for what of it waits and for what runs."""
    whole(batch, "set")
    if priority is None and max_cost is None:
        raise click.UsageError("nothing is to be set: give --priority or --max-cost.")
    engine, name = meant(session, batch, engine_name, acts=True)
    found = found_batch(engine, name)
    changes = []
    if max_cost is not None:
        cap = None if isinstance(max_cost, str) else max_cost
        keeper_of(engine).set_max_cost(found.batch, cap)
        changes.append("has no cap of its own" if cap is None else f"may cost {format_dollars(cap)}")
    if priority is not None:
        engine.set_priority(found.batch, priority)
        changes.append(f"{found.priority} → {engine.status(found.batch).priority}")
    click.echo(f"{found.title} {found.batch}: {', '.join(changes)}; {counts_line(found.counts)}", err=True)


@click.command()
@batch_argument(required=True)
@engine_option()
@click.pass_obj
def retry(session: Session, batch: str, *, engine_name: str | None) -> None:
    """Queue the failed and cancelled invocations of BATCH again."""
    whole(batch, "retry")
    engine, name = meant(session, batch, engine_name, acts=True)
    found = found_batch(engine, name)
    count = engine.retry(found.batch)
    if count:
        click.echo(f"{counted(count, 'invocation')} queued again: rushes follow {found.batch}", err=True)
    else:
        click.echo(f"nothing of {found.batch} failed or was cancelled", err=True)


@click.command(name="list")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(min=1), metavar="N", help="At most so many."
)
@engine_option()
@_JSON
@click.pass_obj
def list_(session: Session, limit: int, *, engine_name: str | None, as_json: bool) -> None:
    """The newest batches first."""
    found = session.engine_of(None, engine_name).batches(limit=limit)
    if as_json:
        for one in found:
            click.echo(json.dumps(_status_json(one)))
        return
    if not found:
        click.echo("no batches yet: rushes run FUNCTION INPUT", err=True)
        return
    now, several = time.time(), {one.show for one in found} != {"default"}
    rows = [
        [
            one.batch,
            one.title,
            one.priority,
            one.show if several else "",
            "ended" if one.ended is not None else "runs" if one.sealed else "is sent",
            counts_line(one.counts).replace(" already", ""),
            f"{_age(max(now - one.submitted, 0.0))} ago",
        ]
        for one in found
    ]
    head = ["batch", "function", "class", "show", "state", "invocations", "sent"]
    click.echo(table(head, rows, sparse=frozenset({3})))


def _age(age_s: float) -> str:
    """As long ago as matters in a list: ``40 s``, ``12 m``, ``3 h 20 m``."""
    if age_s < 60:
        return f"{age_s:.0f} s"
    return f"{age_s // 60:.0f} m" if age_s < 3600 else format_duration(age_s)


def _met(found: BatchStatus) -> bool | None:
    """Whether it was done within the target of its class; None where there is none, or that is open."""
    if found.target_s is None:
        return None
    if found.ended is not None:
        return found.ended - found.submitted <= found.target_s
    return False if time.time() - found.submitted > found.target_s else None


def _status_json(found: BatchStatus) -> dict[str, Any]:
    counts = asdict(found.counts)
    return {
        "schema": 1,
        "batch": found.batch,
        "title": found.title,
        "function": found.function,
        "priority": found.priority,
        "show": found.show,
        "out": found.out,
        "counts": counts,
        "sealed": found.sealed,
        "submitted": found.submitted,
        "ended": found.ended,
        "seconds": found.seconds,
        "cost_usd": found.spent.usd,
        "waste_usd": Spent(found.spent.waste_nano).usd,
        "joules": found.spent.joules,
        "media_s": found.media_s,
        "running": [dict(one) for one in found.running],
        "class_note": found.class_note,
        "standstill": found.standstill,
        "tags": dict(found.tags),
        "displacement": [dict(one) for one in found.displacement],
        "quote": None if found.quote is None else dict(found.quote),
        "target_s": found.target_s,
        "target_met": _met(found),
        "waits": [dict(one) for one in found.waits],
        "held": found.held,
        "held_by": ":".join(part for part in found.held_by if part),
        "frees_at": found.frees_at,
        "only_held": found.only_held,
    }
