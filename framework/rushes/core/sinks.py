"""Who is told of state changes, and when a telling that failed is tried again: pure.

A *sink* is a webhook or a local command of somebody who wants to hear. It hears of events in their order, in
deliveries, each at least once. One that fails is tried again with growing delays; what comes after it waits,
so that nobody hears of an end before the start. After `MOST_TRIES`, about a day, the delivery is dropped and
counted: a sink that is gone for good must not fill a disk.

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
    "Delivery",
    "Heard",
    "Outgoing",
    "Sink",
    "failed",
    "next_delivery",
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


class Outgoing(NamedTuple):
    """One event that waits to be delivered; `id` grows, `body` is its JSON."""

    id: int
    kind: str
    show: str
    function: str
    body: str


@dataclass(frozen=True, slots=True)
class Heard:
    """How far a sink has been told.

    Args:
        upto: the last row that it need not hear of any more.
        tries: how often the next delivery has failed so far.
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


class Delivery(NamedTuple):
    """What to deliver next: the rows, and how far the sink has been told once they are."""

    rows: Sequence[Outgoing]
    upto: int


def next_delivery(sink: Sink, rows: Iterable[Outgoing]) -> Delivery | None:
    """The next delivery for a sink, of rows in their order; None where there are none at all."""
    chosen: list[Outgoing] = []
    upto = 0
    for row in rows:
        if sink.wants(row.kind, row.show, row.function):
            if len(chosen) == sink.at_once:
                break
            chosen.append(row)
        upto = row.id
    return Delivery(chosen, upto) if upto else None


def told(heard: Heard, delivery: Delivery) -> Heard:
    """A delivery arrived, or there was nothing in it."""
    delivered = heard.delivered + len(delivery.rows)
    return replace(heard, upto=delivery.upto, tries=0, next_at=0.0, delivered=delivered, error="")


def failed(heard: Heard, delivery: Delivery, error: str, now: float, *, after_s: float = 0.0) -> Heard:
    """A delivery failed; `after_s`: the far end wants to be left alone for so long."""
    tries = heard.tries + 1
    if tries >= MOST_TRIES:
        dropped = heard.dropped + len(delivery.rows)
        return replace(heard, upto=delivery.upto, tries=0, next_at=0.0, dropped=dropped, error=error)
    delay_s = backoff_s(tries, delivery.upto, first_s=FIRST_DELAY_S, longest_s=LONGEST_DELAY_S)
    return replace(heard, tries=tries, next_at=now + max(delay_s, min(after_s, LONGEST_DELAY_S)), error=error)
