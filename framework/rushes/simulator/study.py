"""One scenario under one or several policies, and what breaks first as one dimension of it grows.

`Case` says what is tried, `Finding` what came of it. What counts as broken is a table (`THRESHOLDS`), so that
a reader can see, and a studio can change, what is held to be too much. This module must not know files or
how anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rushes.core.events import Capacity, ClassPolicy
from rushes.core.policy import DEFAULT_CLASSES
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.stragglers import StragglerPolicy
from rushes.simulator.bill import Bill, Machines, bill_of
from rushes.simulator.changing import ChangingPool, Course
from rushes.simulator.fleet import FleetPlan
from rushes.simulator.load import Scenario
from rushes.simulator.outcome import LoadOutcome, outcome_of, within_targets
from rushes.simulator.routed import Routes
from rushes.units import format_duration

__all__ = ["THRESHOLDS", "Case", "Finding", "Growth", "Step", "Threshold", "grown", "tried"]


@dataclass(frozen=True, slots=True)
class Case:
    """A pool and its policy.

    Args:
        name: what it is called in a report.
        capacity: of a pool of one size; of one host where there is a `plan`.
        plan: how it scales, or None.
        machines: what a pool of one size is made of, where that has a price.
        price: what an attempt is charged, for caps.
        watts: that a pool of one size draws, idle and in full use.
        classes: the priority classes.
        routes: the tiers among which batches are sent; None: all go to the pool.
        stragglers: when a second attempt is begun.
    """

    name: str
    capacity: Capacity
    plan: FleetPlan | None = None
    machines: Machines | None = None
    price: MachinePrice | None = None
    watts: tuple[float, float] = (0.0, 0.0)
    classes: Sequence[ClassPolicy] = DEFAULT_CLASSES
    routes: Routes | None = None
    stragglers: StragglerPolicy | None = None

    @property
    def filler(self) -> str:
        """The class that fills what others leave: the last of several, if it may be displaced; else ""."""
        last = max(self.classes, key=lambda one: one.rank)
        return last.name if last.may_be_displaced and len(self.classes) > 1 else ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a case."""

    case: Case
    outcome: LoadOutcome
    bill: Bill
    course: Course

    @property
    def in_time(self) -> dict[str, tuple[int, int]]:
        """By class with a target: batches that kept to it, and all."""
        targets = {one.name: one.target_s for one in self.case.classes if one.target_s is not None}
        return within_targets(self.course.trace, targets)


def tried(scenario: Scenario, case: Case, seed: int = 1) -> Finding:
    """Run a scenario under a policy.

    Raises:
        ValueError: the load makes no sense.
    """
    pool = ChangingPool(
        scenario,
        case.capacity,
        plan=case.plan,
        price=case.price,
        watts=case.watts,
        classes=case.classes,
        routes=case.routes,
        stragglers=case.stragglers,
        seed=seed,
    )
    course = pool.follow()
    return Finding(case, outcome_of(course.trace), bill_of(course, case.machines, filler=case.filler), course)


# -- what breaks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Threshold:
    """Something that is held to be too much.

    Args:
        what: in words.
        most: the largest value that is not.
        of: the value of a finding; None where it has none.
        shown: a value for people.
    """

    what: str
    most: float
    of: Callable[[Finding], float | None]
    shown: Callable[[float], str]


def _p90_wait(priority: str) -> Callable[[Finding], float | None]:
    def wait(found: Finding) -> float | None:
        return max((g.wait.p90 for g in found.outcome.groups if g.priority == priority), default=None)

    return wait


def _late(found: Finding) -> float | None:
    return max((g.late for g in found.outcome.groups if g.late is not None), default=None)


def _held(found: Finding) -> float | None:
    return float(sum(g.held for g in found.outcome.groups))


def _full(found: Finding) -> float | None:
    return 1.0 - found.bill.headroom


def _percent(value: float) -> str:
    return f"{value:.0%}"


THRESHOLDS: Final = (
    Threshold("deadlines missed", 0.05, _late, _percent),
    Threshold("urgent work waits (90 of 100)", 600.0, _p90_wait("urgent"), format_duration),
    Threshold("standard work waits (90 of 100)", 3600.0, _p90_wait("standard"), format_duration),
    Threshold("cores in use in the busiest hour", 0.98, _full, _percent),
    Threshold("invocations held for want of money", 0.0, _held, lambda value: f"{value:,.0f}"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One size of a dimension: what came of it, which bounds it breaks, what a delivery costs."""

    factor: float
    finding: Finding
    broken: tuple[tuple[Threshold, float], ...]
    stream_nano: int | None


@dataclass(frozen=True, slots=True)
class Growth:
    """A dimension, step by step, from as much as there is now."""

    dimension: str
    steps: tuple[Step, ...]
    streams: int
    assumed: tuple[str, ...] = field(default=())

    @property
    def already(self) -> tuple[tuple[Threshold, float], ...]:
        """What is too much as it is now, before anything grows."""
        return self.steps[0].broken

    @property
    def first(self) -> Step | None:
        """The first step at which anything breaks that held before."""
        return next((step for step in self.steps[1:] if self._new(step)), None)

    def next_broken(self, step: Step) -> tuple[Threshold, float]:
        """Of a step that is the first, what breaks there."""
        return self._new(step)[0]

    def _new(self, step: Step) -> list[tuple[Threshold, float]]:
        before = {threshold.what for threshold, _ in self.already}
        return [(threshold, value) for threshold, value in step.broken if threshold.what not in before]


def grown(
    dimension: str,
    factor: float,
    scenario_at: Callable[[float], Scenario],
    case: Case,
    *,
    steps: int = 4,
    seed: int = 1,
) -> Growth:
    """What happens while a dimension grows to `factor` times what it is, in `steps` equal steps.

    Args:
        dimension: its name.
        factor: the last size.
        scenario_at: the scenario at a size.
        case: the pool.
        steps: how many, beside the size of now.
        seed: of the run times.
    """
    base = scenario_at(1.0)
    streams = sum(arrival.count for arrival in base.load if arrival.media_s)
    found = []
    for number in range(steps + 1):
        size = 1.0 + (factor - 1.0) * number / steps
        scenario = scenario_at(size)
        finding = tried(scenario, case, seed)
        made = streams * size if dimension == "streams" else streams
        each = round(finding.bill.total / made) if made and finding.bill.total else None
        found.append(Step(size, finding, _broken(finding), each))
    return Growth(dimension, tuple(found), streams, scenario_at(factor).assumed)


def _broken(finding: Finding) -> tuple[tuple[Threshold, float], ...]:
    found = [(threshold, threshold.of(finding)) for threshold in THRESHOLDS]
    return tuple(
        (threshold, value) for threshold, value in found if value is not None and value > threshold.most
    )
