"""How many hosts there are to be: by tables, one rule each."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from core.fleets import NOW, PRICES, STEPS, TIERS, USD, hosts, one, plan, waiting

from rushes.core.capacity.elastic import (
    Backlog,
    Desired,
    FleetMemory,
    FleetPolicy,
    Memory,
    ScalingPolicy,
    Snapshot,
    aimed,
)
from rushes.core.capacity.hours import Hours
from rushes.core.capacity.scaling import decide
from rushes.core.capacity.steps import DEFAULT_STEPS
from rushes.core.classes import ClassPolicy
from rushes.core.hosts import Host, HostState, Refusal
from rushes.errors import CallerError

# -- by counts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(0, 0), (7, 1), (30, 3), (200, 20), (9999, 50)])
def test_an_absolute_table_gives_the_size(count: int, size: int) -> None:
    wanted = one(FleetPolicy("firm", 100, steps=DEFAULT_STEPS), (waiting(count),))

    assert (wanted.size, wanted.order) == (size, size)


def test_work_that_hosts_have_taken_still_counts() -> None:
    backlog = (Backlog("firm", "standard", waiting=1, running=29),)

    assert one(FleetPolicy("firm", 100, steps=DEFAULT_STEPS), backlog).size == 3


def _with_resting(resting: int, working: int, coming: int = 0) -> Desired:
    there = (
        *hosts("firm", HostState.resting, resting),
        *hosts("firm", HostState.busy, working),
        *hosts("firm", HostState.starting, coming),
    )
    return one(FleetPolicy("firm", 100, steps=DEFAULT_STEPS), (waiting(200),), there)


@pytest.mark.parametrize(
    ("resting", "working", "coming", "order"),
    [(0, 5, 0, 15), (2, 5, 0, 15), (1, 0, 0, 1), (1, 0, 1, 0), (2, 0, 0, 0), (2, 0, 3, 0), (2, 1, 0, 19)],
)
def test_a_resting_host_is_no_capacity_and_where_all_rest_one_more_is_tried(
    resting: int, working: int, coming: int, order: int
) -> None:
    """200 invocations are worth 20 hosts."""
    assert _with_resting(resting, working, coming).order == order


def test_where_all_hosts_rest_the_reason_says_that_no_more_are_started() -> None:
    assert "2 resting; all that are up rest, so no more is started" in _with_resting(2, 0).reason


def test_a_resting_host_costs_and_takes_room() -> None:
    there = hosts("firm", HostState.resting, 2) + hosts("firm", HostState.busy, 1)
    policy = FleetPolicy("firm", 4, steps=DEFAULT_STEPS)
    assert one(policy, (waiting(200),), there).order == 1
    capped = ScalingPolicy((FleetPolicy("firm", 100, steps=DEFAULT_STEPS),), 4 * PRICES["firm"])
    assert plan(capped, (waiting(200),), there).desired[0].order == 1


@pytest.mark.parametrize(
    ("rested_s", "working", "leaving", "released"),
    [
        (89.0, 3, 0, 0),  # another takes 90 s to come
        (90.0, 3, 0, 1),
        (600.0, 3, 1, 0),  # a place is free soon
        (600.0, 0, 0, 0),  # what is wrong there may be wrong with the next
    ],
)
def test_where_there_is_no_room_a_host_that_rests_gives_up_its_place(
    rested_s: float, working: int, leaving: int, released: int
) -> None:
    there = (
        *hosts("firm", HostState.resting, 1, for_s=rested_s),
        *hosts("firm", HostState.busy, working),
        *hosts("firm", HostState.leaving, leaving),
    )
    policy = FleetPolicy("firm", len(there), steps=DEFAULT_STEPS)
    row = one(policy, (waiting(10 * (1 + working)),), there)
    assert len(row.release) == released
    assert row.order == 0
    if released:
        assert row.release == ("firm-resting-0",)
        assert "there is room for no other while it rests" in row.reason


def test_as_many_give_up_their_places_as_are_missing_the_longest_at_rest_first() -> None:
    there = (
        *hosts("firm", HostState.resting, 1, for_s=300),
        *hosts("firm", HostState.resting, 1, for_s=900, first=1),
        *hosts("firm", HostState.busy, 4),
    )
    policy = FleetPolicy("firm", 6, steps=DEFAULT_STEPS)
    assert one(policy, (waiting(50),), there).release == ("firm-resting-1",)
    assert one(policy, (waiting(40),), there).release == ()
    capped = ScalingPolicy((FleetPolicy("firm", 100, steps=DEFAULT_STEPS),), 6 * PRICES["firm"])
    assert len(plan(capped, (waiting(200),), there).desired[0].release) == 2


def test_a_place_that_was_given_up_is_taken_in_the_next_turn() -> None:
    there = hosts("firm", HostState.busy, 3)
    assert one(FleetPolicy("firm", 4, steps=DEFAULT_STEPS), (waiting(200),), there).order == 1


def test_a_resting_host_is_the_first_to_go() -> None:
    there = hosts("firm", HostState.idle, 1, for_s=9000) + hosts("firm", HostState.resting, 1, for_s=900)
    gone = one(FleetPolicy("firm", 9, 1), (), there, FleetMemory(below_since=NOW - 9000))
    assert gone.release == ("firm-resting-0",)


@pytest.mark.parametrize(("count", "order"), [(0, 0), (10, 0), (11, 1), (50, 1), (51, 5)])
def test_an_incremental_table_adds_to_what_there_is(count: int, order: int) -> None:
    there = hosts("firm", HostState.busy, 2)

    wanted = one(FleetPolicy("firm", 100, steps=STEPS), (waiting(count),), there)

    assert (wanted.size, wanted.order) == (2 + order, order)


@pytest.mark.parametrize(("grew_s_ago", "starting", "order"), [(59.0, 0, 0), (60.0, 0, 5), (600.0, 1, 0)])
def test_the_next_step_waits_for_what_the_last_one_brings(
    grew_s_ago: float, starting: int, order: int
) -> None:
    there = hosts("firm", HostState.busy, 2) + hosts("firm", HostState.starting, starting)

    wanted = one(
        FleetPolicy("firm", 100, steps=STEPS), (waiting(80),), there, FleetMemory(grew_at=NOW - grew_s_ago)
    )

    assert wanted.order == order


def test_work_that_waits_gets_a_host_even_without_a_table() -> None:
    wanted = one(FleetPolicy("firm", 100), (waiting(1),))

    assert (wanted.order, wanted.reason[:37]) == (1, "1 host: 1 invocation is not finished;")


# -- by seconds of work -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urgent_s", "background_s", "size"),
    [(3000.0, 0.0, 10), (0.0, 35_100.0, 5), (1500.0, 57_900.0, 9)],
)
def test_the_most_demanding_class_sets_the_size(urgent_s: float, background_s: float, size: int) -> None:
    policy = FleetPolicy("firm", 100, drain_s={"urgent": 390.0, "background": 7290.0})
    backlog = (waiting(5, urgent_s, "urgent"), waiting(5, background_s, "background"))

    assert one(policy, backlog).size == size


def test_the_target_of_a_class_sets_the_size_unless_its_fleet_names_another() -> None:
    classes = [ClassPolicy("urgent", 1, target_s=600.0), ClassPolicy("standard", 2)]

    own = aimed(ScalingPolicy((FleetPolicy("cpu", 9, drain_s={"urgent": 60.0}),)), classes).fleets[0]
    aims = aimed(ScalingPolicy((FleetPolicy("cpu", 9),)), classes).fleets[0]

    assert [own.target_s(name) for name in ("urgent", "standard")] == [60.0, 3600.0]
    assert [aims.target_s(name) for name in ("urgent", "standard")] == [600.0, 3600.0]


def test_work_that_is_due_later_waits_for_work_that_is_due_earlier() -> None:
    policy = FleetPolicy("firm", 100, drain_s={"urgent": 390.0, "standard": 690.0})
    alone = one(policy, (waiting(5, 3000.0),)).size

    together = one(policy, (waiting(5, 3000.0), waiting(5, 1500.0, "urgent"))).size

    assert (alone, together) == (5, 8)


def test_a_host_that_runs_two_at_once_does_twice_the_work() -> None:
    policy = FleetPolicy("firm", 100, drain_s={"standard": 690.0}, at_once=2)

    assert one(policy, (waiting(5, 6000.0),)).size == 5


def test_a_target_that_starting_alone_would_miss_is_not_answered_by_orders_without_end() -> None:
    policy = FleetPolicy("firm", 10_000, drain_s={"urgent": 60.0})

    assert one(policy, (waiting(5, 6000.0, "urgent"),)).size == 200


def test_a_class_without_a_target_starts_no_host() -> None:
    policy = FleetPolicy("firm", 100, steps=DEFAULT_STEPS, drain_s={"background": inf})

    assert one(policy, (waiting(500, 1e6, "background"),)).size == 0


def test_a_little_too_much_work_starts_no_host() -> None:
    policy = FleetPolicy("firm", 100, drain_s={"standard": 1000.0}, tolerance=0.1)
    there = hosts("firm", HostState.busy, 4)

    assert one(policy, (waiting(5, 4400.0),), there).order == 0
    assert one(policy, (waiting(5, 4500.0),), there).order == 1


# -- orders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [HostState.ordered, HostState.starting, HostState.idle, HostState.busy])
def test_what_is_there_or_on_its_way_is_not_ordered_again(state: HostState) -> None:
    wanted = one(FleetPolicy("firm", 100, steps=DEFAULT_STEPS), (waiting(30),), hosts("firm", state, 3))

    assert (wanted.size, wanted.order, wanted.release) == (3, 0, ())


def test_a_host_that_leaves_is_ordered_anew_but_still_takes_room() -> None:
    policy = FleetPolicy("firm", 4, steps=DEFAULT_STEPS)
    there = hosts("firm", HostState.leaving, 2) + hosts("firm", HostState.busy, 1)

    assert one(policy, (waiting(30),), there).order == 1


def test_a_host_that_never_comes_is_given_up_and_replaced() -> None:
    there = hosts("firm", HostState.starting, 1, for_s=301.0)

    wanted = one(FleetPolicy("firm", 100, steps=DEFAULT_STEPS), (waiting(5),), there)

    assert (wanted.order, wanted.release) == (1, (there[0].id,))


def test_every_order_has_a_token_of_its_own_and_a_repeated_decision_the_same() -> None:
    policy = ScalingPolicy((FleetPolicy("firm", 100, steps=DEFAULT_STEPS),))
    snapshot = Snapshot((waiting(5),))

    first = decide(policy, TIERS, PRICES, snapshot, Memory(), now=NOW)
    repeated = decide(policy, TIERS, PRICES, snapshot, Memory(), now=NOW + 1)
    second = decide(policy, TIERS, PRICES, snapshot, first.memory, now=NOW + 1)

    assert first.of("firm").token == repeated.of("firm").token != second.of("firm").token


def test_it_is_remembered_when_a_fleet_last_grew() -> None:
    policy, before = FleetPolicy("firm", 100, steps=DEFAULT_STEPS), FleetMemory(grew_at=NOW - 50.0)

    assert plan(policy, (waiting(5),), (), before).memory.of("firm").grew_at == NOW
    assert plan(policy, (), (), before).memory.of("firm").grew_at == NOW - 50.0


def test_a_tier_that_has_only_so_many_gives_only_so_many() -> None:
    wanted = one(FleetPolicy("gpu", 100, steps=DEFAULT_STEPS), (waiting(200, tier="gpu"),))

    assert wanted.size == 4
    assert (
        "no more than 4 hosts of gpu"
        in one(
            FleetPolicy("gpu", 100, steps=DEFAULT_STEPS),
            (waiting(200, tier="gpu"),),
            hosts("gpu", HostState.busy, 4),
        ).reason
    )


# -- size and money ---------------------------------------------------------------------------------------


def test_never_more_hosts_than_the_maximum() -> None:
    wanted = one(FleetPolicy("firm", 7, steps=DEFAULT_STEPS), (waiting(500),))

    assert wanted.size == 7
    assert "50 would be wanted, 7 are the most that there may be" in wanted.reason


def test_never_more_hosts_than_an_hour_may_cost() -> None:
    policy = ScalingPolicy((FleetPolicy("firm", 100, steps=DEFAULT_STEPS),), most_per_hour=10 * USD)

    found = plan(policy, (waiting(500),), hosts("firm", HostState.busy, 1))

    assert found.of("firm").size == 3
    assert found.per_hour == 9 * USD
    assert "$10.00 an hour pays for 2 of 49 hosts that are missing" in found.of("firm").reason


def test_the_warm_minimum_of_every_fleet_goes_before_what_the_first_one_wants() -> None:
    policy = ScalingPolicy(
        (FleetPolicy("firm", 100, steps=DEFAULT_STEPS), FleetPolicy("gpu", 10, minimum=1)),
        most_per_hour=7 * USD,
    )

    found = plan(policy, (waiting(500),))

    assert (found.of("firm").size, found.of("gpu").size) == (1, 1)


def test_over_the_cap_idle_hosts_go_at_once_from_the_last_fleet_on() -> None:
    policy = ScalingPolicy((FleetPolicy("firm", 100), FleetPolicy("gpu", 10)), most_per_hour=6 * USD)
    there = (
        hosts("firm", HostState.idle, 1) + hosts("gpu", HostState.idle, 2) + hosts("gpu", HostState.busy, 1)
    )

    found = plan(policy, (), there)

    assert found.of("firm").release == ()
    assert found.of("gpu").release == ("gpu-idle-0", "gpu-idle-1")


@pytest.mark.parametrize(
    "going", [hosts("firm", HostState.leaving, 1), hosts("firm", HostState.starting, 1, for_s=9999.0)]
)
def test_over_the_cap_what_goes_anyway_is_enough(going: tuple[Host, ...]) -> None:
    policy = ScalingPolicy((FleetPolicy("firm", 100),), most_per_hour=6 * USD)
    there = hosts("firm", HostState.busy, 1) + hosts("firm", HostState.idle, 1) + going

    assert "firm-idle-0" not in plan(policy, (), there).of("firm").release


def test_over_the_maximum_open_orders_and_idle_hosts_go_at_once_and_of_busy_ones_the_rest_drains() -> None:
    there = (
        hosts("firm", HostState.busy, 2, for_s=60.0)
        + hosts("firm", HostState.busy, 1, first=2)
        + hosts("firm", HostState.idle, 1)
        + hosts("firm", HostState.ordered, 1)
    )

    wanted = one(FleetPolicy("firm", 2), (), there)

    assert (wanted.size, wanted.release) == (2, ("firm-ordered-0", "firm-idle-0"))
    assert wanted.drain == ("firm-busy-2",)  # the last that took work
    assert "1 host goes when what runs there has ended" in wanted.reason


def test_over_the_cap_busy_hosts_drain_from_the_last_fleet_on_and_leave_once() -> None:
    policy = ScalingPolicy((FleetPolicy("firm", 9), FleetPolicy("gpu", 9)), most_per_hour=7 * USD)
    there = hosts("firm", HostState.busy, 2) + hosts("gpu", HostState.busy, 2)

    found = plan(policy, (), there)

    assert (found.of("firm").drain, found.of("gpu").drain) == ((), ("gpu-busy-0", "gpu-busy-1"))
    leaving = hosts("firm", HostState.busy, 2) + hosts("gpu", HostState.leaving, 2)
    assert [row.drain for row in plan(policy, (), leaving).desired] == [(), ()]


def test_work_that_takes_several_hosts_of_one_machine_gets_them() -> None:
    wide = Backlog("firm", "standard", 1, widest=4)

    wanted = one(FleetPolicy("firm", 8), (wide,))

    assert wanted.size == 4
    assert "the largest of which takes 4 hosts" in wanted.reason


def test_what_there_may_be_at_this_hour_is_said() -> None:
    wanted = one(FleetPolicy("firm", 8, 1, schedule=(Hours(0, 24, 2, 5),)))

    assert (wanted.least, wanted.most) == (2, 5)


def test_a_cap_on_money_with_a_price_that_nobody_knows_is_refused() -> None:
    policy = ScalingPolicy((FleetPolicy("firm", 1),), most_per_hour=USD)

    with pytest.raises(CallerError) as refused:
        decide(policy, TIERS, {}, Snapshot(), Memory(), now=NOW)

    assert refused.value.code == "no-price"


# -- letting go -------------------------------------------------------------------------------------------

LONG_BELOW = FleetMemory(below_since=NOW - 1000.0)


@pytest.mark.parametrize(("idle_s", "gone"), [(599.0, 0), (600.0, 1)])
def test_an_idle_host_goes_after_the_idle_time(idle_s: float, gone: int) -> None:
    wanted = one(FleetPolicy("firm", 5), (), hosts("firm", HostState.idle, 1, for_s=idle_s), LONG_BELOW)

    assert len(wanted.release) == gone


@pytest.mark.parametrize(("below_s", "gone"), [(None, 0), (119.0, 0), (120.0, 1)])
def test_no_host_goes_before_fewer_have_been_enough_for_a_while(below_s: float | None, gone: int) -> None:
    memory = FleetMemory(below_since=None if below_s is None else NOW - below_s)

    wanted = one(FleetPolicy("firm", 5), (), hosts("firm", HostState.idle, 1, for_s=900.0), memory)

    assert len(wanted.release) == gone


def test_a_moment_in_which_all_are_needed_begins_the_wait_anew() -> None:
    policy = FleetPolicy("firm", 5, steps=DEFAULT_STEPS)
    there = hosts("firm", HostState.idle, 1, for_s=9999.0)

    needed = plan(policy, (waiting(1),), there, LONG_BELOW)
    after = plan(policy, (), there, needed.memory.of("firm"))

    assert needed.memory.of("firm").below_since is None
    assert after.of("firm").release == ()
    assert after.memory.of("firm").below_since == NOW


def test_the_warm_minimum_stays() -> None:
    there = hosts("firm", HostState.idle, 3, for_s=9999.0)

    wanted = one(FleetPolicy("firm", 5, minimum=2), (), there, LONG_BELOW)

    assert (wanted.size, len(wanted.release)) == (2, 1)


def test_the_dearest_goes_first_then_the_one_that_was_idle_for_longest() -> None:
    policy = FleetPolicy("spot", 9, minimum=1, fallback="firm")
    there = (
        hosts("spot", HostState.idle, 1, for_s=2000.0)
        + hosts("spot", HostState.idle, 1, for_s=3000.0, first=1)
        + hosts("firm", HostState.idle, 1, for_s=1000.0)
    )

    found = plan(policy, (), there, LONG_BELOW)

    assert found.of("firm").release == ("firm-idle-0",)
    assert found.of("spot").release == ("spot-idle-1",)


# -- hours of the day -------------------------------------------------------------------------------------


def test_a_schedule_keeps_hosts_warm_while_it_holds() -> None:
    midnight = NOW - NOW % 86400
    policy = FleetPolicy("firm", 9, schedule=(Hours(17, 20, minimum=4), Hours(20, 6, maximum=1)))

    def size(hour: float, count: int = 0) -> int:
        return one(policy, (waiting(count, 1e6),) if count else (), now=midnight + hour * 3600).size

    assert (size(12), size(18), size(23), size(23, 100), size(12, 100)) == (0, 4, 0, 1, 9)


def test_no_more_hosts_are_kept_warm_than_there_may_be() -> None:
    wanted = one(FleetPolicy("firm", 2, schedule=(Hours(0, 24, minimum=5),)))

    assert (wanted.size, wanted.reason) == (
        2,
        "2 hosts: 2 hosts are kept warm; 0 up, 0 of them busy, 2 ordered now.",
    )


# -- spot -------------------------------------------------------------------------------------------------

SPOT = FleetPolicy("spot", 100, fallback="firm", steps=DEFAULT_STEPS)


def test_spot_is_ordered_where_there_is_spot() -> None:
    found = plan(SPOT, (waiting(30, tier="spot"),))

    assert (found.of("spot").order, found.of("firm").order) == (3, 0)


@pytest.mark.parametrize(("s_ago", "spot", "firm"), [(0.0, 0, 3), (599.0, 0, 3), (601.0, 3, 0)])
def test_after_a_refusal_it_is_bought_on_demand_for_a_while(s_ago: float, spot: int, firm: int) -> None:
    found = plan(SPOT, (waiting(30, tier="spot"),), refusals=(Refusal("spot", NOW - s_ago),))

    assert (found.of("spot").order, found.of("firm").order) == (spot, firm)


def test_an_order_of_spot_that_does_not_come_is_taken_back_and_bought_on_demand() -> None:
    there = hosts("spot", HostState.ordered, 3, for_s=121.0)

    found = plan(SPOT, (waiting(30, tier="spot"),), there)

    assert len(found.of("spot").release) == 3
    assert found.of("firm").order == 3
    assert found.memory.of("spot").refused_at == NOW
    assert "there is no spot just now" in found.of("firm").reason


def test_where_neither_is_to_be_had_it_is_asked_for_again_later() -> None:
    refusals = (Refusal("spot", NOW - 100.0), Refusal("firm", NOW - 59.0))

    found = plan(SPOT, (waiting(30, tier="spot"),), refusals=refusals)
    later = plan(SPOT, (waiting(30, tier="spot"),), refusals=refusals, now=NOW + 1)

    assert (found.of("firm").order, later.of("firm").order) == (0, 3)


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fleets",
    [
        (FleetPolicy("nowhere", 1),),
        (FleetPolicy("lambda", 1),),
        (FleetPolicy("firm", 1), FleetPolicy("spot", 1, fallback="firm")),
        (FleetPolicy("firm", 1, fallback="spot"),),
    ],
)
def test_a_policy_that_no_tier_can_follow_is_refused(fleets: tuple[FleetPolicy, ...]) -> None:
    with pytest.raises(CallerError) as refused:
        plan(ScalingPolicy(fleets))

    assert refused.value.code == "bad-fleet"


@pytest.mark.parametrize(
    "wrong",
    [
        *[{"minimum": 6}, {"minimum": -1}, {"idle_s": -1.0}, {"at_once": 0.0}, {"tolerance": inf}],
        *[{"drain_s": {"urgent": 0.0}}, {"fallback": "firm"}],
    ],
)
def test_a_policy_with_a_number_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match="cannot have"):
        FleetPolicy("firm", 5, **wrong)


def test_the_reason_is_one_sentence_that_names_what_decided() -> None:
    there = hosts("firm", HostState.busy, 2) + hosts("firm", HostState.starting, 1)

    wanted = one(FleetPolicy("firm", 100, drain_s={"urgent": 600.0}), (waiting(9, 4000.0, "urgent"),), there)

    assert wanted.reason == (
        "8 hosts: 1 h 06 m of work have to be done within 10 m 00 s; 2 up, 2 of them busy, 1 on the way, "
        "5 ordered now."
    )
