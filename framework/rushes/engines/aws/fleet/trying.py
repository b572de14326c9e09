"""The hosts of an environment that try versions: how many there may be, and whether they do anything.

`rushes.core.capacity.beside` decides how a fleet is shared; here shares come to it, and what follows goes
back to the trials. This module must not know how ECS is asked.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from rushes.core.capacity.beside import at_most, shared_out, stage_of, untouched, usual
from rushes.units import format_duration

if TYPE_CHECKING:
    from rushes.core.capacity.elastic import FleetPolicy
    from rushes.core.hosts import Host
    from rushes.engines.aws.fleet.scaling import FleetsPlan

__all__ = ["Tried", "TryingFleets"]

LEFT_LYING_S: Final = 1800.0
START_UPS: Final = 3.0
"""Hosts that try a version and take none of what waits for it for so long, or as many times as they take to
come up, never will: their image does not start, say. Nobody else would do that work."""


class Tried(Protocol):
    """What is asked of trials, and told them."""

    def shares(self, functions: Iterable[str]) -> Mapping[str, float]:
        """Per cent of the work that the new version of each has."""
        ...

    def give_up(self, function: str, reason: str) -> bool:
        """Let a new version have nothing more, where its trial goes on; whether it did."""
        ...


class TryingFleets:
    """The fleets of a plan with those beside them that try versions.

    Args:
        plan: of the environment.
        trials: of the functions that they try.
    """

    def __init__(self, plan: FleetsPlan, trials: Tried) -> None:
        self._plan = plan
        self._trials = trials

    def sized(self, hosts: Sequence[Host], waits: Container[str]) -> tuple[FleetPolicy, ...]:
        """All fleets, as large as they may be now.

        Args:
            hosts: that are there or on their way.
            waits: tiers of fleets for which something waits.
        """
        plan, tried = self._plan, self._plan.tried
        shares = self._trials.shares({name for names in tried.values() for name in names})
        stages = {
            usual(tier): stage_of(shares.get(name, 0.0) for name in names)
            for group, names in tried.items()
            if (tier := plan.fleet_of(group))
        }
        fleets = [self._to_be_had(one) if one.tier in stages else one for one in plan.policy.scaling.fleets]
        return shared_out(fleets, stages, hosts, waits)

    def _to_be_had(self, fleet: FleetPolicy) -> FleetPolicy:
        """A fleet no larger than its tier may be; where another stands in, that has room for the rest."""
        most = self._plan.policy.tiers[fleet.tier].limits.at_once
        return fleet if most is None or fleet.fallback else at_most(fleet, most)

    def left_lying(
        self,
        since: Mapping[str, float],
        waits: Iterable[str],
        there: Container[str],
        busy: Container[str],
        now: float,
    ) -> dict[str, float]:
        """Since when hosts have left the work of versions lying; versions go back where it is too long.

        Args:
            since: as it was at the last look.
            waits: tiers of fleets for which something waits.
            there: of which a host is there, or on its way.
            busy: of which one works.
            now: UTC epoch seconds.

        Raises:
            PlatformError: the ledger does not answer, or somebody else decided meanwhile.
        """
        plan = self._plan
        found = untouched(since, [tier for tier in waits if plan.is_tried(tier)], there, busy, now)
        for tier, began in found.items():
            if now - began < max(LEFT_LYING_S, START_UPS * plan.policy.tiers[tier].start_s):
                continue
            reason = f"No host of {tier} took any of its work for {format_duration(now - began)}."
            for function in plan.tried[plan.groups[tier]]:
                self._trials.give_up(function, reason)
        return found
