"""What a batch of a shared ledger has cost, from what the ledger says of its invocations. Pure.

Each attempt has its cost, and the one that ended its invocation has it by lines, too; of those before it only
the sum is kept, which stands under compute. What no attempt tells of any more, for the ledger remembers the
latest of an invocation one by one, is waste of its batch as soon as that has ended: then the attempts sum to
what the batch has counted. This module must not know which ledger it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from rushes.core.money import micros
from rushes.core.spending.cost import LINES, Cost, CostTotal
from rushes.core.states import State
from rushes.invocation import function_name
from rushes.ledger import End, Entry, Tally
from rushes.runtime.records.cost_records import SpentRow

__all__ = ["BatchSpent", "payer_of", "spent_in"]


class BatchSpent(NamedTuple):
    """What one batch has cost.

    Args:
        rows: what ended in the time that was asked for: useful, and waste, where there is any.
        counted: nano-dollars that the batch itself has counted; None while it has not ended.
        attempted: nano-dollars of the attempts that are known.
    """

    rows: list[SpentRow]
    counted: int | None
    attempted: int

    @property
    def adds_up(self) -> bool:
        """No attempt tells of more than was counted."""
        return self.counted is None or self.attempted <= self.counted


class _Attempt(NamedTuple):
    ended: float
    is_waste: bool
    cost: Cost
    published_us: int = 0


def payer_of(spec: Mapping[str, object]) -> tuple[str, str]:
    """The show and the function of a batch, by what it was opened with."""
    return str(spec.get("show", "")), function_name(str(spec["function"]))


def spent_in(name: str, tally: Tally, entries: Iterable[Entry], since: float) -> BatchSpent:
    """What of a batch ended since then.

    Args:
        name: what people call it.
        tally: how far it was, before its entries were read.
        entries: all of them.
        since: UTC epoch seconds; 0: all.
    """
    useful, waste = CostTotal(), CostTotal()
    attempted = 0
    for one in (one for entry in entries for one in _attempts(entry)):
        attempted += one.cost.total
        if one.ended < since:
            continue
        if one.is_waste:
            waste += CostTotal(waste=one.cost, attempts=1)
        else:
            useful += CostTotal(one.cost, attempts=1, published_us=one.published_us)
    counted = tally.cost_nano if tally.complete else None
    forgotten = max((counted or 0) - attempted, 0)
    if forgotten and (tally.last or 0.0) >= since:
        waste += CostTotal(waste=Cost(compute=forgotten))
    whose = payer_of(tally.spec)
    sums = ((useful, useful.useful, 0), (waste, waste.waste, 1))
    rows = [
        _row(name, whose, total, cost, is_waste)
        for total, cost, is_waste in sums
        if total.attempts or cost.total
    ]
    return BatchSpent(rows, counted, attempted)


def _attempts(entry: Entry) -> Iterator[_Attempt]:
    """The attempts at an invocation that have ended and are remembered."""
    end = entry.end
    lines = Cost() if end is None else _lines(end)
    for one in entry.tried:
        is_kept = end is not None and one.outcome == State.succeeded.value
        # What was cancelled while it waited ends by no attempt: the latest has no lines then.
        is_split = one.began == entry.since and lines.total == one.cost_nano
        cost = lines if is_split else Cost(compute=one.cost_nano)
        published_us = micros(end.media_s) if end is not None and is_kept else 0
        yield _Attempt(one.ended, not is_kept, cost, published_us)
    if end is not None and end.cached and entry.attempt and entry.holder:  # it found its outputs made
        ended = (entry.since or 0.0) + end.seconds
        yield _Attempt(ended, is_waste=False, cost=lines, published_us=micros(end.media_s))


def _lines(end: End) -> Cost:
    """What the attempt that ended an invocation cost by lines; nothing where that is not said."""
    try:
        said = json.loads(end.data).get("cost", {})
        return Cost(**{name: int(said.get(name, 0)) for name in (*LINES, "millijoules")})
    except (AttributeError, TypeError, ValueError):  # changed by hand: its sum stands beside it
        return Cost()


def _row(name: str, whose: tuple[str, str], total: CostTotal, cost: Cost, is_waste: int) -> SpentRow:
    return SpentRow(
        name, *whose, "", is_waste, total.attempts,
        cost.compute, cost.requests, cost.transfer, cost.energy, cost.millijoules, total.published_us,
    )  # fmt: skip
