"""How many hosts of each tier there are to be: pure, from what waits, what there is, and what it may cost.

`decide(policy, tiers, prices, snapshot, memory, now) -> Plan` is called every few seconds. For each fleet:

1. *Wanted* is what its unfinished work is worth (`core/capacity/demand.py`), at least the warm minimum of the
   hour, at most the maximum. Unfinished is what waits and what runs: a host that takes work does not make it
   less.
2. *Ordered* is what is wanted beyond the hosts that are there and those that are on their way. A host has its
   number from its order on, so nothing is ordered twice while hosts start. One that does not come within its
   time is given up.
3. *Money* is given in the order of the policy: first to the warm minimum of every fleet, then to what each
   wants more. Every host in sight costs, whatever it does; so the cap holds at each moment, not on average.
4. *Released* is an idle host when it was idle for the idle time-out, and fewer hosts have been enough for a
   while without a break. The dearest goes first, then the one that was idle for longest. A busy host is never
   named here, and no host is taken because others are dearer: it goes when it has nothing to do.
5. Over a cap (one was lowered, a price rose, an hour began) idle hosts and open orders go at once. Where they
   are not enough busy hosts *drain*: they take no more work, and go when they have done what they have.
6. *Resting* hosts say themselves that they can do no work. They cost and take room, and are no capacity:
   others are ordered in their place. Where all that are up rest, one more is tried; where two rest, and no
   host works, none is: what is wrong there would be wrong with the next. They are the first to go; where size
   or money leaves no room for others, as soon as they have rested for as long as another takes to come.
7. *Spot* that was refused, or that did not come, is ordered on demand for a while; then spot is tried again.

This module must not know providers, clocks, files or what a host runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from rushes.core.capacity.demand import Strength, demand
from rushes.core.capacity.elastic import (
    Desired,
    FleetMemory,
    FleetPolicy,
    Memory,
    Plan,
    ScalingPolicy,
    Snapshot,
)
from rushes.core.capacity.hours import applying
from rushes.core.hosts import Host, HostState, counted_hosts
from rushes.core.money import format_dollars
from rushes.core.tiers import Tier
from rushes.units import format_duration

__all__ = ["decide"]

READY: Final = frozenset({HostState.idle, HostState.busy})
_UP: Final = READY | {HostState.resting}
_DOING_NOTHING: Final = frozenset({HostState.idle, HostState.resting})
COMING: Final = frozenset({HostState.ordered, HostState.starting})
LEAST_OVERDUE_S: Final = 300.0
LEAST_RESTED_S: Final = 60.0
"""A host that has rested for less may work again before its place is free."""
START_UPS: Final = 3.0
"""A host that takes three times the start-up time of its tier does not come any more."""


def decide(
    policy: ScalingPolicy,
    tiers: Mapping[str, Tier],
    prices: Mapping[str, int],
    snapshot: Snapshot,
    memory: Memory,
    *,
    now: float,
) -> Plan:
    """What is wanted of every tier that the policy names.

    Args:
        policy: what a person has decided.
        tiers: by name.
        prices: nano-dollars that one host of a tier costs an hour; a tier that is not named costs nothing,
            and must be named where there is a cap on money.
        snapshot: what there is.
        memory: of the last plan; an empty one at first.
        now: UTC epoch seconds.

    Raises:
        CallerError: the policy cannot be carried out on these tiers and prices.
    """
    policy.check(tiers, prices)
    fleets = [_Fleet(one, tiers, snapshot, memory.of(one.tier), now) for one in policy.fleets]
    rate = _HourlyRate(policy.most_per_hour, prices, snapshot.hosts)
    for fleet in fleets:
        fleet.give_up()
        fleet.keep_to_size(prices)
    _keep_to_money(fleets, rate)
    for fleet in fleets:
        fleet.grow(fleet.minimum, rate)
    for fleet in fleets:
        fleet.grow(fleet.wanted, rate)
    for fleet in fleets:
        fleet.shrink(prices)
    return Plan(
        tuple(row for fleet in fleets for row in fleet.rows(memory.series)),
        replace(memory, fleets={fleet.policy.tier: fleet.remembered() for fleet in fleets}),
        rate.spent,
    )


class _HourlyRate:
    """What all hosts cost an hour, and what is left of the cap."""

    def __init__(self, most: int | None, prices: Mapping[str, int], hosts: Iterable[Host]) -> None:
        self.most = most
        self.prices = prices
        self.spent = sum(prices.get(host.tier, 0) for host in hosts)

    def buy(self, tier: str, count: int) -> int:
        """Pay for up to `count` hosts, and say for how many."""
        price = self.prices.get(tier, 0)
        if self.most is not None and price > 0:
            count = max(0, min(count, (self.most - self.spent) // price))
        self.spent += count * price
        return count

    def price(self, host: Host) -> int:
        return self.prices.get(host.tier, 0)


@dataclass
class _Fleet:
    """One fleet, while it is decided about."""

    policy: FleetPolicy
    tiers: Mapping[str, Tier]
    snapshot: Snapshot
    memory: FleetMemory
    now: float
    orders: dict[str, int] = field(default_factory=dict)
    released: dict[str, list[Host]] = field(default_factory=dict)
    draining: list[Host] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        policy, now = self.policy, self.now
        self.hosts = [host for host in self.snapshot.hosts if host.tier in policy.tiers]
        self.late = [host for host in self.hosts if host.state in COMING and self._is_late(host)]
        late = {host.id for host in self.late}
        self.ready = [host for host in self.hosts if host.state in READY]
        self.resting = [host for host in self.hosts if host.state is HostState.resting]
        self.coming = [host for host in self.hosts if host.state in COMING and host.id not in late]
        self.refused_at = self.memory.refused_at
        if (at := self._last_refusal(policy.tier)) is not None:
            self.refused_at = max(at, -inf if self.refused_at is None else self.refused_at)
        hours = applying(policy.schedule, now, self.snapshot.utc_offset_s)
        self.maximum = policy.maximum if hours is None or hours.maximum is None else hours.maximum
        minimum = policy.minimum if hours is None or hours.minimum is None else hours.minimum
        self.minimum = min(minimum, self.maximum)
        found = demand(
            policy,
            [row for row in self.snapshot.backlog if row.tier in policy.tiers],
            Strength(
                len(self.ready),
                len(self.coming),
                self.tiers[policy.tier].start_s,
                inf if self.memory.grew_at is None else now - self.memory.grew_at,
            ),
        )
        self.why = found.why
        if found.hosts < self.minimum:
            self.why = f"{counted_hosts(self.minimum)} {'is' if self.minimum == 1 else 'are'} kept warm"
        wanted = max(found.hosts, self.minimum)
        if wanted > self.maximum:
            self.note(f"{wanted} would be wanted, {self.maximum} are the most that there may be")
        self.wanted = min(wanted, self.maximum)

    # -- what goes whatever is wanted ------------------------------------------------------------------------

    def give_up(self) -> None:
        """Let go of what did not come."""
        for host in self.late:
            self._release(host)
            if host.tier == self.policy.tier and self.policy.fallback:
                self.refused_at = self.now
        if self.late:
            count = len(self.late)
            self.note(
                f"{counted_hosts(count)} did not come in time and {'is' if count == 1 else 'are'} given up"
            )

    def keep_to_size(self, prices: Mapping[str, int]) -> None:
        """Over the maximum, what does nothing goes at once, and of the rest as many as are too many drain."""
        over = len(self.staying()) - self.maximum
        if over > 0:
            gone = self.doing_nothing(prices)[:over]
            self.let_go(gone, "there may be fewer")
            self.drain(self.busy(prices)[: over - len(gone)], "there may be fewer")

    def let_go(self, hosts: list[Host], why: str) -> None:
        """Release hosts that do nothing, before their time."""
        for host in hosts:
            self._release(host)
        if hosts:
            self.note(f"{why}, so {counted_hosts(len(hosts))} {'goes' if len(hosts) == 1 else 'go'} at once")

    def drain(self, hosts: list[Host], why: str) -> None:
        """Let busy hosts do what they have, and nothing more."""
        self.draining += hosts
        if hosts:
            go = "goes" if len(hosts) == 1 else "go"
            self.note(f"{why}, so {counted_hosts(len(hosts))} {go} when what runs there has ended")

    def busy(self, prices: Mapping[str, int]) -> list[Host]:
        """Busy hosts that are to stay so far; the dearest first, then the latest to have taken work."""
        found = [host for host in self.staying() if host.state is HostState.busy]
        return sorted(found, key=lambda h: (-prices.get(h.tier, 0), -h.since, h.id))

    def doing_nothing(self, prices: Mapping[str, int]) -> list[Host]:
        """What may go without a loss: open orders, then idle hosts; the dearest first."""
        order = {HostState.resting: 0, HostState.ordered: 1, HostState.idle: 2}
        free = [host for host in self.staying() if host.state in order]
        return sorted(free, key=lambda h: (order[h.state], -prices.get(h.tier, 0), h.since, h.id))

    # -- growing and shrinking -------------------------------------------------------------------------------

    def grow(self, wanted: int, rate: _HourlyRate) -> None:
        """Order what is wanted beyond what is there or on its way, as far as size and money go."""
        tier, ordered = self._where(), sum(self.orders.values())
        missing = self._tried(wanted - len(self.working()) - ordered, ordered)
        # Whoever leaves or is let go is there until it is gone: it takes room, and it costs.
        count = min(missing, self.maximum - len(self.hosts) - ordered)
        if count <= 0:
            self._make_room(missing)
            return
        refused_at = self._last_refusal(tier)
        if refused_at is not None and self.now - refused_at < self.policy.again_s:
            self.note(f"no more of {tier} is to be had just now; it is asked for again later")
            return
        most = self.tiers[tier].limits.at_once
        if most is not None:
            count = min(count, most - sum(host.tier == tier for host in self.hosts) - ordered)
            if count <= 0:
                self.note(f"there are no more than {counted_hosts(most)} of {tier}")
                self._make_room(missing)
                return
        paid = rate.buy(tier, count)
        if paid < count:
            cap = format_dollars(rate.most or 0)
            self.note(f"{cap} an hour pays for {paid} of {counted_hosts(count)} that are missing")
        if paid:
            self.orders[tier] = self.orders.get(tier, 0) + paid
        self._make_room(missing - paid)

    def _make_room(self, missing: int) -> None:
        """Let hosts that rest give up their places to those for which there is no room, while others work.

        One that has rested for as long as another takes to come is not waited for any longer: that costs the
        work at most twice the wait that would have been the best.
        """
        if not self.ready:
            return
        missing -= len(self.hosts) - len(self.staying())  # their places are free soon
        rested = sorted(
            (
                host
                for host in self.staying()
                if host.state is HostState.resting
                and self.now - host.since >= max(self.tiers[host.tier].start_s, LEAST_RESTED_S)
            ),
            key=lambda host: (host.since, host.id),
        )
        self.let_go(rested[: max(missing, 0)], "there is room for no other while it rests")

    def shrink(self, prices: Mapping[str, int]) -> None:
        """Let go of hosts that have long been idle, if fewer have long been enough."""
        since, policy = self._below_since(), self.policy
        if since is None or self.now - since < policy.calm_s:
            return
        staying = [host for host in self.staying() if host.state in _UP]
        idle = [
            host
            for host in staying
            if host.state in _DOING_NOTHING and self.now - host.since >= policy.idle_s
        ]
        resting = HostState.resting
        idle.sort(key=lambda h: (h.state is not resting, -prices.get(h.tier, 0), h.since, h.id))
        gone = idle[: max(0, len(staying) - self.wanted)]
        for host in gone:
            self._release(host)
        if gone:
            self.note(
                f"{counted_hosts(len(gone))} had nothing to do for {format_duration(policy.idle_s)} and "
                f"{'goes' if len(gone) == 1 else 'go'}"
            )

    def staying(self) -> list[Host]:
        """Every host in sight that neither leaves nor is let go now."""
        gone = {host for hosts in self.released.values() for host in hosts}.union(self.draining)
        return [h for h in self.hosts if h.state is not HostState.leaving and h not in gone]

    def working(self) -> list[Host]:
        """Those of them that can do work, now or when they have come."""
        return [host for host in self.staying() if host.state is not HostState.resting]

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # -- what comes of it ------------------------------------------------------------------------------------

    def rows(self, series: str) -> list[Desired]:
        rows = []
        for number, tier in enumerate(self.policy.tiers):
            staying = [host for host in self.staying() if host.tier == tier]
            order = self.orders.get(tier, 0)
            release = tuple(host.id for host in self.released.get(tier, ()))
            token = f"{series}{tier}.{self.memory.orders + 1}.{number}" if order else ""
            size = len(staying) + order
            rows.append(
                Desired(
                    tier,
                    size,
                    order,
                    release,
                    token,
                    self._reason(size, order),
                    tuple(host.id for host in self.draining if host.tier == tier),
                    self.minimum,
                    self.maximum,
                )
            )
        return rows

    def remembered(self) -> FleetMemory:
        ordered = sum(self.orders.values()) > 0
        return replace(
            self.memory,
            grew_at=self.now if ordered else self.memory.grew_at,
            below_since=self._below_since(),
            refused_at=self.refused_at,
            orders=self.memory.orders + ordered,
        )

    def _reason(self, size: int, order: int) -> str:
        busy = sum(host.state is HostState.busy for host in self.ready)
        doing = [f"{len(self.ready)} up, {busy} of them busy"]
        if self.resting:
            doing.append(f"{len(self.resting)} resting")
        if self.coming:
            doing.append(f"{len(self.coming)} on the way")
        if order:
            doing.append(f"{order} ordered now")
        if order and self._where() == self.policy.fallback:
            doing.append(f"there is no {self.policy.tier} just now")
        return "; ".join([f"{counted_hosts(size)}: {self.why}", ", ".join(doing), *self.notes]) + "."

    def _tried(self, missing: int, ordered: int) -> int:
        """How many of the missing are to be tried, where whatever is up rests."""
        if missing <= 0 or not self.resting or self.ready:
            return missing
        alone = len(self.resting) > 1
        self.note(f"all that are up rest, so {'no more is' if alone else 'one more at most is'} started")
        return 0 if alone else min(missing, 1 - len(self.coming) - ordered)

    def _where(self) -> str:
        """Which tier is ordered from."""
        policy = self.policy
        lately = self.refused_at is not None and self.now - self.refused_at < policy.retry_s
        return policy.fallback if policy.fallback and lately else policy.tier

    def _below_since(self) -> float | None:
        if self.wanted >= len(self.ready) + len(self.resting):
            return None
        return self.now if self.memory.below_since is None else self.memory.below_since

    def _is_late(self, host: Host) -> bool:
        policy = self.policy
        patience_s = policy.overdue_s or max(START_UPS * self.tiers[host.tier].start_s, LEAST_OVERDUE_S)
        if policy.fallback and host.tier == policy.tier and host.state is HostState.ordered:
            patience_s = min(patience_s, policy.fallback_after_s)
        return self.now - host.since > patience_s

    def _release(self, host: Host) -> None:
        self.released.setdefault(host.tier, []).append(host)

    def _last_refusal(self, tier: str) -> float | None:
        return max((one.at for one in self.snapshot.refusals if one.tier == tier), default=None)


def _keep_to_money(fleets: list[_Fleet], rate: _HourlyRate) -> None:
    """Over the cap, what does nothing goes at once, from the last fleet on, and what works drains."""
    if rate.most is None:
        return
    over = rate.spent - rate.most
    over -= sum(rate.price(h) for f in fleets for hosts in f.released.values() for h in hosts)
    over -= sum(rate.price(h) for f in fleets for h in f.hosts if h.state is HostState.leaving)
    for fleet in reversed(fleets):
        gone = []
        for host in fleet.doing_nothing(rate.prices):
            if over > 0 and rate.price(host) > 0:
                gone.append(host)
                over -= rate.price(host)
        why = f"all hosts may cost {format_dollars(rate.most)} an hour"
        fleet.let_go(gone, why)
        drained = []
        for host in fleet.busy(rate.prices):
            if over > 0 and rate.price(host) > 0:
                drained.append(host)
                over -= rate.price(host)
        fleet.drain(drained, why)
