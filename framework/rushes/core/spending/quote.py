"""What a batch will cost and when it will be done, before it runs.

A quote plays the batch through: every slot takes the next invocation when it is free, and each takes what its
estimate says, drawn by a fixed sequence of numbers, so the same question always has the same answer. That is
done 19 times: the truth lies within the least and the largest of 19 such draws nine times out of ten, if the
estimates are right. How far those may be off (`Estimate.doubt`) widens the bounds. Of a very large batch the
beginning and the end are played, and what lies between is rate × number.

Interruptions, failures and what other batches do are not in it. Which slots would do it by then is `solving`.
This module must not know clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from math import exp
from typing import Final

from rushes.core.learning.durations import TABLE, Z_90, Estimate, Interval
from rushes.core.money import HOUR_US, micros, owed, share_out
from rushes.core.spending.machine_price import held_cost
from rushes.core.spending.machine_time import WHOLE
from rushes.core.spending.prices import TierPrice
from rushes.errors import CallerError

__all__ = ["Lot", "Offer", "Quote", "Taken", "both", "joules_of", "price_of", "quote"]

DRAWS: Final = 19
LEAST_PLAYED: Final = 1024
MOST_PLAYED: Final = 8192


@dataclass(frozen=True, slots=True)
class Lot:
    """Invocations that are alike.

    Args:
        count: how many.
        estimates: what one takes, by the name of the tier.
    """

    count: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Offer:
    """Slots of a tier that can be had.

    Args:
        tier: what a machine costs.
        share: millionths of a machine that one slot takes.
        most: slots at most.
        kwh_nano: the price of energy there (`PriceBook.energy_nano`).
        ready: slots that run already; those beyond wait for a machine to start.
        start_s: from asking for a machine to its first work (`Tier.start_s`).
        limit_s: the longest that an attempt may run there; None: as long as it likes.
    """

    tier: TierPrice
    share: int = WHOLE
    most: int = 1
    kwh_nano: int = 0
    ready: int = 0
    start_s: float = 0.0
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """So many slots of an offer."""

    offer: Offer
    count: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What is promised.

    Args:
        slots: how many of which tier, the cheapest first.
        seconds: from now until the last invocation has ended.
        cost: nano-dollars, start-up of machines included.
        joules: as far as the tiers' power is known.
        basis: what the estimates rest on: ``learnt`` if all of them are.
    """

    slots: tuple[tuple[str, int], ...]
    seconds: Interval
    cost: Interval
    joules: Interval
    basis: str


def price_of(offer: Offer, seconds: float) -> int:
    """Nano-dollars of one attempt that takes `seconds` on a slot of `offer`: time, request and energy."""
    return held_cost(offer.tier, offer.kwh_nano, offer.share, seconds)


def joules_of(offer: Offer, seconds: float) -> float:
    """Joules of one attempt that takes `seconds` on a slot of `offer`; 0 where its power is not known."""
    return (offer.tier.busy_milliwatts or 0) / 1000 * offer.share / WHOLE * seconds


def quote(lots: Sequence[Lot], slots: Sequence[Taken]) -> Quote:
    """What all of `lots` will take on `slots`.

    Raises:
        CallerError: there are no slots, or a lot has no estimate for one of their tiers (``no-quote``).
    """
    used = [one for one in slots if one.count > 0]
    lots = [lot for lot in lots if lot.count > 0]
    if not used:
        raise CallerError("a quote needs a slot to run on.", code="no-quote", fix="Give it one or more.")
    for lot in lots:
        for one in used:
            if one.offer.tier.name not in lot.estimates:
                raise CallerError(
                    f"nothing is known of what this takes on {one.offer.tier.name}.",
                    code="no-quote",
                    fix="Give an estimate for every tier that may be used.",
                )
    names = tuple((one.offer.tier.name, one.count) for one in used)
    estimates = [lot.estimates[one.offer.tier.name] for lot in lots for one in used]
    if not estimates:
        nothing = Interval(0.0, 0.0, 0.0)
        return Quote(names, nothing, nothing, nothing, "learnt")
    batch = _Played(lots, used)
    draws = [_play(batch, draw) for draw in range(DRAWS)]
    factor = exp(Z_90 * max(estimate.doubt for estimate in estimates))
    startup = sum(_startup_nano(one) for one in used)
    cost = _bounds([one[1] for one in draws], factor)
    bases = {estimate.basis for estimate in estimates}
    return Quote(
        slots=names,
        seconds=_bounds([one[0] for one in draws], factor),
        cost=Interval(cost.low + startup, cost.likely + startup, cost.high + startup),
        joules=_bounds([one[2] for one in draws], factor),
        basis=bases.pop() if len(bases) == 1 else "mixed",
    )


def both(one: Quote, other: Quote) -> Quote:
    """Two batches at the same time, each on slots of its own: the later end, and the cost of both."""
    later = (max(a, b) for a, b in zip(one.seconds, other.seconds, strict=True))
    nano = (a + b for a, b in zip(one.cost, other.cost, strict=True))
    joules = (a + b for a, b in zip(one.joules, other.joules, strict=True))
    basis = one.basis if one.basis == other.basis else "mixed"
    return Quote((*one.slots, *other.slots), Interval(*later), Interval(*nano), Interval(*joules), basis)


# -- one draw ------------------------------------------------------------------------------------------------


class _Played:
    """What is played of a batch: as many invocations as the slots take a few times over."""

    def __init__(self, lots: Sequence[Lot], slots: Sequence[Taken]) -> None:
        self.count = sum(lot.count for lot in lots)
        width = sum(one.count for one in slots)
        # Of more slots than can be played, a part stands for all, with as large a part of the batch.
        self.scale = max(1.0, 2.0 * width / MOST_PLAYED)
        self.slots = [max(1, round(one.count / self.scale)) for one in slots]
        played = max(LEAST_PLAYED, 2 * sum(self.slots))
        self.played = max(1, min(round(self.count / self.scale), played))
        self.offers = [one.offer for one in slots]
        self.ready = [round(min(one.offer.ready, one.count) / self.scale) for one in slots]
        names = [offer.tier.name for offer in self.offers]
        self.tables = [[lot.estimates[name].table for name in names] for lot in lots]
        self.lot_of = _mixed([lot.count for lot in lots], self.played)


def _mixed(counts: Sequence[int], played: int) -> list[int]:
    """The lot of each invocation that is played: lots in their proportion, spread evenly over the whole.

    The multiples of the golden ratio do that: each falls where those before it have left the most room.
    """
    lots = [lot for lot, count in enumerate(share_out(played, counts)) for _ in range(count)]
    places = [(index + 1) * 0.6180339887498949 % 1.0 for index in range(len(lots))]
    return [lots[index] for index in sorted(range(len(lots)), key=places.__getitem__)]


def _play(batch: _Played, draw: int) -> tuple[float, float, float]:
    """Seconds, nano-dollars and joules of one draw."""
    free = [
        (0.0 if number < batch.ready[kind] else batch.offers[kind].start_s, kind, number)
        for kind, count in enumerate(batch.slots)
        for number in range(count)
    ]
    heapify(free)
    seconds_on = [0.0] * len(batch.offers)
    starts_on = [0] * len(batch.offers)
    last = 0.0
    number = draw + 1
    for lot in batch.lot_of:
        at, kind, slot = free[0]
        # Numbers without pattern, the same for every question: Knuth's MMIX generator (TAOCP 2, 3.3.4).
        number = number * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
        took = batch.tables[lot][kind][(number >> 32) * TABLE >> 32]
        seconds_on[kind] += took
        starts_on[kind] += 1
        end = at + took
        if end > last:  # noqa: PLR1730 - hot: `max` costs three times as much
            last = end
        heapreplace(free, (end, kind, slot))
    # The middle of a long batch: all slots are busy, and go on at the rate at which they went.
    more = batch.count / batch.scale / batch.played
    span = sum(seconds_on) / sum(batch.slots)
    times = batch.scale * more
    nano = joules = 0.0
    for kind, offer in enumerate(batch.offers):
        each = seconds_on[kind] / max(starts_on[kind], 1)
        nano += price_of(offer, each) * starts_on[kind] * times
        joules += joules_of(offer, seconds_on[kind]) * times
    return last + span * (more - 1.0), nano, joules


def _bounds(draws: Sequence[float], factor: float) -> Interval:
    return Interval(min(draws) / factor, sum(draws) / len(draws), max(draws) * factor)


def _startup_nano(slots: Taken) -> int:
    """What machines cost until they are ready, of those that are not."""
    offer = slots.offer
    starting = max(0, slots.count - offer.ready)
    return owed(offer.tier.hour_nano * offer.share * starting, micros(offer.start_s), HOUR_US * WHOLE)
