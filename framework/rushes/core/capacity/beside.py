"""Of one fleet two: the hosts that stay as they are, and a few beside them that run a version on trial. Pure.

Both together are never more than the fleet's `maximum`, at any moment, whatever a share becomes: a host on
trial comes only where one of the others has gone, or was never there. While the trial goes on its hosts may
be as large a part of the fleet as the version has of the work, one at least, and that part is kept free of
others, so that a version is not slow for want of a host. A fleet that may have one host has no room for
another. This module must not know what a version is, nor how a share is decided.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from math import floor
from typing import Final, NamedTuple

from rushes.core.capacity.elastic import FleetPolicy
from rushes.core.capacity.hours import Hours
from rushes.core.hosts import Host

__all__ = [
    "LEAST_FLEET",
    "SUFFIX",
    "Parts",
    "at_most",
    "fleet_beside",
    "parted",
    "shared_out",
    "stage_of",
    "untouched",
    "usual",
]

SUFFIX: Final = "-trial"
"""What the names of tiers, groups and functions end in that run a version on trial."""
LEAST_FLEET: Final = 2
"""Hosts that a fleet has to be allowed for one of them to be on trial."""
ALL: Final = 100.0


class Parts(NamedTuple):
    """How many hosts there may be of a fleet: of those that stay as they are, and of those on trial."""

    usual: int
    tried: int


def usual(name: str) -> str:
    """The tier, or group, that one on trial stands beside."""
    return name.removesuffix(SUFFIX)


def stage_of(shares: Iterable[float]) -> float:
    """How far trials are that have hosts together: per cent of the work that the widest has that goes on.

    Where all are over it is 100 as long as one of them took over, whose waiting work its hosts still do; and
    0 where all went back: what waits is for others then.
    """
    all_ = [*shares]
    going_on = [one for one in all_ if 0 < one < ALL]
    return max(going_on) if going_on else max(all_, default=0.0)


def parted(maximum: int, share: float, usual_there: int, tried_there: int, *, waits: bool) -> Parts:
    """How many hosts of either kind there may be now.

    Args:
        maximum: of both together.
        share: as `stage_of` has it.
        usual_there: hosts of the one kind that are there or on their way.
        tried_there: of the other.
        waits: something waits for hosts on trial.
    """
    kept = _kept(maximum, share, waits=waits)
    # A host on trial that is still there keeps its place until it is gone; one that is to come waits for one.
    return Parts(
        max(maximum - max(kept, tried_there), 0),
        max(min(kept, maximum - usual_there), 0),
    )


def _kept(maximum: int, share: float, *, waits: bool) -> int:
    """Places of a fleet that are for hosts on trial."""
    if maximum < LEAST_FLEET or share <= 0:
        return 0
    if share >= ALL:  # it is over, and nothing new comes
        return maximum // 2 if waits else 0
    return max(floor(maximum * share / 100), 1)


def untouched(
    since: Mapping[str, float],
    waits: Iterable[str],
    there: Container[str],
    busy: Container[str],
    now: float,
) -> dict[str, float]:
    """Since when work has waited for fleets on trial whose hosts came, and of which none took any.

    A fleet that has had no host yet is waited for: there is no room, or no money, and that is no fault of a
    version.

    Args:
        since: as it was at the last look, by the tier of the fleet.
        waits: tiers of fleets on trial for which something waits.
        there: of which a host is there, or on its way.
        busy: of which one works.
        now: UTC epoch seconds.
    """
    return {
        tier: since.get(tier, now) for tier in waits if tier not in busy and (tier in since or tier in there)
    }


def fleet_beside(fleet: FleetPolicy) -> FleetPolicy:
    """The fleet on trial beside another, as large as that; none of it is kept warm."""
    schedule = tuple(replace(one, minimum=None) for one in fleet.schedule)
    fallback = f"{fleet.fallback}{SUFFIX}" if fleet.fallback else ""
    return replace(fleet, tier=f"{fleet.tier}{SUFFIX}", fallback=fallback, minimum=0, schedule=schedule)


def at_most(fleet: FleetPolicy, count: int) -> FleetPolicy:
    """A fleet of which there are no more than so many hosts to be had: both kinds share those, too."""
    schedule = tuple(
        replace(
            one,
            minimum=None if one.minimum is None else min(one.minimum, count),
            maximum=None if one.maximum is None else min(one.maximum, count),
        )
        for one in fleet.schedule
    )
    maximum, minimum = min(fleet.maximum, count), min(fleet.minimum, count)
    return replace(fleet, maximum=maximum, minimum=minimum, schedule=schedule)


def shared_out(
    fleets: Sequence[FleetPolicy],
    shares: Mapping[str, float],
    hosts: Iterable[Host],
    waits: Container[str],
) -> tuple[FleetPolicy, ...]:
    """Fleets with the sizes that they may have now; those on trial come first, as their share is the smaller.

    Args:
        fleets: as a person has decided on them.
        shares: of the fleets that have another beside them, by their tier, as `stage_of` has it.
        hosts: all that are there or on their way.
        waits: tiers of fleets on trial for which something waits.
    """
    there: dict[str, int] = {}
    for host in hosts:
        there[host.tier] = there.get(host.tier, 0) + 1
    tried, others = list[FleetPolicy](), list[FleetPolicy]()
    for fleet in fleets:
        if fleet.tier not in shares:
            others.append(fleet)
            continue
        beside = fleet_beside(fleet)
        counts = [sum(there.get(name, 0) for name in one.tiers) for one in (fleet, beside)]
        one, other = _sized(fleet, beside, shares[fleet.tier], counts, waits=beside.tier in waits)
        others.append(one)
        tried.append(other)
    return (*tried, *others)


def _sized(
    fleet: FleetPolicy, beside: FleetPolicy, share: float, counts: Sequence[int], *, waits: bool
) -> tuple[FleetPolicy, FleetPolicy]:
    def of(maximum: int) -> Parts:
        return parted(maximum, share, counts[0], counts[1], waits=waits)

    whole = of(fleet.maximum)
    hours = [None if one.maximum is None else of(one.maximum) for one in fleet.schedule]
    schedule = zip(fleet.schedule, hours, strict=True)
    return (
        replace(
            fleet,
            maximum=whole.usual,
            minimum=min(fleet.minimum, whole.usual),
            schedule=tuple(_lowered(one, whole.usual if its is None else its.usual) for one, its in schedule),
        ),
        replace(
            beside,
            maximum=whole.tried,
            schedule=tuple(
                one if its is None else replace(one, maximum=its.tried)
                for one, its in zip(beside.schedule, hours, strict=True)
            ),
        ),
    )


def _lowered(hours: Hours, most: int) -> Hours:
    """Hours with at most so many hosts."""
    minimum = None if hours.minimum is None else min(hours.minimum, most)
    return replace(hours, minimum=minimum, maximum=None if hours.maximum is None else most)
