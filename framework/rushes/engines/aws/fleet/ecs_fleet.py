"""Hosts on ECS as a fleet: one service a tier, one task a host.

A service is told how many tasks it is to have, and never which to stop: it chooses among those that are not
protected, and a host protects its task before it takes work. So nothing that is busy is ever stopped from
here, whatever changed since it was looked at. Which host is which task stands in `fleet_book`, and is written
down before the service is told, so an order whose answer was lost is no second order; where the two differ,
the service is told again. On EC2 machines follow tasks by themselves.

Which image hosts run is told to a service from here, too: CloudFormation would wait for its busy hosts, and
take the whole deployment back when they work for longer than three hours (https://docs.aws.amazon.com/
AmazonECS/latest/developerguide/task-scale-in-protection.html). Hosts of an earlier image take no more work.

This module must not know how many hosts there should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.core.hosts import Host, HostState, Refusal
from rushes.engines.aws.fleet.fleet_book import FleetBook, SeenTask
from rushes.errors import CallerError, PlatformError

__all__ = ["EcsFleet", "Kept"]

AT_ONCE: Final = 10
"""Services in one request (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
API_DescribeServices.html)."""
TASKS_AT_ONCE: Final = 100
RECENT_S: Final = 900.0
"""A refusal that is older says nothing of now."""
_STATES: Final[Mapping[str, HostState]] = {
    "PROVISIONING": HostState.ordered,
    "PENDING": HostState.starting,
    "ACTIVATING": HostState.starting,
}
_NO_ROOM: Final = ("Capacity is unavailable", "RESOURCE:", "You've reached the limit", "insufficient")
"""What a service says when it could not place a task (https://docs.aws.amazon.com/AmazonECS/latest/
developerguide/service-event-messages-list.html); other events say nothing of room."""


T = TypeVar("T")


class Kept(Protocol):
    """Where the book is kept between two looks."""

    def read(self) -> dict[str, Any]:
        """What was written last."""
        ...

    def write(self, data: Mapping[str, Any]) -> None:
        """Write it, or raise where somebody else did meanwhile."""
        ...


class EcsFleet:
    """A `rushes.ports.Fleet`.

    Args:
        ecs, groups: boto3 clients for ``ecs`` and ``autoscaling``.
        cluster: its name.
        services: name of the service of each tier.
        machines: of the tiers on EC2, the group of machines; several tiers may have one.
        definitions: of each tier the ARN of the task that its hosts are to be; of others any will do.
        kept: where the book is.
        drained: is told of tasks that are to take no more work.
        resumed: is told of those that are to take work again.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        ecs: Any,
        groups: Any,
        cluster: str,
        *,
        services: Mapping[str, str],
        machines: Mapping[str, str],
        definitions: Mapping[str, str] | None = None,
        kept: Kept,
        drained: Callable[[Sequence[str]], None],
        resumed: Callable[[Sequence[str]], None],
        clock: Callable[[], float],
    ) -> None:
        self._ecs = ecs
        self._groups = groups
        self._cluster = cluster
        self._services = dict(services)
        self._machines = dict(machines)
        self._definitions = dict(definitions or {})
        self._kept = kept
        self._drained = drained
        self._resumed = resumed
        self._clock = clock
        self._book = FleetBook.of(kept.read())
        self._book.forget_others(self._services)
        self._refused: dict[str, Refusal] = {}
        self._told: dict[str, int] = {}
        self._has_definition: dict[str, str] = {}
        self._resting: dict[str, float] = {}

    # -- rushes.ports.Fleet --------------------------------------------------------------------------------

    def hosts(self) -> Sequence[Host]:
        """Every host, as its task is now."""
        self._look()
        return [self._as_it_says(one) for one in self._book.seen()]

    def order(self, tier: str, count: int, token: str) -> Sequence[str]:
        """Raise what a service is told; the same token is the same order."""
        if tier not in self._services:
            raise CallerError(
                f"there is no tier {tier!r} on ECS here.",
                code="unknown-tier",
                fix=f"It has {', '.join(sorted(self._services)) or 'none'}.",
            )
        ids = self._book.order(tier, count, token, self._clock())
        self._obey()
        return ids

    def release(self, hosts: Sequence[str]) -> Sequence[str]:
        """Lower what services are told by those that do nothing."""
        self._look()
        gone = self._book.let_go(hosts, busy=False)
        self._obey()
        return gone

    def drain(self, hosts: Sequence[str]) -> Sequence[str]:
        """Lower what services are told, and ask those that work to take no more."""
        self._look()
        tasks = [self._book.task_of(one) for one in hosts]
        gone = self._book.let_go(hosts, busy=True)
        self._drained([task for task in tasks if task])
        self._obey()
        return gone

    def refusals(self) -> Sequence[Refusal]:
        """The latest of each tier, as services and groups of machines tell of it."""
        for tier, group in self._machines.items():
            if any(one.tier == tier and one.state is HostState.ordered for one in self._book.seen()):
                self._ask_machines(tier, group)
        return list(self._refused.values())

    # -- beside the port -----------------------------------------------------------------------------------

    def hear_resting(self, tasks: Mapping[str, float]) -> None:
        """Take it that these tasks rest: since when, by the last part of their ARN."""
        self._resting = dict(tasks)

    def _as_it_says(self, host: Host) -> Host:
        """A host that does nothing as it says itself that it is."""
        task = self._book.task_of(host.id).rpartition("/")[2]
        if host.state is not HostState.idle or task not in self._resting:
            return host
        return replace(host, state=HostState.resting, since=self._resting[task])

    def lingering(self) -> dict[str, int]:
        """Of each tier on EC2, machines that are there for no host: they go a while after their last one."""
        found = {}
        tiers: dict[str, list[str]] = {}
        for tier, group in self._machines.items():
            tiers.setdefault(group, []).append(tier)
        for asked in _some(list(tiers), TASKS_AT_ONCE):
            with self._asking("count machines of"):
                answer = self._groups.describe_auto_scaling_groups(AutoScalingGroupNames=asked)
            there = {
                one["AutoScalingGroupName"]: len(one["Instances"]) for one in answer["AutoScalingGroups"]
            }
            for group in asked:
                hosts = sum(one.tier in tiers[group] for one in self._book.seen())
                found[tiers[group][0]] = max(there.get(group, 0) - hosts, 0)
        return found

    # -- looking and telling -------------------------------------------------------------------------------

    def _look(self) -> None:
        now = self._clock()
        old: list[str] = []
        by_name = {service: tier for tier, service in self._services.items()}
        for names in _some(list(by_name), AT_ONCE):
            with self._asking("look at the services of"):
                found = self._ecs.describe_services(cluster=self._cluster, services=names)
            if missing := found.get("failures"):
                name = str(missing[0].get("arn")).rpartition("/")[2]
                raise PlatformError(
                    f"cluster {self._cluster} has no service {name}.",
                    code="not-deployed",
                    fix="Deploy the environment again with `rushes infra deploy`.",
                )
            for service in found["services"]:
                tier = by_name[service["serviceName"]]
                self._told[tier] = int(service["desiredCount"])
                self._has_definition[tier] = str(service.get("taskDefinition", ""))
                self._hear(tier, service.get("events", ()), now)
                some = service["runningCount"] + service["pendingCount"] + service["desiredCount"]
                tasks = self._tasks(service["serviceName"]) if some or self._has(tier) else []
                self._book.look(tier, [_seen(one, busy=is_busy) for one, is_busy in tasks], now)
                old += [one["taskArn"] for one, _ in tasks if self._is_old(tier, one["taskDefinitionArn"])]
        self._obey()
        if old:
            self._drained(old)

    def _is_old(self, tier: str, definition: str) -> bool:
        """Whether a task, or a service, is of another image than is deployed."""
        return definition != self._definitions.get(tier, definition)

    def _tasks(self, service: str) -> list[tuple[dict[str, Any], bool]]:
        """The tasks of a service that are there or coming, the oldest first, and which of them are busy."""
        with self._asking("list the tasks of"):
            pages = self._ecs.get_paginator("list_tasks").paginate(
                cluster=self._cluster, serviceName=service, desiredStatus="RUNNING"
            )
            arns = [arn for page in pages for arn in page["taskArns"]]
        found: list[dict[str, Any]] = []
        busy: set[str] = set()
        for some in _some(arns, TASKS_AT_ONCE):
            with self._asking("look at the tasks of"):
                found += self._ecs.describe_tasks(cluster=self._cluster, tasks=some)["tasks"]
                kept = self._ecs.get_task_protection(cluster=self._cluster, tasks=some)
            busy |= {one["taskArn"] for one in kept["protectedTasks"] if one.get("protectionEnabled")}
        found.sort(key=lambda one: (one.get("createdAt") is None, one.get("createdAt"), one["taskArn"]))
        there = {*_STATES, "RUNNING"}
        return [(one, one["taskArn"] in busy) for one in found if one["lastStatus"] in there]

    def _obey(self) -> None:
        """Write the book down, then tell every service what it says."""
        staying = self._book.keep()
        self._kept.write(self._book.kept())
        if staying:
            self._resumed(staying)
        for tier, service in self._services.items():
            wanted = self._book.wanted(tier)
            said: dict[str, Any] = {} if self._told.get(tier) == wanted else {"desiredCount": wanted}
            if self._is_old(tier, self._has_definition.get(tier, "")):
                said["taskDefinition"] = self._definitions[tier]
            if not said:
                continue
            with self._asking(f"have {wanted} tasks in {service} of"):
                self._ecs.update_service(cluster=self._cluster, service=service, **said)
            self._told[tier] = wanted
            self._has_definition[tier] = self._definitions.get(tier, "")

    def _hear(self, tier: str, events: Sequence[Mapping[str, Any]], now: float) -> None:
        for event in events:
            at, said = event["createdAt"].timestamp(), str(event["message"])
            told = "unable to place a task" in said and any(one in said for one in _NO_ROOM)
            if told and now - at <= RECENT_S:
                self._refuse(tier, at, said)

    def _ask_machines(self, tier: str, group: str) -> None:
        with self._asking(f"ask what {group} could not get for"):
            found = self._groups.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=10)
        for one in found["Activities"]:
            at = one["StartTime"].timestamp()
            if one["StatusCode"] == "Failed" and self._clock() - at <= RECENT_S:
                self._refuse(tier, at, str(one.get("StatusMessage", "")))

    def _refuse(self, tier: str, at: float, said: str) -> None:
        known = self._refused.get(tier)
        if known is None or known.at < at:
            self._refused[tier] = Refusal(tier, at, said[:300])

    def _has(self, tier: str) -> bool:
        return any(one.tier == tier for one in self._book.seen())

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        act = f"{act} cluster {self._cluster}"
        try:
            with sent(act):
                yield
        except ClientError as error:
            if code_of(error) in {"ClusterNotFoundException", "ServiceNotFoundException"}:
                raise PlatformError(
                    f"could not {act}: there is none.",
                    code="not-deployed",
                    fix="Deploy the environment again with `rushes infra deploy`.",
                ) from error
            raise answer_error(error, act) from error


def _some(all_: Sequence[T], count: int) -> Iterator[list[T]]:
    """So many at a time."""
    for start in range(0, len(all_), count):
        yield list(all_[start : start + count])


def _seen(task: Mapping[str, Any], *, busy: bool) -> SeenTask:
    return SeenTask(task["taskArn"], _state(task, busy=busy))


def _state(task: Mapping[str, Any], *, busy: bool) -> HostState:
    if task["lastStatus"] == "RUNNING":
        return HostState.busy if busy else HostState.idle
    return _STATES[task["lastStatus"]]
