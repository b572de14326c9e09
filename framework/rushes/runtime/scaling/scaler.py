"""One turn of scaling: look at the fleet, decide, order, let go.

All judgement is in `rushes.core.capacity.scaling`; here is only what keeps an order from being made twice
when its answer is lost: the memory of a decision is kept once all of its orders were answered, so the next
decision orders under the same tokens. This module must not know providers, nor where the backlog comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rushes.core.capacity.elastic import Backlog, Memory, Plan, ScalingPolicy, Snapshot
from rushes.core.capacity.scaling import decide
from rushes.core.tiers import Tier
from rushes.errors import PlatformError
from rushes.ports import Clock, Fleet

__all__ = ["Scaled", "Scaler"]


@dataclass(frozen=True, slots=True)
class Scaled:
    """What one turn came to.

    Args:
        plan: what was decided.
        ordered: hosts that are on their way because of it.
        released: hosts that go because of it; those that had become busy are not among them.
        drained: busy hosts that go because of it once they have done what they have.
        failures: what the provider did not answer; it is asked again in the next turn.
    """

    plan: Plan
    ordered: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    failures: tuple[PlatformError, ...] = ()


class Scaler:
    """Keeps a fleet at the size that a policy gives it.

    Args:
        fleet: whose hosts.
        policy: what a person has decided.
        tiers: by name.
        prices: nano-dollars that a host of each tier costs an hour.
        clock: where time comes from.
        memory: of the last turn of an earlier scaler. Without one, orders are told from those of earlier
            scalers by when this one began.

    Raises:
        CallerError: the policy cannot be carried out on these tiers and prices.
    """

    def __init__(
        self,
        fleet: Fleet,
        policy: ScalingPolicy,
        tiers: Mapping[str, Tier],
        prices: Mapping[str, int],
        *,
        clock: Clock,
        memory: Memory | None = None,
    ) -> None:
        policy.check(tiers, prices)
        self.memory = memory or Memory(series=f"{clock.now():.3f}.")
        """To be kept where it outlives this process."""
        self._fleet = fleet
        self._policy = policy
        self._tiers = tiers
        self._prices = prices
        self._clock = clock

    def turn(self, backlog: Iterable[Backlog], *, utc_offset_s: float = 0.0) -> Scaled:
        """Look, decide, and carry it out.

        Args:
            backlog: all unfinished work.
            utc_offset_s: how far the clock on the wall is ahead of UTC now.

        Raises:
            PlatformError: the provider does not say which hosts there are; nothing was decided.
        """
        hosts, refusals = tuple(self._fleet.hosts()), tuple(self._fleet.refusals())
        snapshot = Snapshot(tuple(backlog), hosts, refusals, utc_offset_s)
        now = self._clock.now()
        plan = decide(self._policy, self._tiers, self._prices, snapshot, self.memory, now=now)
        ordered: list[str] = []
        failures: list[PlatformError] = []
        for row in plan.desired:
            if row.order:
                try:
                    ordered += self._fleet.order(row.tier, row.order, row.token)
                except PlatformError as error:
                    failures.append(error)
        if not failures:
            self.memory = plan.memory
        released = self._tell(
            self._fleet.release, [id_ for row in plan.desired for id_ in row.release], failures
        )
        drained = self._tell(self._fleet.drain, [id_ for row in plan.desired for id_ in row.drain], failures)
        return Scaled(plan, tuple(ordered), released, drained, tuple(failures))

    @staticmethod
    def _tell(
        verb: Callable[[Sequence[str]], Sequence[str]], hosts: list[str], failures: list[PlatformError]
    ) -> tuple[str, ...]:
        """Ask the fleet to do something with some of its hosts; gives those with which it does."""
        if not hosts:
            return ()
        try:
            return tuple(verb(hosts))
        except PlatformError as error:
            failures.append(error)
            return ()
