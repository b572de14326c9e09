"""This machine's own slots as a fleet: as many of its cores as a policy gives to the pool just now.

A *host* of this fleet is one slot's worth of the machine. It is there at once, and it has no process of its
own: what it stands for is capacity of the pool. So which of them is busy is a matter of counting: what runs
fills them from the first on. One that is drained is gone when what runs fits into the others. This module
must not know why anybody wants more or fewer, nor what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rushes.core.hosts import Host, HostState, Refusal
from rushes.errors import CallerError
from rushes.ports import Clock

__all__ = ["OwnSlots"]


class OwnSlots:
    """A `rushes.ports.Fleet` of one tier: a part of this machine.

    Args:
        tier: its name.
        limit: slots that the machine has; no more are given.
        taken: how many slots' worth is in use now.
        clock: where time comes from.
    """

    def __init__(self, tier: str, limit: int, taken: Callable[[], int], clock: Clock) -> None:
        self.tier = tier
        self.limit = limit
        self._taken = taken
        self._clock = clock
        self._hosts: dict[str, Host] = {}
        self._orders: dict[str, tuple[str, ...]] = {}
        self._refusal: Refusal | None = None
        self._next = 1

    @property
    def size(self) -> int:
        """Slots that take work: those that leave are no longer among them."""
        return sum(host.state is not HostState.leaving for host in self._hosts.values())

    # -- rushes.ports.Fleet -------------------------------------------------------------------------------

    def hosts(self) -> Sequence[Host]:
        """Every slot: what runs fills those that stay, and what is beyond keeps those that leave."""
        taken = self._taken()
        leaving = [host for host in self._hosts.values() if host.state is HostState.leaving]
        for number, host in enumerate([h for h in self._hosts.values() if h not in leaving]):
            self._become(host, HostState.busy if number < taken else HostState.idle)
        for host in leaving[max(taken - self.size, 0) :]:
            del self._hosts[host.id]
        return list(self._hosts.values())

    def order(self, tier: str, count: int, token: str) -> Sequence[str]:
        """More slots, as many as the machine has; the same token is the same order."""
        if tier != self.tier:
            raise CallerError(
                f"There is no tier {tier!r} on this machine.",
                code="unknown-tier",
                fix=f"It is {self.tier!r} itself; RUSHES_TIER says so.",
            )
        if token not in self._orders:
            given = max(min(count, self.limit - self.size), 0)
            if given < count:
                reason = f"this machine has {self.limit} slots"
                self._refusal = Refusal(tier, self._clock.now(), reason)
            self._orders[token] = tuple(self._make() for _ in range(given))
        return self._orders[token]

    def release(self, hosts: Sequence[str]) -> Sequence[str]:
        """Idle slots go at once."""
        idle = {host.id for host in self.hosts() if host.state is HostState.idle}
        gone = [id_ for id_ in hosts if id_ in idle]
        for id_ in gone:
            del self._hosts[id_]
        return gone

    def drain(self, hosts: Sequence[str]) -> Sequence[str]:
        """Slots take no more work; each goes when what runs fits without it."""
        self.hosts()
        known = [id_ for id_ in hosts if id_ in self._hosts]
        for id_ in known:
            self._become(self._hosts[id_], HostState.leaving)
        self.hosts()
        return known

    def refusals(self) -> Sequence[Refusal]:
        """The last time that more was wanted than the machine has."""
        return [] if self._refusal is None else [self._refusal]

    # -- inside -------------------------------------------------------------------------------------------

    def _make(self) -> str:
        id_ = f"{self.tier}-{self._next}"
        self._next += 1
        self._hosts[id_] = Host(id_, self.tier, HostState.idle, self._clock.now())
        return id_

    def _become(self, host: Host, state: HostState) -> None:
        if host.state is not state:
            self._hosts[host.id] = replace(host, state=state, since=self._clock.now())
