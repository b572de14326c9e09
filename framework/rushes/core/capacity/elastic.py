"""What elastic capacity is decided from, and what is decided: policies, a snapshot, a plan, as values.

A *fleet policy* speaks of one tier and, where that is bought as spot, of the tier on demand that stands in
when no spot is to be had; their hosts pull the same work. `core/capacity/scaling.py` explains how the numbers
are used. This module must not know how anything is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, isfinite

from rushes.core.capacity.hours import Hours
from rushes.core.capacity.steps import Absolute, Incremental
from rushes.core.classes import ClassPolicy
from rushes.core.hosts import Host, Refusal
from rushes.core.tiers import Purchase, Tier
from rushes.errors import CallerError

__all__ = [
    "Backlog",
    "Desired",
    "FleetMemory",
    "FleetPolicy",
    "Memory",
    "Plan",
    "ScalingPolicy",
    "Snapshot",
    "aimed",
    "aimed_at",
]


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """How one fleet grows and shrinks.

    Args:
        tier: whose hosts are ordered.
        maximum: hosts at most, those of `fallback` counted in.
        minimum: hosts that are kept warm when there is nothing to do.
        fallback: the tier that is ordered when `tier` is not to be had; "" for none.
        steps: a step table, or None.
        drain_s: by class, in how many seconds all of its work is to be done; ``inf`` for a class for which
            no host is started: it runs on those that others needed.
        other_drain_s: the same for a class that is not named.
        at_once: invocations that one host runs side by side.
        idle_s: a host that has been idle for so long may go.
        calm_s: no host goes before fewer have been enough for so long without a break.
        tolerance: the work may be over what the hosts can do by this share before another is started.
        overdue_s: a host that has not come up by then is given up; 0 for three times the tier's start-up
            time, and at least five minutes.
        fallback_after_s: an order of a tier with a fallback that is not filled by then is given up.
        retry_s: after a refusal the fallback is ordered for so long.
        again_s: a tier that was refused is not ordered for so long, where nothing stands in for it.
        schedule: other minima and maxima by hour of day; the first that applies holds.

    Raises:
        CallerError: a number that cannot be; it names the tier and the field.
    """

    tier: str
    maximum: int
    minimum: int = 0
    fallback: str = ""
    steps: Absolute | Incremental | None = None
    drain_s: Mapping[str, float] = field(default_factory=dict, hash=False)
    other_drain_s: float = 3600.0
    at_once: float = 1.0
    idle_s: float = 600.0
    calm_s: float = 120.0
    tolerance: float = 0.1
    overdue_s: float = 0.0
    fallback_after_s: float = 120.0
    retry_s: float = 600.0
    again_s: float = 60.0
    schedule: tuple[Hours, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum:
            raise _refused(self.tier, "minimum", f"{self.minimum}, with a maximum of {self.maximum}")
        if self.fallback == self.tier:
            raise _refused(self.tier, "fallback", "the tier itself")
        for name in ("idle_s", "calm_s", "tolerance", "overdue_s", "fallback_after_s", "retry_s", "again_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise _refused(self.tier, name, str(value))
        if not (isfinite(self.at_once) and self.at_once > 0):
            raise _refused(self.tier, "at_once", str(self.at_once))
        for priority, seconds in {**self.drain_s, "any other": self.other_drain_s}.items():
            if not seconds > 0:
                raise _refused(self.tier, f"drain_s of {priority}", f"{seconds:g}")

    @property
    def tiers(self) -> tuple[str, ...]:
        """Whose hosts are counted: the tier, and its fallback."""
        return (self.tier, self.fallback) if self.fallback else (self.tier,)

    def target_s(self, priority: str) -> float:
        """In how many seconds the work of a class is to be done."""
        return self.drain_s.get(priority, self.other_drain_s)

    def starts_hosts(self, priority: str) -> bool:
        return self.target_s(priority) < inf


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """All fleets, and what they may cost together.

    Args:
        fleets: the first has the first claim on the money.
        most_per_hour: nano-dollars that all hosts may cost an hour; None for no cap.
    """

    fleets: tuple[FleetPolicy, ...]
    most_per_hour: int | None = None

    def check(self, tiers: Mapping[str, Tier], prices: Mapping[str, int]) -> None:
        """Refuse what cannot be carried out.

        Raises:
            CallerError: a tier that does not exist, is in two fleets, or has no hosts to be scaled; a
                fallback that is spot itself; a cap on money with a tier of unknown price.
        """
        seen: set[str] = set()
        for fleet in self.fleets:
            for name in fleet.tiers:
                if name not in tiers:
                    raise _refused(fleet.tier, "tier", f"{name!r}, which does not exist")
                if name in seen:
                    raise _refused(fleet.tier, "tier", f"{name!r}, which another fleet has")
                if tiers[name].per_invocation:
                    raise _refused(fleet.tier, "tier", f"{name!r}, which has no hosts: it scales by itself")
                if self.most_per_hour is not None and prices.get(name, -1) < 0:
                    raise CallerError(
                        f"There is a cap on the cost an hour, and no price for the tier {name!r}.",
                        code="no-price",
                        fix="Add the tier's price to the price book, or take the cap off.",
                        details={"tier": name},
                    )
                seen.add(name)
            if fleet.fallback and tiers[fleet.fallback].purchase is Purchase.spot:
                raise _refused(
                    fleet.tier, "fallback", f"{fleet.fallback!r}, which is spot and may be refused"
                )


def aimed(policy: ScalingPolicy, classes: Iterable[ClassPolicy]) -> ScalingPolicy:
    """A policy that keeps to the targets of classes, where a fleet does not name another for a class."""
    return aimed_at(policy, {one.name: one.target_s for one in classes if one.target_s})


def aimed_at(policy: ScalingPolicy, targets: Mapping[str, float]) -> ScalingPolicy:
    """The same of targets by class, in seconds."""
    if not targets:
        return policy
    fleets = tuple(replace(one, drain_s={**targets, **one.drain_s}) for one in policy.fleets)
    return replace(policy, fleets=fleets)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The unfinished work of one class on one tier. A host that holds work does not make it less.

    Args:
        tier: for which it waits.
        priority: its class.
        waiting: invocations that no host has.
        running: invocations that a host has.
        work_s: expected seconds, of one invocation after the other, until all of them are done.
        widest: hosts that the largest of them takes at once; more than one only where hosts lend one another
            what they have, as the slots of one machine do.
    """

    tier: str
    priority: str
    waiting: int = 0
    running: int = 0
    work_s: float = 0.0
    widest: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is at one moment.

    Args:
        backlog: unfinished work.
        hosts: every host that costs money or is ordered.
        refusals: what providers refused of late; the same one may be seen again and again.
        utc_offset_s: how far the clock on the wall is ahead of UTC now.
    """

    backlog: tuple[Backlog, ...] = ()
    hosts: tuple[Host, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    utc_offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FleetMemory:
    """What is remembered of a fleet from one decision to the next.

    Args:
        grew_at: when hosts were last ordered.
        below_since: since when fewer hosts would be enough, without a break.
        refused_at: when its tier was last not to be had.
        orders: how many orders there have been: each has a token of its own.
    """

    grew_at: float | None = None
    below_since: float | None = None
    refused_at: float | None = None
    orders: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of all fleets.

    Args:
        fleets: by the name of their tier.
        series: begins every token: tells the orders of a scaler that lost its memory from earlier ones.
    """

    fleets: Mapping[str, FleetMemory] = field(default_factory=dict, hash=False)
    series: str = ""

    def of(self, tier: str) -> FleetMemory:
        return self.fleets.get(tier, FleetMemory())


@dataclass(frozen=True, slots=True)
class Desired:
    """What is wanted of one tier.

    Args:
        tier: of which.
        size: hosts that there are to be: those that stay, and those that are ordered now.
        order: hosts to be ordered now.
        release: hosts to be let go now; none of them is busy.
        drain: busy hosts that are to take no more work, and to go when they have done what they have.
        token: of this order: carried out twice under the same token, it is one order.
        reason: why, in one sentence.
        least, most: hosts of its fleet that are kept, and that there may be, at this hour.
    """

    tier: str
    size: int
    order: int
    release: tuple[str, ...]
    token: str
    reason: str
    drain: tuple[str, ...] = ()
    least: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision: a row for each tier, in the order of the policy, and what to remember until the next.

    Args:
        desired: the rows.
        memory: to be given to the next decision, once every order has been answered. Until then the memory
            before stays: the next decision orders under the same tokens, which are the same orders.
        per_hour: nano-dollars an hour that all hosts cost, those ordered now counted in, those that are let
            go still counted in: they cost until they are gone.
    """

    desired: tuple[Desired, ...]
    memory: Memory
    per_hour: int = 0

    def of(self, tier: str) -> Desired:
        """The row of a tier."""
        return next(row for row in self.desired if row.tier == tier)


def _refused(tier: str, name: str, found: str) -> CallerError:
    return CallerError(
        f"The fleet of {tier!r} cannot have {found} as its {name}.",
        code="bad-fleet",
        fix=f"Correct {name} in the policy of {tier!r}.",
        details={"tier": tier, "field": name},
    )
