"""Which tier an invocation goes to: pure, from what it needs, how long it should take, and what that costs.

Of the tiers that nothing speaks against (`core/capacity/fitting.py`), short and small work takes one that
starts a machine for every invocation (previews, the first seconds of a clip, an inspection), and other work
takes hosts. Among those it is the cheapest, transfer from and to other regions included. A class may say what
a second sooner is worth to it: then long work, too, goes where all in all it costs least. Where a price is
not known, that speaks against a tier. Work that a tier stopped because it was too big for it never goes to a
tier of that size again. Work that has waited for long may hop to where it would end much sooner.

This module must not know queues, hosts or clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Final

from rushes.core.capacity.fitting import Routable, RoutingPolicy, objection, why_small
from rushes.core.money import HOUR_US, owed
from rushes.core.spending.prices import PriceBook
from rushes.core.tiers import Tier
from rushes.errors import CallerError
from rushes.units import format_duration, format_size

__all__ = ["Market", "NoRoute", "Objection", "Route", "Stay", "hop", "route"]

SHARES: Final = 1000
"""Parts of a host that are counted: work that needs 2 of 8 cores pays for 250 of them."""


@dataclass(frozen=True, slots=True)
class Market:
    """What there is to choose from.

    Args:
        tiers: by name; of equal ones the first is taken.
        book: what they cost.
        waits: by tier, seconds until work would start there, the start of hosts included; 0 where not named.
    """

    tiers: Mapping[str, Tier]
    book: PriceBook
    waits: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a tier is out of the question."""

    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where it goes.

    Args:
        tier: there.
        reason: in one sentence.
        cost_nano: nano-dollars that it is expected to cost, transfer included; None where no run time is
            known.
        ends_s: seconds from now until it is expected to end; None likewise.
        objections: to the other tiers.
    """

    tier: str
    reason: str
    cost_nano: int | None
    ends_s: float | None
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class NoRoute:
    """No tier can do it; `reason` says of each why not."""

    reason: str
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """Where an invocation waits: on which tier, since when, and how often it has hopped before."""

    tier: str
    since: float
    hops: int = 0


@dataclass(frozen=True, slots=True)
class _Option:
    """A tier that nothing speaks against. Where no run time is known, as if it were a second, to compare."""

    tier: Tier
    cost_nano: int
    ends_s: float


def route(work: Routable, market: Market, policy: RoutingPolicy) -> Route | NoRoute:
    """Where an invocation goes."""
    options, objections = _options(work, market, policy)
    if not options:
        return NoRoute(_nowhere(objections), objections)
    small = why_small(work, policy)
    worth = policy.worth_nano.get(work.priority, 0)
    fitting = [option for option in options if option.tier.per_invocation == bool(small)]
    if worth and not small and work.run_s is not None and fitting:
        fitting = options  # a host that has to start first is not sooner
    best = min(fitting or options, key=lambda o: (o.cost_nano + ceil(worth * o.ends_s), o.ends_s))
    why = f"it is {small}" if small else _why_long(work, policy)
    if not fitting:
        lacking = "no tier that runs such work by itself" if small else "no host"
        why += f", but {lacking} can take it"
    if (among := len(fitting or options)) > 1:
        why += f"; {'the best by cost and end' if worth else 'the cheapest'} of {among} tiers"
    if work.outgrew:
        sizes = " and ".join(one.size.value for one in work.outgrew)
        why += f"; it was too big for the {sizes} that it had before"
    known = work.run_s is not None
    return Route(
        best.tier.name,
        f"{best.tier.name}: {why}.",
        best.cost_nano if known else None,
        best.ends_s if known else None,
        objections,
    )


def hop(work: Routable, stay: Stay, market: Market, policy: RoutingPolicy, *, now: float) -> Route | None:
    """Where work goes that has waited for long; None: it stays.

    `market.waits` has, for the tier where it waits, how long it still will. Work whose run time nobody knows
    stays.
    """
    waited_s = now - stay.since
    if waited_s < policy.hop_after_s or stay.hops >= policy.most_hops or work.run_s is None:
        return None
    options, objections = _options(work, market, policy)
    here = next((option for option in options if option.tier.name == stay.tier), None)
    ends_s = inf if here is None else here.ends_s / policy.hop_gain
    dearest = inf if here is None else here.cost_nano * policy.hop_dearer + policy.hop_extra_nano
    others = [
        option
        for option in options
        if option is not here and option.ends_s <= ends_s and option.cost_nano <= dearest
    ]
    if not others:
        return None
    best = min(others, key=lambda option: (option.cost_nano, option.ends_s))
    reason = (
        f"{best.tier.name}: it has waited {format_duration(waited_s)} for {stay.tier}, and is expected to "
        f"end here in {format_duration(best.ends_s)}"
    )
    if here is not None:
        reason += f" instead of {format_duration(here.ends_s)}"
    return Route(best.tier.name, f"{reason}.", best.cost_nano, best.ends_s, objections)


def _options(
    work: Routable, market: Market, policy: RoutingPolicy
) -> tuple[list[_Option], tuple[Objection, ...]]:
    options: list[_Option] = []
    objections: list[Objection] = []
    for tier in market.tiers.values():
        reason = objection(work, tier, policy)
        if not reason:
            try:
                cost = _cost(work, tier, market.book)
            except CallerError as error:
                reason = error.message.rstrip(".")
            else:
                run_s = (1.0 if work.run_s is None else work.run_s) / tier.speed
                options.append(_Option(tier, cost, market.waits.get(tier.name, 0.0) + run_s))
                continue
        objections.append(Objection(tier.name, reason))
    return options, tuple(objections)


def _cost(work: Routable, tier: Tier, book: PriceBook) -> int:
    """Nano-dollars of the machine's time and of the transfer, there and back.

    Raises:
        CallerError: a price is not known.
    """
    price = book.tier(tier.price)
    run_us = ceil((1.0 if work.run_s is None else work.run_s) / tier.speed * 1_000_000)
    share = SHARES if tier.per_invocation else _share(work, tier)
    cost = owed(price.hour_nano, run_us * share, HOUR_US * SHARES) + price.request_nano
    if work.region:
        cost += book.transfer_cost(work.region, tier.region, work.source_bytes)
    if work.out_region:
        cost += book.transfer_cost(tier.region, work.out_region, work.out_bytes)
    return cost


def _share(work: Routable, tier: Tier) -> int:
    """Which part of a host it takes, by what it takes most of."""
    machine = tier.machine
    share = max(work.cpu / machine.cpu, work.memory_bytes / machine.memory_bytes)
    if machine.scratch_bytes:
        share = max(share, work.scratch_bytes / machine.scratch_bytes)
    if work.device:
        share = max(share, 1 / machine.devices[work.device])
    return ceil(share * SHARES)


def _why_long(work: Routable, policy: RoutingPolicy) -> str:
    if work.run_s is None:
        return "nobody knows yet how long it takes"
    if work.run_s > policy.short_s:
        return f"it is long ({format_duration(work.run_s)})"
    return f"its source is large ({format_size(work.source_bytes)})"


def _nowhere(objections: tuple[Objection, ...]) -> str:
    if not objections:
        return "There are no tiers."
    return f"No tier can do it. {'; '.join(f'{one.tier}: {one.reason}' for one in objections)}."
