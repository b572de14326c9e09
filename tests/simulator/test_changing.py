"""A pool that changes size, loses hosts and has caps: nothing is lost, and the bill adds up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.capacity.elastic import FleetPolicy, ScalingPolicy
from rushes.core.capacity.fitting import RoutingPolicy, restricted
from rushes.core.capacity.hours import Hours
from rushes.core.class_file import classes_from
from rushes.core.classes import ClassPolicy
from rushes.core.events import Capacity
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import PriceBook, Source, TierPrice
from rushes.core.stragglers import StragglerPolicy
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits
from rushes.simulator.bill import Machines
from rushes.simulator.fleet import FleetPlan
from rushes.simulator.load import Arrival, Loss, RunTime, Scenario
from rushes.simulator.outcome import Group
from rushes.simulator.routed import Routes
from rushes.simulator.scenarios import DIMENSIONS, SCENARIOS, Demand, scenario
from rushes.simulator.study import Case, Finding, grown, tried

GIB = 1 << 30
DOLLAR = 10**9
PRICE = TierPrice(
    "box", Purchase.on_demand, "here", DOLLAR, Source("a test", "2026-01-01"), idle_milliwatts=100_000,
    busy_milliwatts=300_000,
)  # fmt: skip
TIER = Tier("box", Machine(4, 16 * GIB, 0), Purchase.on_demand, "here", start_s=60.0)
WHOLE = Capacity(8.0, 32.0 * GIB)


def plan(minimum: int = 0, maximum: int = 5, drain_s: float = 300.0) -> FleetPlan:
    fleet = FleetPolicy(
        "box", maximum, minimum, other_drain_s=drain_s, at_once=4.0, idle_s=120.0, calm_s=60.0
    )
    return FleetPlan(ScalingPolicy((fleet,)), {"box": TIER}, {"box": PRICE})


def elastic(**more: float) -> Case:
    return Case("elastic", TIER.capacity, plan=plan(**more))  # type: ignore[arg-type]


def fixed(**more: object) -> Case:
    return Case("fixed", WHOLE, machines=Machines(PRICE, 2.0), **more)  # type: ignore[arg-type]


def work(count: int = 100, at: float = 0.0, name: str = "work", **more: object) -> Arrival:
    return Arrival(at, name, count, RunTime(30.0, 60.0), media_s=10.0, **more)  # type: ignore[arg-type]


def assert_whole(found: Finding, count: int) -> None:
    assert sum(group.invocations + group.held for group in found.outcome.groups) == count
    assert found.bill.used + found.bill.waste + found.bill.idle == found.bill.total
    assert sum(found.bill.by_show.values()) == found.bill.used


def test_a_fleet_starts_with_nothing_grows_for_the_work_and_goes_when_it_is_done() -> None:
    later = work(1, at=7200.0, name="later")

    found = tried(Scenario((work(), later)), elastic())

    assert_whole(found, 101)
    hosts = [sample.hosts for sample in found.course.samples]
    assert hosts[0] == 0
    assert 1 < max(hosts) <= 5
    assert hosts[110] == 0, "nobody pays for hosts that nobody needs"
    assert min(found.course.trace.started) >= TIER.start_s


def test_work_that_needs_more_cores_than_one_host_has_uses_those_that_it_needs() -> None:
    """Once it was counted with the cores of one host, and a pool that was full looked half empty."""
    small = replace(TIER, machine=Machine(1, 4 * GIB, 0))
    policy = FleetPolicy("box", 4, minimum=4, at_once=4.0)
    case = Case("small", small.capacity, FleetPlan(ScalingPolicy((policy,)), {"box": small}, {"box": PRICE}))
    found = tried(Scenario((work(3, at=600.0, cpu=4.0),)), case)
    assert max(sample.busy for sample in found.course.samples) == 4
    asked = sum(ended - started for started, ended in zip(*_times(found), strict=True))
    assert found.course.trace.busy_cpu_s == pytest.approx(4 * asked)


def _times(found: Finding) -> tuple[list[float], list[float]]:
    return list(found.course.trace.started), list(found.course.trace.ended)


def test_at_the_hour_of_a_smaller_maximum_hosts_end_what_they_have_and_go() -> None:
    daily = FleetPolicy("box", 1, other_drain_s=120.0, at_once=4.0, schedule=(Hours(0, 0.25, maximum=5),))
    case = Case(
        "daily", TIER.capacity, plan=FleetPlan(ScalingPolicy((daily,)), {"box": TIER}, {"box": PRICE})
    )

    found = tried(Scenario((work(900),)), case)

    assert_whole(found, 900)
    hosts = {sample.at: sample.hosts for sample in found.course.samples}
    assert max(hosts.values()) == 5
    assert {count for at, count in hosts.items() if 1300.0 < at < found.outcome.until_s} == {1}
    assert not found.bill.waste


def test_a_lower_target_costs_less_and_takes_longer() -> None:
    load = Scenario((work(400),))

    quick, cheap = tried(load, elastic(drain_s=120.0)), tried(load, elastic(drain_s=3000.0))

    assert cheap.outcome.until_s > quick.outcome.until_s
    assert (cheap.bill.peak_hosts or 0) < (quick.bill.peak_hosts or 0)


def test_what_ran_on_lost_hosts_runs_again_and_is_waste() -> None:
    loss = Loss(60.0, 600.0, share=0.5, why="spot reclaimed")

    found, calm = (tried(Scenario((work(),), losses=losses), fixed()) for losses in ((loss,), ()))

    assert_whole(found, 100)
    assert found.bill.lost == 4
    assert found.bill.waste > 0
    assert found.outcome.until_s > calm.outcome.until_s
    during = [sample for sample in found.course.samples if 60 < sample.at < 600]
    assert max(sample.busy for sample in during) <= 4.0


def test_what_ran_on_lost_devices_runs_again_and_the_rest_goes_on() -> None:
    load = (work(20, gpu=0.5, cpu=0.5), work(20, name="plain"))
    loss = Loss(40.0, 400.0, gpu=0.5)

    found = tried(Scenario(load, losses=(loss,)), replace(fixed(), capacity=replace(WHOLE, gpu=2.0)), seed=3)

    assert_whole(found, 40)
    assert 1 <= found.bill.lost <= 2
    plain = [at for at, end in enumerate(found.course.trace.ended[20:]) if end >= 0]
    assert len(plain) == 20


def test_a_cap_holds_what_it_cannot_pay_and_is_well_used() -> None:
    charged = MachinePrice(PRICE, TIER.capacity)
    social = work(400, show="social")
    cap = DOLLAR // 2
    case = fixed(price=charged)

    found = tried(Scenario((social, work(20, name="other")), caps={"social": cap}), case)

    by_show = {group.show: group for group in found.outcome.groups}
    assert by_show["social"].held > 0
    assert by_show["default"].held == 0
    trace = found.course.trace
    spent = sum(trace.ended[at] - trace.started[at] for at in range(400) if trace.ended[at] >= 0)
    nano = spent / 4 / 3600 * DOLLAR
    assert 0.9 * cap <= nano <= cap * 1.001
    assert "cap is raised" in next(iter(trace.held.values()))


def test_power_is_that_of_the_machines() -> None:
    found = tried(Scenario((work(50),)), fixed(watts=(200.0, 600.0)))

    assert found.bill.peak_kw == pytest.approx(0.6)
    assert found.bill.kwh is not None


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0, 900), st.integers(1, 40), st.floats(0.5, 4)), min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(0, 900), st.floats(10, 900), st.floats(0.1, 0.9)), max_size=2),
    st.sampled_from([elastic(), fixed()]),
    st.integers(0, 3),
)
def test_everything_ends_once_whatever_fails(
    batches: list[tuple[float, int, float]],
    losses: list[tuple[float, float, float]],
    case: Case,
    seed: int,
) -> None:
    load = tuple(
        work(count, at=at, name=f"b{n}", cpu=cpu, priority=("urgent", "background")[n % 2])
        for n, (at, count, cpu) in enumerate(batches)
    )
    failing = tuple(Loss(at, at + span, share=share) for at, span, share in losses)

    found = tried(Scenario(load, losses=failing), case, seed)

    assert_whole(found, sum(arrival.count for arrival in load))
    assert not found.course.trace.held
    trace = found.course.trace
    assert all(a <= b <= c for a, b, c in zip(trace.submitted, trace.started, trace.ended, strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_runs_and_adds_up(name: str) -> None:
    load = scenario(name, Demand(streams=0.02))

    found = tried(load, Case("small", Capacity(16.0, 64.0 * GIB, gpu=2.0), machines=Machines(PRICE)))

    assert_whole(found, sum(arrival.count for arrival in load.load))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_each_dimension_makes_more_work_and_says_what_it_assumes(dimension: str) -> None:
    def core_s(load: Scenario) -> float:
        return sum(one.count * one.run_time.median_s * one.cpu for one in load.load)

    more = scenario("turnover", Demand(**{dimension: 2.0}))

    assert core_s(more) >= 1.9 * core_s(scenario("turnover"))
    assert len(more.assumed) == len(scenario("turnover").assumed) + 1


def test_what_breaks_first_is_the_first_step_with_something_new() -> None:
    def at(size: float) -> Scenario:
        return Scenario((work(round(100 * size), priority="urgent"),))

    growth = grown("streams", 16.0, at, fixed(), steps=3)

    assert [step.factor for step in growth.steps] == [1.0, 6.0, 11.0, 16.0]
    assert not growth.steps[0].broken
    assert growth.first is not None
    assert {bound.what for bound, _ in growth.first.broken} >= {"urgent work waits (90 of 100)"}
    assert growth.streams == 100
    assert all(step.stream_nano for step in growth.steps)


# -- rules of classes, and soft limits -----------------------------------------------------------------------

CHARGED = MachinePrice(PRICE, TIER.capacity, 0)


def of(found: Finding, priority: str, show: str) -> Group:
    return next(one for one in found.outcome.groups if (one.priority, one.show) == (priority, show))


def test_a_show_beyond_its_soft_limit_goes_on_one_class_lower_and_others_overtake_it() -> None:
    load = (work(400, name="a", priority="urgent", show="a"), work(400, at=1.0, name="b", show="b"))

    without = tried(Scenario(load), fixed(price=CHARGED))
    limited = tried(Scenario(load, soft={"a": DOLLAR // 10}), fixed(price=CHARGED))

    assert_whole(limited, 800)
    assert (without.course.trace.demoted, limited.course.trace.demoted) == (set(), {"a"})
    assert of(without, "urgent", "a").done_s < of(without, "standard", "b").done_s / 1.5
    assert of(limited, "urgent", "a").done_s > of(without, "urgent", "a").done_s * 1.5
    assert of(limited, "standard", "b").done_s < of(without, "standard", "b").done_s * 1.05


@pytest.mark.parametrize("beyond", ["standard", "refuse"])
def test_a_show_that_has_used_its_hours_of_a_class_goes_on_lower_or_waits_for_tomorrow(beyond: str) -> None:
    classes = classes_from({"classes": {"urgent": {"slot_hours": 0.5, "beyond": beyond}}})
    late = 86_400.0 - 1800.0
    load = (work(400, at=late, name="a", priority="urgent", show="a"),)

    found = tried(Scenario(load), fixed(classes=classes))

    assert_whole(found, 400)
    after_midnight = sum(started > 86_400.0 for started in found.course.trace.started)
    assert found.course.trace.demoted == ({"a"} if beyond == "standard" else set())
    assert (after_midnight > 200) is (beyond == "refuse")


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 200), st.integers(0, 300), st.integers(1, 9))
def test_whatever_is_demoted_every_invocation_ends_once(
    urgent: int, other: int, soft_milli: int, at: int, seed: int
) -> None:
    load = (
        work(urgent, name="a", priority="urgent", show="a", cpu=2.0),
        work(other, at=float(at), name="b", show="a", deadline=900.0),
        work(other, name="c", priority="background", show="c", cpu=3.0),
    )

    found = tried(Scenario(load, soft={"a": soft_milli * DOLLAR // 1000}), fixed(price=CHARGED), seed)

    assert_whole(found, urgent + 2 * other)
    assert min(found.course.trace.ended) >= 0


# -- second attempts -----------------------------------------------------------------------------------------

HEDGE = StragglerPolicy(hedge=True, least_s=60.0, far=3.0, most_share=0.2)


def crawling(count: int = 300, **more: object) -> Arrival:
    """Most take half a minute, some a quarter of an hour."""
    return Arrival(0.0, "crawls", count, RunTime(30.0, 300.0), **more)  # type: ignore[arg-type]


def test_what_crawls_gets_a_second_attempt_and_ends_sooner() -> None:
    load = Scenario((work(60, name="known", priority="interactive"), replace(crawling(), at=600.0)))
    roomy = Capacity(400.0, 1600.0 * GIB)

    alone = tried(load, Case("alone", roomy))
    hedged = tried(load, Case("hedged", roomy, stragglers=HEDGE))

    assert_whole(hedged, 360)
    assert alone.course.trace.hedged == 0
    assert hedged.course.trace.hedged > 0
    assert (
        of(hedged, "standard", "default").turnaround.most < of(alone, "standard", "default").turnaround.most
    )
    assert hedged.course.trace.redone_cpu_s > 0, "what the other of a pair had taken is waste"


@settings(max_examples=20)
@given(st.integers(1, 80), st.integers(1, 40), st.integers(1, 12), st.integers(1, 9), st.booleans())
def test_whatever_is_hedged_displaced_or_lost_every_invocation_ends_once(
    slow: int,
    urgent: int,
    cores: int,
    seed: int,
    lost: bool,  # noqa: FBT001
) -> None:
    load = (crawling(slow), work(urgent, at=200.0, name="u", priority="urgent", cpu=2.0))
    losses = (Loss(250.0, 400.0, share=0.5),) if lost else ()
    policy = replace(HEDGE, far=1.0, least_s=20.0, most_share=1.0)

    found = tried(Scenario(load, losses), Case("c", Capacity(cores, GIB * 16.0), stragglers=policy), seed)

    trace = found.course.trace
    assert_whole(found, slow + urgent)
    assert min(trace.ended[: slow + urgent]) >= 0
    assert all(end >= start for end, start in zip(trace.ended, trace.started, strict=True) if end >= 0)


# -- between tiers -------------------------------------------------------------------------------------------

LAMBDA = Tier(
    "lambda", Machine(6, 10 * GIB, 10 * GIB), Purchase.on_demand, "here", start_s=1.0,
    limits=TierLimits(run_s=900.0, at_once=100), per_invocation=True,
)  # fmt: skip
RUN = TierPrice(
    "lambda", Purchase.on_demand, "here", DOLLAR, Source("a test", "2026-01-01"), request_nano=200
)


def routed(**classes: object) -> Case:
    tiers = {"box": TIER, "lambda": LAMBDA}
    book = PriceBook(tiers={"box": PRICE, "lambda": RUN}, transfer={})
    routes = Routes(tiers, book, restricted(RoutingPolicy(), [ClassPolicy("urgent", 1, **classes)]))  # type: ignore[arg-type]
    fleets = replace(plan(), tiers=tiers)
    return Case("routed", TIER.capacity, plan=fleets, routes=routes)


def test_short_work_has_machines_of_its_own_and_long_work_goes_to_hosts() -> None:
    short = Arrival(0.0, "short", 300, RunTime(10.0, 20.0), priority="urgent", media_s=5.0)
    long = Arrival(0.0, "long", 30, RunTime(200.0, 400.0), media_s=60.0)

    found = tried(Scenario((short, long)), routed())

    assert_whole(found, 330)
    assert found.course.alone["lambda"].runs == 300
    assert of(found, "urgent", "default").done_s < 120.0, "three waves of a hundred"
    assert found.course.alone["lambda"].wasted_nano == 0
    assert found.bill.total > found.course.alone["lambda"].nano > 0


def test_what_is_too_long_for_its_tier_goes_up_and_is_paid_for_twice() -> None:
    some = Arrival(0.0, "some", 50, RunTime(10.0, 20.0), priority="urgent", seconds=(10.0,) * 49 + (1000.0,))

    found = tried(Scenario((some,)), routed())

    assert_whole(found, 50)
    assert found.course.alone["lambda"].wasted_nano > 0
    assert found.course.trace.ended[49] > 900.0 + 1000.0
    assert found.bill.waste >= found.course.alone["lambda"].wasted_nano


def test_a_class_that_may_go_nowhere_is_held_and_says_why() -> None:
    found = tried(
        Scenario((work(5, name="a", priority="urgent"), work(5, name="b"))), routed(tiers=("moon",))
    )

    assert sum(group.invocations for group in found.outcome.groups) == 5
    assert "urgent work may not use it" in found.course.trace.held["a"]


def test_batches_are_held_against_the_targets_of_their_classes() -> None:
    classes = classes_from({"classes": {"urgent": {"target": "5m"}, "standard": {"target": "1m"}}})
    load = (
        work(4, name="soon", priority="urgent"),
        work(400, name="late", priority="urgent", at=4000.0),
        work(9, name="untold", priority="background"),
    )

    found = tried(Scenario(load), fixed(classes=classes))

    assert found.in_time == {"urgent": (1, 2)}
