"""A fleet in memory: hosts come after their tier's start-up time on a clock, and every call is recorded.

A test says what the provider does: `refuse` a tier, lose an answer, take a spot host back; and what hosts do:
`occupy` and `vacate`. This module must not know why anything is ordered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rushes.core.hosts import Host, HostState, Refusal
from rushes.core.tiers import Tier
from rushes.errors import CallerError, PlatformError

if TYPE_CHECKING:
    from rushes.ports import Clock

__all__ = ["Call", "StubFleet"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port: what was asked, what was answered, and when. The answer of a lost reply is kept."""

    at: float
    verb: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    answer: Sequence[str] = ()


class StubFleet:
    """A `rushes.ports.Fleet` in memory.

    Args:
        clock: where time comes from.
        tiers: what can be ordered, by name.
        grant_s: seconds until the provider gives the machine of an order; from there it starts up.
    """

    def __init__(self, clock: Clock, tiers: Mapping[str, Tier], *, grant_s: float = 0.0) -> None:
        self.calls: list[Call] = []
        self.grant_s = grant_s
        self.lose_answers = 0
        """So many of the next orders are carried out, and their answers are lost."""
        self._clock = clock
        self._tiers = dict(tiers)
        self._hosts: dict[str, Host] = {}
        self._orders: dict[str, tuple[str, ...]] = {}
        self._left: dict[str, int] = {}
        self._refusals: dict[str, Refusal] = {}
        self._next = 1

    # -- rushes.ports.Fleet -------------------------------------------------------------------------------

    def hosts(self) -> Sequence[Host]:
        """Every host, as far as it has come by now."""
        for host in list(self._hosts.values()):
            self._hosts[host.id] = self._come(host)
        return list(self._hosts.values())

    def order(self, tier: str, count: int, token: str) -> Sequence[str]:
        """Order hosts; the same token is the same order."""
        if tier not in self._tiers:
            raise CallerError(
                f"There is no tier {tier!r} here.",
                code="unknown-tier",
                fix=f"It has {', '.join(self._tiers) or 'none'}.",
            )
        if token not in self._orders:
            self._orders[token] = self._make(tier, count)
        ids = self._orders[token]
        self._record("order", ids, tier=tier, count=count, token=token)
        if self.lose_answers:
            self.lose_answers -= 1
            raise PlatformError("The provider does not answer.", code="no-answer", fix="Ask again.")
        return ids

    def release(self, hosts: Sequence[str]) -> Sequence[str]:
        """Let go of what is not busy; it is gone at once."""
        self.hosts()
        gone = [id_ for id_ in hosts if id_ in self._hosts and self._hosts[id_].state is not HostState.busy]
        for id_ in gone:
            self._hosts.pop(id_, None)
        self._record("release", gone, hosts=tuple(hosts))
        return gone

    def drain(self, hosts: Sequence[str]) -> Sequence[str]:
        """What is busy leaves once it has nothing more to do; the others go at once."""
        self.hosts()
        draining = [id_ for id_ in hosts if id_ in self._hosts]
        for id_ in draining:
            if self._hosts[id_].state in {HostState.busy, HostState.leaving}:
                self._become(id_, HostState.leaving)
            else:
                self._hosts.pop(id_)
        self._record("drain", draining, hosts=tuple(hosts))
        return draining

    def refusals(self) -> Sequence[Refusal]:
        """The latest refusal of each tier."""
        return list(self._refusals.values())

    # -- what a test says ---------------------------------------------------------------------------------

    def refuse(self, tier: str, after: int = 0) -> None:
        """The provider gives `after` more hosts of a tier, and then none, until `give`."""
        self._left[tier] = after

    def give(self, tier: str) -> None:
        """There are hosts of a tier again."""
        self._left.pop(tier, None)

    def occupy(self, host: str) -> None:
        """A host takes work."""
        self._become(host, HostState.busy)

    def vacate(self, host: str) -> None:
        """A host has nothing more to do; one that leaves is gone."""
        if self._hosts[host].state is HostState.leaving:
            del self._hosts[host]
        else:
            self._become(host, HostState.idle)

    def lose(self, host: str) -> None:
        """A host is gone, whatever it did: reclaimed, or broken."""
        self._hosts.pop(host, None)

    # -- inside -------------------------------------------------------------------------------------------

    def _make(self, tier: str, count: int) -> tuple[str, ...]:
        now = self._clock.now()
        given = min(count, self._left.get(tier, count))
        if tier in self._left:
            self._left[tier] -= given
        if given < count:
            self._refusals[tier] = Refusal(tier, now, f"there is no more {tier}")
        ids = tuple(f"{tier}-{self._next + n}" for n in range(given))
        self._next += given
        for id_ in ids:
            self._hosts[id_] = self._come(Host(id_, tier, HostState.ordered, now))
        return ids

    def _come(self, host: Host) -> Host:
        """How far an ordered host is by now."""
        now = self._clock.now()
        if host.state is HostState.ordered and now >= host.since + self.grant_s:
            host = replace(host, state=HostState.starting, since=host.since + self.grant_s)
        start_s = self._tiers[host.tier].start_s
        if host.state is HostState.starting and now >= host.since + start_s:
            host = replace(host, state=HostState.idle, since=host.since + start_s)
        return host

    def _become(self, id_: str, state: HostState) -> None:
        host = self._come(self._hosts[id_])
        if host.state is not state:
            self._hosts[id_] = replace(host, state=state, since=self._clock.now())

    def _record(self, verb: str, answer: Sequence[str], **arguments: Any) -> None:
        self.calls.append(Call(self._clock.now(), verb, arguments, tuple(answer)))
