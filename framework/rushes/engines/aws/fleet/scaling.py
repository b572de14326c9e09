"""The scaler on AWS: once a minute it looks at queues and hosts, and says how many of both there are to be.

`rushes.core.capacity.scaling` decides on hosts, `rushes.core.capacity.concurrency` on Lambdas, both within
one cap on an hour: the least of every queue of a Lambda is set aside first, hosts come next, and Lambdas get
what is left. A machine that has outlived its last host still costs, and is taken off the cap. How long work
takes is learnt from what hosts have done since the last look.

This module must not know how ECS is asked, nor how a template is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, NamedTuple, Protocol

from rushes.core.capacity.beside import SUFFIX, fleet_beside, usual
from rushes.core.capacity.capacity_file import CapacityPolicy, capacity_from
from rushes.core.capacity.concurrency import EventSource, allowances, reserved_nano
from rushes.core.capacity.elastic import Backlog, Desired, FleetMemory, FleetPolicy, Memory, aimed_at
from rushes.core.hosts import Host, HostState
from rushes.core.money import NANO
from rushes.engines.aws.access.settings import ranks_of
from rushes.engines.aws.fleet.fleet_notes import Done, Said
from rushes.engines.aws.fleet.trying import Tried, TryingFleets
from rushes.errors import PlatformError
from rushes.ports import Fleet
from rushes.runtime.scaling.scaler import Scaled, Scaler

__all__ = [
    "Depth",
    "FleetsPlan",
    "Scaling",
    "Tried",
    "Turned",
    "backlog_rows",
    "fleet_rows",
    "learnt",
    "plan_from",
]

SMOOTHING: Final = 0.3
"""Of an average of seconds, the share of what was seen since the last look."""


class Depth(NamedTuple):
    """Messages of a queue: that wait, and that somebody has taken."""

    waiting: int
    taken: int


@dataclass(frozen=True, slots=True)
class FleetsPlan:
    """What the template told the scaler.

    Args:
        policy: fleets and their cap.
        hourly_nano: what a host of a tier costs.
        groups: whose queues the hosts of a tier work for.
        machines: tiers on EC2.
        classes: that hosts have queues of.
        sources: of each queue of a Lambda, ``small/urgent``: nano-dollars an hour of one attempt, and the
            most at once.
        ranks: of the classes, the best first.
        tried: of each group of hosts that try versions, the functions of which they do.
    """

    policy: CapacityPolicy
    hourly_nano: Mapping[str, int]
    groups: Mapping[str, str]
    machines: Sequence[str]
    classes: Sequence[str]
    sources: Mapping[str, tuple[int, int]]
    ranks: Mapping[str, int] = field(default_factory=lambda: ranks_of(""))
    tried: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rank_of(self, queue: str) -> int:
        """The rank of the class of a queue, ``small/urgent``."""
        return self.ranks.get(queue.rpartition("/")[2], max(self.ranks.values(), default=0) + 1)

    @property
    def fleets(self) -> tuple[FleetPolicy, ...]:
        """All of them, those that try versions beside the others."""
        own = self.policy.scaling.fleets
        return (*own, *(fleet_beside(one) for one in own if f"{one.tier}{SUFFIX}" in self.groups))

    def fleet_of(self, group: str) -> str:
        """The tier whose fleet works for a group; "" for none."""
        return next((one.tier for one in self.fleets if self.groups.get(one.tier) == group), "")

    def is_tried(self, tier: str) -> bool:
        """Whether hosts of a tier try versions: they are on the machines of the tier beside it."""
        return self.groups.get(tier) in self.tried


def plan_from(data: Mapping[str, Any]) -> FleetsPlan:
    """The plan of a document that a template has.

    Raises:
        CallerError: its file of capacity cannot be used.
    """
    policy = capacity_from(data["file"])
    targets = {name: float(seconds) for name, seconds in data.get("targets", {}).items()}
    groups, tried = dict(data["hosts"]), dict(data.get("tried", {}))
    beside = {f"{name}{SUFFIX}": name for name, group in groups.items() if f"{group}{SUFFIX}" in tried}
    tiers = {new: replace(policy.tiers[name], name=new) for new, name in beside.items()}
    hourly = {new: int(data["hourly_nano"][name]) for new, name in beside.items()}
    return FleetsPlan(
        replace(
            policy,
            tiers={**policy.tiers, **tiers},
            scaling=aimed_at(policy.scaling, targets),
        ),
        {**data["hourly_nano"], **hourly},
        {**groups, **{new: f"{groups[name]}{SUFFIX}" for new, name in beside.items()}},
        (*data["machines"], *(new for new, name in beside.items() if name in data["machines"])),
        tuple(data["classes"]),
        {name: (int(nano), int(most)) for name, (nano, most) in data["sources"].items()},
        dict(data.get("ranks") or ranks_of("")),
        tried,
    )


def backlog_rows(
    plan: FleetsPlan, depths: Mapping[str, Depth], busy: Mapping[str, int], each_s: Mapping[str, float]
) -> tuple[Backlog, ...]:
    """The unfinished work of every fleet.

    Args:
        plan: whose.
        depths: of queues of hosts, by ``<group>/<class>``.
        busy: hosts that work, by the tier of their fleet. A message is deleted once its work is claimed, so
            what runs is in no queue: it is counted as what hosts run at once, in the least urgent class.
        each_s: expected seconds of one invocation, by ``<group>/<class>``.
    """
    rows = []
    for name, depth in depths.items():
        group, _, priority = name.rpartition("/")
        tier = plan.fleet_of(group)
        if tier and (depth.waiting or depth.taken):
            count = depth.waiting + depth.taken
            usual_s = each_s.get(f"{usual(group)}/{priority}", 0.0)  # of what nobody has done yet
            work_s = count * each_s.get(name, usual_s)
            rows.append(Backlog(tier, priority, depth.waiting, depth.taken, work_s))
    for fleet in plan.fleets:
        if some := round(busy.get(fleet.tier, 0) * fleet.at_once):
            group = plan.groups.get(fleet.tier, "")
            starting = [one for one in plan.ranks if one in plan.classes and fleet.starts_hosts(one)]
            if starting:
                seconds = some * each_s.get(f"{group}/{starting[-1]}", 0.0) / 2  # half of it is done
                rows.append(Backlog(fleet.tier, starting[-1], 0, some, seconds))
    return tuple(rows)


def learnt(
    before: Mapping[str, Any], done: Mapping[str, Done], each_s: Mapping[str, float]
) -> dict[str, float]:
    """Expected seconds of one invocation, once what was done since the last look is counted in.

    Args:
        before: as `done` was then.
        done: now.
        each_s: what was expected then.
    """
    found = dict(each_s)
    for name, one in done.items():
        ended, seconds = before.get(name, (0, 0.0))
        count = one.ended - ended
        if count <= 0:
            continue
        mean = max(one.seconds - seconds, 0.0) / count
        share = 1.0 if name not in found else SMOOTHING
        found[name] = found.get(name, 0.0) * (1 - share) + mean * share
    return found


class Surroundings(Protocol):
    """What a turn asks of AWS beside its fleet."""

    def depths(self, names: Sequence[str]) -> Mapping[str, Depth]:
        """How much is in the queues of ``<group or function>/<class>``."""
        ...

    def heard(self) -> Said:
        """What hosts have done, and which of them rest; the fleet hears of those, too."""
        ...

    def lingering(self) -> Mapping[str, int]:
        """Of each tier, machines that are there for no host."""
        ...

    def allow(self, given: Mapping[str, int]) -> None:
        """Let so many messages of each queue of a Lambda be worked on at once."""
        ...

    def read(self) -> dict[str, Any]:
        """What the last turn remembered."""
        ...

    def write(self, data: Mapping[str, Any]) -> None:
        """Remember it for the next turn."""
        ...


@dataclass(frozen=True, slots=True)
class Turned:
    """What one turn came to.

    Args:
        scaled: of hosts.
        hosts: there or on their way, by tier, before it.
        allowed: of Lambdas, by queue; empty where there is no cap to keep to.
        failures: what AWS did not answer.
        resting: hosts that take no work or not all of it, also those that nobody ordered.
    """

    scaled: Scaled
    hosts: Mapping[str, int]
    allowed: Mapping[str, int]
    failures: tuple[PlatformError, ...] = ()
    resting: int = 0

    @property
    def dollars_an_hour(self) -> float:
        """What all hosts cost, those that were ordered now counted in."""
        return self.scaled.plan.per_hour / NANO


class Scaling:
    """Turns of scaling of one environment.

    Args:
        plan: what a person has decided.
        fleet: whose hosts.
        around: queues, Lambdas and what is remembered.
        clock: UTC epoch seconds.
        trials: of the functions that hosts try; None where they try none.
    """

    def __init__(
        self,
        plan: FleetsPlan,
        fleet: Fleet,
        around: Surroundings,
        clock: Callable[[], float],
        trials: Tried | None = None,
    ) -> None:
        self._plan = plan
        self._fleet = fleet
        self._around = around
        self._clock = clock
        self._tries = None if trials is None else TryingFleets(plan, trials)

    def turn(self) -> Turned:
        """Look, decide, and carry it out.

        Raises:
            PlatformError: it cannot be seen what there is; nothing was changed.
        """
        plan, around = self._plan, self._around
        kept = around.read()
        done, resting = around.heard()
        each_s = learnt(kept.get("done", {}), done, kept.get("each_s", {}))
        groups = dict.fromkeys(plan.groups.values())
        of_hosts = [f"{group}/{priority}" for group in groups for priority in plan.classes]
        depths = around.depths([*of_hosts, *plan.sources])
        hosts = tuple(self._fleet.hosts())
        owners = {name: fleet.tier for fleet in plan.fleets for name in fleet.tiers}
        busy: dict[str, int] = {}
        for host in hosts:
            if host.state == "busy":
                busy[owners[host.tier]] = busy.get(owners[host.tier], 0) + 1
        sources = [
            EventSource(name, plan.rank_of(name), nano, most, depths[name].waiting + depths[name].taken)
            for name, (nano, most) in plan.sources.items()
        ]
        lingering = sum(plan.hourly_nano.get(t, 0) * n for t, n in around.lingering().items())
        rows = backlog_rows(plan, {name: depths[name] for name in of_hosts}, busy, each_s)
        waits = [row.tier for row in rows if row.waiting]
        fleets = plan.policy.scaling.fleets if self._tries is None else self._tries.sized(hosts, waits)
        scaler = self._scaler(kept, fleets, reserved_nano(sources) + lingering)
        scaled = scaler.turn(rows)
        failures = list(scaled.failures)
        allowed: dict[str, int] = {}
        if (most := plan.policy.scaling.most_per_hour) is not None:
            allowed = allowances(sources, most - scaled.plan.per_hour - lingering)
            try:
                around.allow(allowed)
            except PlatformError as error:
                failures.append(error)
        lies = {}
        if self._tries is not None:
            there = {owners[one.tier] for one in hosts}
            try:
                lies = self._tries.left_lying(kept.get("lies", {}), waits, there, busy, self._clock())
            except PlatformError as error:
                lies = kept.get("lies", {})
                failures.append(error)
        around.write(
            {
                **({"lies": lies} if lies else {}),
                "rows": fleet_rows(scaled.plan.desired, hosts),
                "memory": _kept_memory(scaler.memory),
                "done": {name: [one.ended, one.seconds] for name, one in done.items()},
                "each_s": each_s,
            }
        )
        counts = {name: sum(host.tier == name for host in hosts) for name in owners}
        return Turned(scaled, counts, allowed, tuple(failures), len(resting))

    def _scaler(self, kept: Mapping[str, Any], fleets: tuple[FleetPolicy, ...], taken_nano: int) -> Scaler:
        policy = replace(self._plan.policy.scaling, fleets=fleets)
        if policy.most_per_hour is not None:
            policy = replace(policy, most_per_hour=max(policy.most_per_hour - taken_nano, 0))
        memory = _memory_of(kept["memory"]) if "memory" in kept else None
        clock = _Clock(self._clock)
        return Scaler(
            self._fleet, policy, self._plan.policy.tiers, self._plan.hourly_nano, clock=clock, memory=memory
        )


def fleet_rows(desired: Sequence[Desired], hosts: Sequence[Host]) -> list[dict[str, Any]]:
    """What was decided of each tier, and why, for who asks: without a time, so that the same is the same."""
    return [
        {
            "tier": row.tier, "hosts": row.size, "least": row.least, "most": row.most, "reason": row.reason,
            "busy": sum(one.tier == row.tier and one.state is HostState.busy for one in hosts),
            "leaving": sum(one.tier == row.tier and one.state is HostState.leaving for one in hosts),
        }
        for row in desired
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Clock:
    read: Callable[[], float]

    def now(self) -> float:
        return self.read()


def _kept_memory(memory: Memory) -> dict[str, Any]:
    return {"series": memory.series, "fleets": {name: asdict(one) for name, one in memory.fleets.items()}}


def _memory_of(data: Mapping[str, Any]) -> Memory:
    return Memory({name: FleetMemory(**one) for name, one in data["fleets"].items()}, str(data["series"]))
