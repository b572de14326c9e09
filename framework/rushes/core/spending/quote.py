"""What a batch will cost and when it will be done, before it runs; and which slots would do it by then.

A quote plays the batch through: every slot takes the next invocation when it is free, and each takes what its
estimate says, drawn by a fixed sequence of numbers, so the same question always has the same answer. That is
done 19 times: the truth lies within the least and the largest of 19 such draws nine times out of ten, if the
estimates are right. How far those may be off (`Estimate.doubt`) widens the bounds. Of a very large batch the
beginning and the end are played, and what lies between is rate × number.

`solve` takes slots in the order of what an invocation costs on them, as few as are needed to be done in time,
counting on the late end of the interval and on the dear one; or it says why not, with what is possible
instead. Interruptions, failures and what other batches do are not in it. This module must not know clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from math import exp
from typing import Final

from rushes.core.learning.durations import TABLE, Z_90, Estimate, Interval
from rushes.core.money import HOUR_US, format_dollars, micros, owed, share_out
from rushes.core.spending.machine_price import held_cost
from rushes.core.spending.machine_time import WHOLE
from rushes.core.spending.prices import TierPrice
from rushes.errors import CallerError
from rushes.units import format_duration

__all__ = [
    "Declined",
    "Lot",
    "Offer",
    "Quote",
    "Taken",
    "both",
    "fits",
    "joules_of",
    "price_of",
    "quote",
    "solve",
]

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


@dataclass(frozen=True, slots=True)
class Declined:
    """Why not, and what would be possible.

    Args:
        sentence: for a person.
        instead: counter-offers: in time but dearer, or for the money but later.
    """

    sentence: str
    instead: tuple[Quote, ...]


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


def solve(
    lots: Sequence[Lot],
    offers: Sequence[Offer],
    *,
    within_s: float | None = None,
    max_cost: int | None = None,
    most: int | None = None,
) -> Quote | Declined:
    """The fewest and cheapest slots that are done within `within_s` seconds for at most `max_cost`.

    Args:
        lots: what has to be done.
        offers: what may be used; tiers whose limit an invocation may hit are left out.
        within_s: seconds from now; None: whenever.
        max_cost: nano-dollars; None: whatever.
        most: slots at once, of all offers together; None: as many as are offered.

    Raises:
        CallerError: as `quote`.
    """
    fitting = [offer for offer in offers if offer.most > 0 and fits(lots, offer)]
    if not fitting:
        return Declined("no tier that is offered can hold an invocation as long as these.", ())
    ordered = sorted(fitting, key=lambda offer: _each(lots, offer))
    widest = min(sum(offer.most for offer in ordered), most or sum(offer.most for offer in ordered))
    asked: dict[int, Quote] = {}

    def at(width: int) -> Quote:
        if width not in asked:
            asked[width] = quote(lots, _filled(ordered, width))
        return asked[width]

    def in_time(width: int) -> bool:
        return within_s is None or at(width).seconds.high <= within_s

    def for_the_money(width: int) -> bool:
        return max_cost is None or at(width).cost.high <= max_cost

    # Wider is sooner, and never cheaper. What is answered was itself quoted, so it holds even where the draws
    # of two widths are not in order.
    if not in_time(widest):
        nearly = at(widest).seconds.high * 1.02
        soonest = _least(widest, lambda width: at(width).seconds.high <= nearly)
        return Declined(_too_late(at(soonest), within_s or 0.0), (at(soonest),))
    width = _least(widest, in_time)
    if for_the_money(width):
        return at(width)
    instead = [at(width)]
    if for_the_money(1):
        instead.append(at(_edge(1, width, for_the_money)))
    return Declined(_too_dear(instead, max_cost or 0, within_s), tuple(instead))


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


# -- which slots ---------------------------------------------------------------------------------------------


def fits(lots: Sequence[Lot], offer: Offer) -> bool:
    """Whether every invocation stays below a tier's limit, 99 times out of 100."""
    return all(_fits(lot, offer) for lot in lots)


def _fits(lot: Lot, offer: Offer) -> bool:
    """Whether an invocation stays below the tier's limit 99 times out of 100."""
    estimate = lot.estimates.get(offer.tier.name)
    if estimate is None:
        return False
    return offer.limit_s is None or estimate.quantile(0.99) <= offer.limit_s


def _each(lots: Sequence[Lot], offer: Offer) -> tuple[int, float]:
    """What all of it costs on one tier, and how long it takes there: the least is taken first."""
    means = [(lot.count, lot.estimates[offer.tier.name].mean) for lot in lots]
    cost = sum(count * price_of(offer, mean) for count, mean in means)
    return cost, sum(count * mean for count, mean in means)


def _filled(ordered: Sequence[Offer], width: int) -> list[Taken]:
    out = []
    for offer in ordered:
        count = min(offer.most, width)
        width -= count
        if count:
            out.append(Taken(offer, count))
    return out


def _least(widest: int, holds: Callable[[int], bool]) -> int:
    """A width at which `holds`, as it does at `widest`, and does not at one less."""
    return 1 if holds(1) else _edge(widest, 1, holds)


def _edge(found: int, fails: int, holds: Callable[[int], bool]) -> int:
    """A width at which `holds`, as it does at `found`, and does not at the one next to it towards `fails`."""
    while abs(fails - found) > 1:
        middle = (found + fails) // 2
        if holds(middle):
            found = middle
        else:
            fails = middle
    return found


def _too_late(soonest: Quote, within_s: float) -> str:
    return (
        f"not within {format_duration(within_s)}: with {_named(soonest)} it is done in"
        f" {format_duration(soonest.seconds.likely)}, at the latest in"
        f" {format_duration(soonest.seconds.high)}, and costs about"
        f" {format_dollars(round(soonest.cost.likely))}."
    )


def _too_dear(instead: Sequence[Quote], max_cost: int, within_s: float | None) -> str:
    dear = instead[0]
    when = "" if within_s is None else f" within {format_duration(within_s)}"
    text = (
        f"not for {format_dollars(max_cost)}: it may cost {format_dollars(round(dear.cost.high))}{when},"
        f" with {_named(dear)}"
    )
    if len(instead) == 1:
        return f"{text}; nothing that is offered is cheaper."
    later = instead[1]
    return (
        f"{text}; for at most {format_dollars(round(later.cost.high))} it is done in"
        f" {format_duration(later.seconds.likely)}, at the latest in {format_duration(later.seconds.high)},"
        f" with {_named(later)}."
    )


def _named(one: Quote) -> str:
    return " and ".join(f"{count} of {name}" for name, count in one.slots)
