"""`quote`: what a batch will cost and when it is done, before it is sent.

This module must not know how that is worked out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import click

from rushes.cli.command import FunctionCommand
from rushes.cli.dispatch import day_note, deadline_of, dispatch_options
from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.cli.work import WorkAsked, work_asked
from rushes.core.money import format_dollars, parse_dollars
from rushes.errors import CallerError
from rushes.keepers import ObjectKeeper, Quoter
from rushes.ports import Engine
from rushes.printing import printable
from rushes.units import format_digits, format_duration

if TYPE_CHECKING:
    from rushes.core.learning.durations import Interval
    from rushes.core.spending.quote import Quote
    from rushes.core.spending.solving import Declined
    from rushes.runtime.sending.quoting import BatchQuote

__all__ = ["quote", "quote_lines", "quoted"]

_KEPT: Final = frozenset(
    {"priority", "show", "max_cost", "slots", "force", "frames", "params", "engine", "json", "out"}
)
"""Of the dispatch options those that change a quote, and what a line for `run` has that is to be quoted."""
_DECLINED: Final = 3
_SAME_DAY_S: Final = 18 * 3600
_BASES: Final = {
    "learnt": "what it took here before",
    "measured": "what `rushes encoders --calibrate` measured here",
    "published": "published figures of encoders",
    "second-hand": "published figures of encoders",
    "estimate": "estimates",
    "unknown": "nothing: it has never run here; the bounds are as wide as that",
    "mixed": "what it took here before, and for the rest published figures or estimates",
}
_UNLEARNT: Final = frozenset({"published", "second-hand", "estimate"})


class _QuoteCommand(FunctionCommand):
    def own_options(self) -> list[click.Option]:
        kept = [option for option in dispatch_options() if option.name in _KEPT]
        return [
            click.Option(["--by"], metavar="T", help="Has to be done by then: 2h, 18:30, 2026-03-01T18:30."),
            click.Option(
                ["--tier"],
                multiple=True,
                metavar="NAME=N",
                help="What if there were N more machines of a tier of the price book?  [repeatable]",
            ),
            *kept,
        ]


@click.command(cls=_QuoteCommand)
@click.pass_context
def quote(ctx: click.Context, /, **given: Any) -> None:
    """Say what FUNCTION on every clip that INPUT names will cost, and when it is done; send nothing.

    Only headers are read. With --by or --max-cost it finds the fewest and cheapest slots that keep to them,
    or says why there are none, and what is possible instead (exit code 3).
    """
    session: Session = ctx.obj
    now = time.time()
    asked_by = given.pop("by")
    by = deadline_of(str(asked_by), now) if asked_by else None
    if by is not None and (note := day_note(str(asked_by), by, now)):
        click.echo(note, err=True)
    max_cost = None if given["max_cost"] is None else parse_dollars(str(given["max_cost"]))
    tiers = dict(_tier(text) for text in given.pop("tier"))
    work = work_asked(ctx, given, sent=False)
    engine = session.engine(work.options.engine)
    found = quoted(engine, work, within_s=None if by is None else by - now, max_cost=max_cost, tiers=tiers)
    if given["json"]:
        click.echo(json.dumps(found.to_json()))
    else:
        for line in quote_lines(found, now):
            click.echo(line)
        wished = by is not None or max_cost is not None
        if found.ok and found.invocations and wished and not tiers and not isinstance(engine, ObjectKeeper):
            width = sum(count for _, count in cast("Quote", found.answer).slots)
            click.echo(_row("send it", f"rushes run {given['function']} … --slots {width}"))
        for line in _beside(engine):
            click.echo(line)
    ctx.exit(1 if found.unreadable else 0 if found.ok else _DECLINED)


def quoted(engine: Engine, work: WorkAsked, **wishes: Any) -> BatchQuote:
    """A quote for what a command line asks for.

    Raises:
        CallerError: the engine gives none (``no-quote``).
    """
    if not isinstance(engine, Quoter):
        raise CallerError(
            f"the engine {work.options.engine} gives no quotes.",
            code="no-quote",
            fix="Ask the local one: --engine local.",
        )
    found: BatchQuote = engine.quote_found(work.function, work.options, work.params, work.found, **wishes)
    return found


def _tier(text: str) -> tuple[str, int]:
    name, equals, count = text.rpartition("=")
    if not equals or not name or not count.isdigit() or int(count) < 1:
        raise CallerError(
            f"--tier {text}: expected NAME=N, N machines of a tier of the price book.",
            code="bad-value",
            fix="Write --tier ec2/g6.xlarge=4.",
        )
    return name, int(count)


def quote_lines(found: BatchQuote, now: float) -> Iterator[str]:
    """A quote for people.

    Args:
        found: the quote.
        now: UTC epoch seconds, from which its times are counted.
    """
    beside = [f"{found.unreadable:,} cannot be read"] if found.unreadable else []
    beside += [f"{found.known:,} known already"] if found.known else []
    more = f" ({', '.join(beside)})" if beside else ""
    yield f"{found.function} of {counted(found.invocations, 'clip')}{more}"
    if found.ok:
        yield from _of_one(cast("Quote", found.answer), found, now)
        if found.beside is not None:
            yield "  with those machines as well"
            yield from _of_one(found.beside, found, now)
    else:
        declined = cast("Declined", found.answer)
        yield click.style(f"  ✗ {declined.sentence}", fg="red")
        for one in declined.instead:
            yield "  instead"
            yield from _of_one(one, found, now)
    for text in found.left_out:
        yield f"  note: {printable(text)}"
    for bad in found.named:
        yield click.style(f"  ✗ {printable(bad.asset)}: {printable(bad.message)}", fg="red")
    if found.unreadable > len(found.named):
        yield f"    … and {found.unreadable - len(found.named):,} more"


def _of_one(one: Quote, found: BatchQuote, now: float) -> Iterator[str]:
    seconds = one.seconds
    yield _row("done", f"in {_between(seconds, format_duration)}: {_clock(now + seconds.likely, now)}")
    yield _row("on", ", ".join(f"{counted(count, 'slot')} of {name}" for name, count in one.slots))
    if one.cost.high > 0:
        yield _row("cost", _between(one.cost, lambda nano: format_dollars(round(nano))))
    elif not found.invocations:
        yield _row("cost", "nothing: there is nothing to do")
    else:
        yield _row("cost", "nothing: no price is set for this machine (RUSHES_TIER, RUSHES_PRICES)")
    if one.joules.high > 0:
        yield _row("energy", _between(one.joules, _energy))
    if found.invocations:
        yield _row("rests on", _rests_on(one.basis, found))


def _rests_on(basis: str, found: BatchQuote) -> str:
    """What the estimates rest on; an environment expects nothing before it has seen some runs."""
    learns = f"once {found.enough} clips have run there, and a minute later, it is learnt"
    if basis == "unknown" and found.enough > 1:
        return f"nothing, so the bounds are wide; {learns}"
    text = _BASES.get(basis, basis)
    if basis in _UNLEARNT:
        return f"{text}; {'run it once, and it is learnt' if found.enough == 1 else learns}"
    return f"{text} ({found.runs:,} runs)" if found.runs and basis in {"learnt", "mixed"} else text


def _row(name: str, text: str) -> str:
    return f"  {name:<9} {text}"


def _between(interval: Interval, shown: Any) -> str:
    low, likely, high = (shown(bound) for bound in interval)
    return likely if low == likely == high else f"{likely}, between {low} and {high}"


def _energy(joules: float) -> str:
    if joules >= 360_000:
        return f"{format_digits(joules / 3_600_000)} kWh"
    return f"{format_digits(joules / 1000)} kJ"


def _clock(at: float, now: float) -> str:
    when = datetime.fromtimestamp(at).astimezone()
    return f"{when:%H:%M}" if at - now < _SAME_DAY_S else f"{when:%a %d %b, %H:%M}"


def _beside(engine: Engine) -> Iterator[str]:
    """What the pool has to do already: it is not in the quote."""
    if not engine.running():
        return
    pool = engine.pool()
    waiting = sum(int(queue["waiting"]) for queue in pool["queues"])
    if waiting and isinstance(engine, ObjectKeeper):
        yield _row("not in it", f"{counted(waiting, 'message')} wait in queues: what is before it goes first")
        return
    running = sum(slot["running"] is not None for slot in pool["slots"])
    if waiting + running:
        yield _row("not in it", f"the pool runs {running:,} already, and {waiting:,} wait: `rushes pool`")
