"""Who is told of state changes, and when a telling that failed is tried again: pure.

A *sink* is a webhook or a local command of somebody who wants to hear. It hears of events in their order, in
groups, each at least once. A group that could not be delivered is tried again with growing delays; what comes
after it waits, so that nobody hears of an end before the start. After `MOST_TRIES`, about a day, the group is
dropped and counted: a sink that is gone for good must not fill a disk.

This module must not know clocks, files or how anything is delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from rushes.core.retry import backoff_s

__all__ = [
    "BATCH_ENDED",
    "BATCH_FREED",
    "BATCH_HELD",
    "DEFAULT_KINDS",
    "KINDS",
    "OF_BATCHES",
    "Group",
    "Reach",
    "Row",
    "Sink",
    "failed",
    "next_group",
    "told",
]

BATCH_ENDED: Final = "batch-ended"
BATCH_HELD: Final = "batch-held"
BATCH_FREED: Final = "batch-freed"
OF_BATCHES: Final = frozenset({BATCH_ENDED, BATCH_HELD, BATCH_FREED})
KINDS: Final = (
    "queued", "started", "progress", "succeeded", "failed", "cancelled", "held", "displaced", "resumed",
    BATCH_ENDED, BATCH_HELD, BATCH_FREED,
)  # fmt: skip
DEFAULT_KINDS: Final = frozenset(KINDS) - {"queued", "started", "progress"}
"""What a sink hears that does not say: whatever somebody may have to act on."""

MOST_TRIES: Final = 30
FIRST_DELAY_S: Final = 5.0
LONGEST_DELAY_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Sink:
    """One that wants to hear.

    Args:
        name: as in the file.
        kinds: of `KINDS`.
        shows, functions: only of these; empty for all.
        at_once: events in one delivery, at most.
        timeout_s: a delivery that takes longer has failed.
        url: a webhook, or "".
        secret_file: holds the key that its deliveries are signed with, or "".
        command: a program and its arguments; empty for a webhook.
    """

    name: str
    kinds: frozenset[str] = DEFAULT_KINDS
    shows: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    at_once: int = 100
    timeout_s: float = 30.0
    url: str = ""
    secret_file: str = ""
    command: tuple[str, ...] = ()

    def wants(self, kind: str, show: str, function: str) -> bool:
        """Whether it is to hear of this."""
        return (
            kind in self.kinds
            and (not self.shows or show in self.shows)
            and (not self.functions or function in self.functions)
        )


class Row(NamedTuple):
    """One event that waits to be delivered; `id` grows, `body` is its JSON."""

    id: int
    kind: str
    show: str
    function: str
    body: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a sink has been told.

    Args:
        upto: the last row that it need not hear of any more.
        tries: how often the next group has failed so far.
        next_at: not before this time, UTC epoch seconds.
        delivered, dropped: events, since the sink was first named.
        error: why the last try failed; "" once one succeeds.
    """

    upto: int
    tries: int = 0
    next_at: float = 0.0
    delivered: int = 0
    dropped: int = 0
    error: str = ""


class Group(NamedTuple):
    """What to deliver next: the rows, and how far the sink has been told once they are."""

    rows: Sequence[Row]
    upto: int


def next_group(sink: Sink, rows: Iterable[Row]) -> Group | None:
    """The next group for a sink, of rows in their order; None where there are none at all."""
    chosen: list[Row] = []
    upto = 0
    for row in rows:
        if sink.wants(row.kind, row.show, row.function):
            if len(chosen) == sink.at_once:
                break
            chosen.append(row)
        upto = row.id
    return Group(chosen, upto) if upto else None


def told(reach: Reach, group: Group) -> Reach:
    """A group was delivered, or there was nothing in it."""
    delivered = reach.delivered + len(group.rows)
    return replace(reach, upto=group.upto, tries=0, next_at=0.0, delivered=delivered, error="")


def failed(reach: Reach, group: Group, error: str, now: float, *, after_s: float = 0.0) -> Reach:
    """A group was not delivered; `after_s`: the far end wants to be left alone for so long."""
    tries = reach.tries + 1
    if tries >= MOST_TRIES:
        dropped = reach.dropped + len(group.rows)
        return replace(reach, upto=group.upto, tries=0, next_at=0.0, dropped=dropped, error=error)
    delay_s = backoff_s(tries, group.upto, first_s=FIRST_DELAY_S, longest_s=LONGEST_DELAY_S)
    return replace(reach, tries=tries, next_at=now + max(delay_s, min(after_s, LONGEST_DELAY_S)), error=error)
