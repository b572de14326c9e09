"""Which tier each invocation is on, from its admission until its end: pure; `routing` says which is best.

    admitted      where `route` says; refused where no tier can do it
    waits long    it may hop, a few times at most, to where it would end much sooner
    begins        it hops no more
    outgrows      a tier stopped it at its limit while it got on: it goes to a tier of another size, or it has
                  failed and that says why; it never comes back to a tier of a size that it was too big for
    fails         otherwise, `retry` decides, and it stays where it is

Where there is one tier there is nothing to choose, and nothing is asked (`chooses`). This module must not
know queues, hosts or clocks, nor what becomes of work on its tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from rushes.core.capacity.fitting import Routable, RoutingPolicy, outgrown
from rushes.core.capacity.routing import Market, NoRoute, Route, Stay, hop, route
from rushes.core.spending.prices import PriceBook
from rushes.core.tiers import Tier

__all__ = ["Hop", "TierRouter"]


class Hop(NamedTuple):
    """An invocation leaves a tier for another; `route` says which, and why."""

    id: int
    tier: str
    route: Route


@dataclass(slots=True)
class _Placed:
    work: Routable
    stay: Stay
    begun: bool = False


class TierRouter:
    """The tiers of one engine, and what is on them.

    Args:
        tiers: that this engine can reach, by name; of equal ones the first is taken.
        book: what they cost.
        policy: what a person has decided.
    """

    def __init__(self, tiers: Mapping[str, Tier], book: PriceBook, policy: RoutingPolicy) -> None:
        self._tiers = dict(tiers)
        self._book = book
        self._policy = policy
        self._placed: dict[int, _Placed] = {}

    @property
    def chooses(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._tiers) > 1

    def tier_of(self, id: int) -> str | None:  # noqa: A002 - named as everywhere
        """Where an invocation is; None for one that is on no tier."""
        placed = self._placed.get(id)
        return None if placed is None else placed.stay.tier

    def admit(self, id: int, work: Routable, waits: Mapping[str, float], now: float) -> Route | NoRoute:  # noqa: A002
        """Where an invocation goes.

        Args:
            id: it.
            work: what is known of it.
            waits: by tier, seconds until work that comes now would start there.
            now: UTC epoch seconds.
        """
        found = route(work, self._market(waits), self._policy)
        if isinstance(found, Route):
            self._placed[id] = _Placed(work, Stay(found.tier, now))
        return found

    def begins(self, id: int) -> None:  # noqa: A002
        """It has been given to a host: it waits no longer."""
        if id in self._placed:
            self._placed[id].begun = True

    def waits_again(self, id: int, now: float) -> None:  # noqa: A002
        """It is to be tried again where it is."""
        placed = self._placed.get(id)
        if placed is not None:
            placed.begun = False
            placed.stay = replace(placed.stay, since=now)

    def hops(self, waits: Mapping[str, float], now: float) -> list[Hop]:
        """Who leaves its tier now, having waited for long; each has moved when this returns."""
        found = []
        market = self._market(waits)
        for id_, placed in self._placed.items():
            if placed.begun:
                continue
            there = hop(placed.work, placed.stay, market, self._policy, now=now)
            if there is not None:
                found.append(Hop(id_, placed.stay.tier, there))
                placed.stay = Stay(there.tier, now, placed.stay.hops + 1)
        return found

    def failed(
        self,
        id: int,  # noqa: A002
        code: str,
        ran_s: float,
        waits: Mapping[str, float],
        now: float,
        *,
        progressed: bool,
    ) -> Route | NoRoute | None:
        """Where an invocation goes whose attempt has failed; None where its size is not what was wrong.

        `NoRoute`: it has failed for good, and is on no tier any more.
        """
        placed = self._placed.get(id)
        if placed is None:
            return None
        tier = self._tiers[placed.stay.tier]
        size = outgrown(code, tier, ran_s, progressed=progressed)
        if size is None:
            return None
        work = replace(placed.work, outgrew=(*placed.work.outgrew, size))
        found = route(work, self._market(waits), self._policy)
        if isinstance(found, Route):
            self._placed[id] = _Placed(work, Stay(found.tier, now))
        else:
            self.ended(id)
        return found

    def ended(self, id: int) -> None:  # noqa: A002
        """It is on no tier any more."""
        self._placed.pop(id, None)

    def _market(self, waits: Mapping[str, float]) -> Market:
        return Market(self._tiers, self._book, waits)
