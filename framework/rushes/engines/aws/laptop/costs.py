"""What was spent in an environment, as `rushes cost` asks: read from its ledger, batch by batch.

A batch is one query for how far it is, and one request for every hundred invocations; of what events started,
thirty-three take one request together. Nothing is written, and only sums are kept. This module must not know
how a statement looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from rushes.ledger import LONE, Entry, Tally
from rushes.ports import Desk
from rushes.runtime.records.shared_statement import BatchSpent, payer_of, spent_in

__all__ = ["MOST_BATCHES", "spent"]

MOST_BATCHES: Final = 10_000
"""The newest, that one statement looks at: some 700 requests for events, and two for each of the others."""
READERS: Final = 8
"""Batches that are read at once."""
_PAGE: Final = 1000
_LONE: Final = 33
"""Batches that stand alone in one request, three items each."""


def spent(
    desk: Desk,
    outer: Callable[[str], str],
    batches: Sequence[str] | None = None,
    *,
    since: float = 0.0,
    show: str | None = None,
    function: str | None = None,
) -> dict[str, Any]:
    """What attempts that ended since then cost, in the form of `rushes.runtime.records.statement.statement`.

    ``idle`` and ``running`` are None: no ledger has them. ``ledger`` is of the batches that were read and
    have ended: how many (``batches``), what they have counted (``owed``), what the lines sum to (``lines``),
    and which differ (``off``); ``cut`` says that there were older ones, which were not looked at.

    Args:
        desk: the ledger.
        outer: what people call a batch.
        batches: only these; None: the newest `MOST_BATCHES`.
        since: UTC epoch seconds; 0: all.
        show: only what it paid for.
        function: only what was spent on it.
    """
    found = desk.batches(MOST_BATCHES + 1) if batches is None else batches

    def spent_of(batch: str, tally: Tally, entries: Iterable[Entry]) -> list[tuple[str, BatchSpent]]:
        if tally.complete and (tally.last or 0.0) < since:
            return []
        its_show, its_function = payer_of(tally.spec)
        if show not in (None, its_show) or function not in (None, its_function):
            return []
        return [(outer(batch), spent_in(outer(batch), tally, entries, since))]

    def read(batch: str) -> list[tuple[str, BatchSpent]]:
        tally = desk.tally(batch, active=False)
        return [] if tally is None else spent_of(batch, tally, _entries(desk, batch, tally))

    def read_lone(some: Sequence[str]) -> list[tuple[str, BatchSpent]]:
        return [row for one, tally, entry in desk.lone(some) for row in spent_of(one, tally, [entry])]

    looked = found[:MOST_BATCHES]
    lone = [one for one in looked if one.startswith(LONE)]
    several = [one for one in looked if not one.startswith(LONE)]
    with ThreadPoolExecutor(READERS) as threads:
        asked = [threads.submit(read, one) for one in several]
        asked += [threads.submit(read_lone, lone[at : at + _LONE]) for at in range(0, len(lone), _LONE)]
        place = {outer(one): at for at, one in enumerate(looked)}
        sums = sorted((row for one in asked for row in one.result()), key=lambda row: place[row[0]])
    ended = [(name, one, one.counted) for name, one in sums if one.counted is not None]
    return {
        "since": since,
        "lines": [row for _, one in sums for row in one.rows],
        "idle": None,
        "running": None,
        "ledger": {
            "batches": len(ended),
            "owed": sum(counted for _, _, counted in ended),
            "lines": sum(max(one.attempted, counted) for _, one, counted in ended),
            "off": [name for name, one, _ in ended if not one.adds_up],
            "cut": len(found) > MOST_BATCHES,
        },
    }


def _entries(desk: Desk, batch: str, tally: Tally) -> Iterator[Entry]:
    for first in range(1, tally.total + 1, _PAGE):
        yield from desk.entries(batch, range(first, min(first + _PAGE, tally.total + 1)))
