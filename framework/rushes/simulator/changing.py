"""A virtual pool whose size changes, whose hosts fail and whose shows have caps; and what is seen of it.

`VirtualPool` does what the scheduler commands; this adds what happens to a pool in the course of a day, and
looks at it once a minute. This module must not know what a policy is, nor how any of it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rushes.core.capacity.elastic import Backlog
from rushes.core.events import Budgeted, Capacity, Paused, Resized, Returned, Shape, SlotLost
from rushes.core.learning.run_times import ExpectedRun
from rushes.core.purse import Purse
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.tariff import Tariff
from rushes.simulator.fleet import DECIDE_S, FleetPlan, VirtualFleet
from rushes.simulator.load import Arrival, Loss, Scenario
from rushes.simulator.routed import Alone, RoutedPool
from rushes.simulator.trace import Trace

__all__ = ["ChangingPool", "Course", "Sample"]

SAMPLE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The pool at one moment.

    Args:
        at: virtual seconds.
        cores, busy: that there are, and in which something runs.
        paused: attempts that stand aside.
        waiting: invocations that have not started, by class.
        hosts: that are paid for.
        watts: that they draw.
        busy_by: of `busy`, by class.
    """

    at: float
    cores: float
    busy: float
    paused: int
    waiting: Mapping[str, int]
    hosts: int
    watts: float
    busy_by: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Course:
    """A run, seen from outside: what happened, and the pool minute by minute."""

    trace: Trace
    samples: list[Sample] = field(default_factory=list)
    fleet: VirtualFleet | None = None
    alone: Mapping[str, Alone] = field(default_factory=dict)
    """By tier, what ran on machines of its own, beside the pool."""


class ChangingPool(RoutedPool):
    """One run of a scenario.

    Args:
        scenario: what arrives, what fails, what may be spent.
        capacity: of a pool that does not scale; of one host where there is a `plan`.
        plan: how it scales; None for a pool of one size.
        price: what an attempt is charged, where a show has a cap.
        watts: that a pool of one size draws idle and in full use.
        more: as for `VirtualPool`.
    """

    def __init__(
        self,
        scenario: Scenario,
        capacity: Capacity,
        *,
        plan: FleetPlan | None = None,
        price: MachinePrice | None = None,
        watts: tuple[float, float] = (0.0, 0.0),
        **more: Any,
    ) -> None:
        fleet = VirtualFleet(plan) if plan is not None else None
        whole = fleet.first if fleet is not None else capacity
        limited = bool(scenario.limits) and price is not None
        purse = (
            Purse(tariff=_tariff(scenario, price), booked=False) if limited and price is not None else None
        )
        super().__init__(scenario.load, whole, purse=purse, price=price, **more)
        self._scenario = scenario
        self._whole = whole
        self._fleet = fleet
        self._watts = watts
        self._lost: list[Loss] = []
        self._ids: dict[int, str] = {}
        self._paused_pool = False
        self.course = Course(self.trace, fleet=fleet, alone=self.alone)

    def follow(self) -> Course:
        """Let time pass until all work has ended, and see what comes of it."""
        for scope, limits in self._scenario.limits.items():
            self._tell(Budgeted(scope, limits))
        for number, loss in enumerate(self._scenario.losses):
            self._at(loss.at, self._lose, number)
            self._at(loss.until, self._regain, number)
        if self._fleet is not None:
            self._fit()
            self._at(0.0, self._scale)
        self._at(0.0, self._sample)
        self.run()
        if self._fleet is not None:
            self._fleet.end(self.trace.until)
        return self.course

    # -- size ---------------------------------------------------------------------------------------------

    def _scale(self, _one: int, _other: int) -> None:
        fleet = self._fleet
        if fleet is None:
            return
        busy, memory = self._in_use()
        fleet.mark(busy, memory, self._now)
        for id_, at in fleet.decide(self._backlog(fleet), self._now):
            self._ids[len(self._ids)] = id_
            self._at(at, self._host_up, len(self._ids) - 1)
        self._fit()
        self._at(self._now + DECIDE_S, self._scale)

    def _host_up(self, number: int, _other: int) -> None:
        if self._fleet is not None:
            self._fleet.up(self._ids[number], self._now)
            self._fit()

    def _fit(self) -> None:
        """Tell the scheduler what there is now, if that has changed."""
        there = self._whole if self._fleet is None else self._fleet.capacity
        if (there is None) is not self._paused_pool:
            self._paused_pool = there is None
            self._tell(Paused(self._paused_pool))
        if there is not None and (left := self._less(there)) != self.trace.capacity:
            self.trace.capacity = left
            self._cpus = self._cpus_within(left)
            self._tell(Resized(left))

    def _less(self, there: Capacity) -> Capacity:
        """What is left of a capacity."""
        share = min(sum(loss.share for loss in self._lost), 0.99)
        gpu = min(sum(loss.gpu for loss in self._lost), 1.0)
        if not share and not gpu:
            return there
        kept = 1 - share
        return Capacity(there.cpu * kept, there.memory * kept, there.scratch * kept, there.gpu * (1 - gpu))

    # -- failures -----------------------------------------------------------------------------------------

    def _lose(self, number: int, _other: int) -> None:
        loss = self._scenario.losses[number]
        self._lost.append(loss)
        self._fit()
        on_device = [n for n, slot in self._slots.items() if slot.backlog and self._arrival(slot).gpu]
        for slot_number in (*_some(list(self._slots), loss.share), *_some(on_device, loss.gpu)):
            self._lose_slot(slot_number)

    def _regain(self, number: int, _other: int) -> None:
        self._lost.remove(self._scenario.losses[number])
        self._fit()

    def _lose_slot(self, number: int) -> None:
        slot = self._slots.pop(number, None)
        if slot is None:
            return
        self._answers.append(SlotLost(number))
        if slot.backlog:
            if slot.running:
                self._stop(slot)
            first, *others = slot.backlog
            self.trace.lost += 1
            self._displaced.add(first)
            self._again(number, slot, first)
            if others:
                self._answers.append(Returned(number, others))
        self._tell_answers()

    # -- what is seen ---------------------------------------------------------------------------------------

    def _sample(self, _one: int, _other: int) -> None:
        self._look_at_hours()
        busy, by_class, paused = self._seen()
        fleet, cores = self._fleet, self.trace.capacity.cpu
        if fleet is not None:
            cores = fleet.capacity.cpu if fleet.capacity is not None else 0.0
            watts, hosts = fleet.watts(), fleet.size
        else:
            idle, full = self._watts
            watts, hosts = idle + (full - idle) * min(busy / cores, 1.0) if cores else 0.0, 1
        waiting: dict[str, int] = {}
        for number, count in self._waiting.items():
            name = self._queues[number].priority
            waiting[name] = waiting.get(name, 0) + count
        self.course.samples.append(Sample(self._now, cores, busy, paused, waiting, hosts, watts, by_class))
        self._at(self._now + SAMPLE_S, self._sample)

    def _in_use(self) -> tuple[float, float]:
        """Cores and memory in which something runs."""
        memory = sum(self._arrival(slot).memory for slot in self._slots.values() if slot.backlog)
        return self._seen()[0], memory

    def _seen(self) -> tuple[float, Mapping[str, float], int]:
        """Cores in which something runs, by class, too, and how many stand aside."""
        by_class: dict[str, float] = {}
        paused = 0
        for slot in self._slots.values():
            paused += slot.paused
            if slot.running:
                number = self._batch_of[slot.backlog[0]]
                name = self._queues[number].priority
                by_class[name] = by_class.get(name, 0.0) + self._cpus[number]
        return sum(by_class.values()), by_class, paused

    def _arrival(self, slot: Any) -> Arrival:
        number: int = self._batch_of[slot.backlog[0]]
        return self._load[number]

    def _waits(self) -> Mapping[str, float]:
        """Of each fleet, what is in line before its hosts, or their start where there are none."""
        fleet = self._fleet
        if fleet is None:
            return {}
        work_s: dict[str, float] = {}
        for row in self._backlog(fleet):
            work_s[row.tier] = work_s.get(row.tier, 0.0) + row.work_s
        hosts = fleet.up_of()
        tiers = fleet.plan.tiers
        return {
            one.tier: work_s.get(one.tier, 0.0) / (hosts[one.tier] * one.at_once)
            if hosts.get(one.tier)
            else tiers[one.tier].start_s
            for one in fleet.plan.scaling.fleets
        }

    def _backlog(self, fleet: VirtualFleet) -> Sequence[Backlog]:
        found: dict[tuple[str, str], list[float]] = {}
        for number, left in self._under_way_of.items():
            arrival = self._load[number]
            tier = self._tier_of.get(number) or fleet.fleet_for(gpu=arrival.gpu > 0)
            if fleet.plan.tiers[tier].per_invocation:
                continue  # it scales by itself
            row = found.setdefault((tier, self._queues[number].priority), [0, 0, 0.0])
            waiting = self._waiting.get(number, 0)
            row[0] += waiting
            row[1] += left - waiting
            row[2] += left * arrival.mean_s
        return [
            Backlog(tier, priority, int(waiting), int(running), work_s)
            for (tier, priority), (waiting, running, work_s) in found.items()
        ]


def _some(numbers: list[int], share: float) -> list[int]:
    """A share of some slots, spread evenly over them: a host has old ones and new ones."""
    return [n for at, n in enumerate(sorted(numbers)) if int((at + 1) * share) > int(at * share)]


def _tariff(scenario: Scenario, price: MachinePrice) -> Tariff:
    late = {arrival.batch: arrival.late_s for arrival in scenario.load}

    def expected(shape: Shape) -> ExpectedRun:
        return ExpectedRun(late[shape.batch], sure=True)

    return Tariff(cost=price.price_of, expected=expected)
