"""Which host of a fleet is which task: hosts have names from their order on, tasks come later and go. Pure.

A service of ECS is told a number and nothing else, so an order is a name in this book, and the number is that
of names that are to stay. Tasks are bound to names as they come. When a task is gone, then

- a name that was to leave leaves with it, whichever task the service chose: all that it may choose from do
  nothing, so two names change places;
- where none was to leave, it died: the service brings another, which is a new name, ordered now.

While a name waits for a task and another is to leave, the one takes the task of the other.

A task that nobody ordered is given a name, for it costs. This module must not know requests.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from rushes.core.hosts import Host, HostState

__all__ = ["FleetBook", "SeenTask"]

TOKENS_KEPT: Final = 64
"""Orders that are known by their token; a scaler repeats its last one at most."""


class SeenTask(NamedTuple):
    """A task as the service has it: ordered, starting, idle or busy."""

    id: str
    state: HostState


@dataclass(frozen=True, slots=True)
class _Named:
    """A host; `task` is "" until one has come, and it `leaves` once it was let go."""

    id: str
    tier: str
    state: HostState
    since: float
    task: str = ""
    leaves: bool = False


@dataclass
class FleetBook:
    """The names of hosts, and the tasks that they are."""

    hosts: dict[str, _Named] = field(default_factory=dict)
    orders: dict[str, list[str]] = field(default_factory=dict)
    last: int = 0

    # -- what others see -----------------------------------------------------------------------------------

    def seen(self) -> list[Host]:
        """Every host, as it was when its tasks were last looked at."""
        return [
            Host(one.id, one.tier, HostState.leaving if one.leaves else one.state, one.since)
            for one in self.hosts.values()
        ]

    def wanted(self, tier: str) -> int:
        """How many tasks the service of a tier is to have."""
        return sum(one.tier == tier and not one.leaves for one in self.hosts.values())

    def task_of(self, host: str) -> str:
        """The task that a host is; "" while it has none."""
        return self.hosts[host].task if host in self.hosts else ""

    # -- what happens --------------------------------------------------------------------------------------

    def look(self, tier: str, tasks: Sequence[SeenTask], now: float) -> None:
        """Bind the tasks that there are to names, and let go of names whose tasks have gone."""
        there = {task.id: task for task in tasks}
        for one in [one for one in self.hosts.values() if one.tier == tier and one.task]:
            if one.task not in there:
                self._gone(one, there, now)
        bound = {one.task for one in self.hosts.values() if one.task}
        free = [one.id for one in self.hosts.values() if one.tier == tier and not one.task]
        for task in tasks:
            if task.id not in bound:
                name = free.pop(0) if free else self._name(tier, now)
                self.hosts[name] = replace(self.hosts[name], task=task.id)
        for one in [one for one in self.hosts.values() if one.tier == tier and one.task]:
            state = there[one.task].state
            if state is not one.state:
                self.hosts[one.id] = replace(one, state=state, since=now)

    def order(self, tier: str, count: int, token: str, now: float) -> list[str]:
        """Names for hosts; the same token is the same names."""
        if token not in self.orders:
            self.orders[token] = [self._name(tier, now) for _ in range(count)]
            for old in list(self.orders)[:-TOKENS_KEPT]:
                del self.orders[old]
        return self.orders[token]

    def let_go(self, hosts: Iterable[str], *, busy: bool) -> list[str]:
        """Names that are to leave, of these: all that do nothing, and with `busy` also those that work."""
        found = []
        for one in [self.hosts[id_] for id_ in dict.fromkeys(hosts) if id_ in self.hosts]:
            if one.state is HostState.busy and not busy and not one.leaves:
                continue
            found.append(one.id)
            if one.task:
                self.hosts[one.id] = replace(one, leaves=True)
            else:
                del self.hosts[one.id]
        return found

    def forget_others(self, tiers: Container[str]) -> None:
        """Forget the hosts of all tiers but these: a deployment has taken their services away."""
        self.hosts = {name: one for name, one in self.hosts.items() if one.tier in tiers}

    def keep(self) -> list[str]:
        """Tasks that were to leave and stay after all; the names that waited for tasks have them now.

        A service that is told as many as it has starts none: so an order beside a host that is to leave, but
        works on, is that host again.
        """
        found = []
        for one in [one for one in self.hosts.values() if not one.task and not one.leaves]:
            leaving = [o for o in self.hosts.values() if o.tier == one.tier and o.leaves and o.task]
            if leaving:
                other = min(leaving, key=lambda o: o.state is HostState.busy)
                self.hosts[one.id] = replace(one, task=other.task, state=other.state, since=other.since)
                del self.hosts[other.id]
                found.append(other.task)
        return found

    def _gone(self, one: _Named, there: Mapping[str, SeenTask], now: float) -> None:
        if one.leaves:
            del self.hosts[one.id]
            return
        other = next(
            (o for o in self.hosts.values() if o.tier == one.tier and o.leaves and o.task in there), None
        )
        if other is None:
            del self.hosts[one.id]
            self._name(one.tier, now)
            return
        self.hosts[one.id] = replace(one, task=other.task, state=other.state, since=other.since)
        del self.hosts[other.id]

    def _name(self, tier: str, now: float) -> str:
        self.last += 1
        name = f"{tier}-{self.last}"
        self.hosts[name] = _Named(name, tier, HostState.ordered, now)
        return name

    # -- kept ----------------------------------------------------------------------------------------------

    def kept(self) -> dict[str, Any]:
        """It as JSON."""
        hosts = [
            [one.id, one.tier, one.state.value, one.since, one.task, one.leaves]
            for one in self.hosts.values()
        ]
        return {"hosts": hosts, "orders": self.orders, "last": self.last}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> FleetBook:
        """It from what was kept."""
        hosts = [
            _Named(id_, tier, HostState(state), float(since), task, bool(leaves))
            for id_, tier, state, since, task, leaves in data.get("hosts", ())
        ]
        orders = {token: list(ids) for token, ids in data.get("orders", {}).items()}
        return cls({one.id: one for one in hosts}, orders, int(data.get("last", 0)))
