"""A virtual pool beside tiers on which every invocation has a machine of its own: what goes where.

`core/capacity/router.py` says it of each batch as it arrives, from what its invocations need and should take.
What is short goes to a machine of its own; what reaches the limit there goes up to the pool, and what it had
cost is waste. This module must not know how hosts are ordered.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

from rushes.core.capacity.fitting import Routable, RoutingPolicy
from rushes.core.capacity.router import TierRouter
from rushes.core.capacity.routing import NoRoute, Route
from rushes.core.events import Queued
from rushes.core.money import micros
from rushes.core.ordering import order_of
from rushes.core.spending.prices import PriceBook
from rushes.core.tiers import Tier
from rushes.simulator.ruled import RuledPool

__all__ = ["Alone", "RoutedPool", "Routes"]


@dataclass(frozen=True, slots=True)
class Routes:
    """Where work may go: those tiers whose hosts are the pool, and those without hosts.

    Args:
        tiers: by name; of equal ones the first is taken.
        book: what they cost.
        policy: what a person, and the classes, have decided.
    """

    tiers: Mapping[str, Tier]
    book: PriceBook
    policy: RoutingPolicy


@dataclass(slots=True)
class Alone:
    """What ran on a tier without hosts.

    Args:
        runs, seconds: of machines.
        nano: nano-dollars; `wasted_nano` of it for what reached the limit.
    """

    runs: int = 0
    seconds: float = 0.0
    nano: int = 0
    wasted_nano: int = 0
    _ends: list[float] = field(default_factory=list)

    def begins(self, now: float, most: int | None) -> float:
        """When one that comes now can begin, where so many may run at once."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        return now if most is None or len(self._ends) < most else heappop(self._ends)

    def ran(self, begins: float, seconds: float) -> None:
        """One runs from then on."""
        self.runs += 1
        self.seconds += seconds
        heappush(self._ends, begins + seconds)


class RoutedPool(RuledPool):
    """One run of a load whose batches go to different tiers."""

    def __init__(self, *given: Any, routes: Routes | None = None, **more: Any) -> None:
        super().__init__(*given, **more)
        router = None if routes is None else TierRouter(routes.tiers, routes.book, routes.policy)
        self._routes = routes
        self._router = router if router is not None and router.chooses else None
        self._tier_of: dict[int, str] = {}
        """By the number of the batch."""
        self._went_up: dict[int, Route | NoRoute | None] = {}
        self.alone: dict[str, Alone] = {}

    def _waits(self) -> Mapping[str, float]:
        """By tier, seconds until work that comes now would start there."""
        return {}

    def _arrive(self, number: int, first: int) -> None:
        if self._router is None or self._routes is None:
            super()._arrive(number, first)
            return
        found = self._router.admit(number, self._work(number), self._waits(), self._now)
        count = self._load[number].count
        if isinstance(found, NoRoute):
            self._refuse(number, first, found)
            return
        self._tier_of[number] = found.tier
        tier = self._routes.tiers[found.tier]
        if not tier.per_invocation:
            super()._arrive(number, first)
            return
        self.trace.submitted[first : first + count] = array("d", repeat(self._now, count))
        self._under_way += count
        self._waiting[number] = self._under_way_of[number] = count
        for id_ in range(first, first + count):
            self._run_alone(id_, tier)

    def _refuse(self, number: int, first: int, found: NoRoute) -> None:
        count = self._load[number].count
        self.trace.submitted[first : first + count] = array("d", repeat(self._now, count))
        self.trace.held[self._load[number].batch] = f"can go nowhere. {found.reason}"
        self._left -= count

    def _work(self, number: int) -> Routable:
        arrival = self._load[number]
        tiers = self._routes.tiers.values() if self._routes is not None else ()
        families = [name for tier in tiers for name in tier.machine.devices]
        return Routable(
            priority=self._queues[number].priority,
            cpu=arrival.cpu,
            memory_bytes=round(arrival.memory),
            scratch_bytes=round(arrival.scratch),
            device=families[0] if arrival.gpu and families else "",
            run_s=arrival.mean_s,
            late_s=arrival.late_s,
            media_s=arrival.media_s or None,
        )

    # -- a machine of its own -------------------------------------------------------------------------------

    def _run_alone(self, id_: int, tier: Tier) -> None:
        alone = self.alone.setdefault(tier.name, Alone())
        begins = alone.begins(self._now, tier.limits.at_once) + tier.start_s
        limit_s, takes_s = tier.limits.run_s, self._seconds[id_] / tier.speed
        over = limit_s is not None and takes_s > limit_s
        seconds = limit_s if limit_s is not None and over else takes_s
        alone.ran(begins, seconds)
        if self._routes is not None:
            price = self._routes.book.tier(tier.price)
            nano = price.cost(micros(seconds)) + price.request_nano
            alone.nano += nano
            alone.wasted_nano += nano if over else 0
        self._at(begins, self._alone_begins, id_)
        self._at(begins + seconds, self._alone_over if over else self._alone_ends, id_)

    def _alone_begins(self, id_: int, _other: int) -> None:
        self.trace.started[id_] = self._now
        number = self._batch_of[id_]
        self._waiting[number] -= 1
        if not self._waiting[number]:
            del self._waiting[number]

    def _alone_ends(self, id_: int, _other: int) -> None:
        self.trace.ended[id_] = self._now
        self._leave(self._batch_of[id_])

    def _leave(self, number: int) -> None:
        self._left -= 1
        self._under_way -= 1
        self._under_way_of[number] -= 1
        if not self._under_way_of[number]:
            del self._under_way_of[number]

    def _alone_over(self, id_: int, _other: int) -> None:
        """It was getting on when its tier stopped it: it is for another, as all like it."""
        number, router = self._batch_of[id_], self._router
        if number not in self._went_up and router is not None and self._routes is not None:
            limit_s = self._routes.tiers[self._tier_of[number]].limits.run_s or 0.0
            self._went_up[number] = router.failed(
                number, "time-limit", limit_s, self._waits(), self._now, progressed=True
            )
        found = self._went_up[number]
        arrival = self._load[number]
        if not isinstance(found, Route):
            self.trace.held[arrival.batch] = "was too long for its tier, and there is no larger one."
            self._leave(number)
            return
        self._tier_of[number] = found.tier
        queue = self._queues[number]
        order = order_of(arrival.deadline, arrival.at)
        self._outside.put(queue, order, range(id_, id_ + 1), arrival.at, self._shapes[number])
        self._tell(Queued(queue, 1))
