"""Which slots would do a batch in time and for the money, or why none would.

`solve` takes slots in the order of what an invocation costs on them, as few as are needed to be done in time,
counting on the late end of a quote's interval and on the dear one; or it says why not, with what is possible
instead. This module must not know clocks, nor how a batch is played through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rushes.core.money import format_dollars
from rushes.core.spending.quote import Lot, Offer, Quote, Taken, price_of, quote
from rushes.units import format_duration

__all__ = ["Declined", "fits", "solve"]


@dataclass(frozen=True, slots=True)
class Declined:
    """Why not, and what would be possible.

    Args:
        sentence: for a person.
        instead: counter-offers: in time but dearer, or for the money but later.
    """

    sentence: str
    instead: tuple[Quote, ...]


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
