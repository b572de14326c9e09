"""Tiers, step tables and schedules: what people write down, what it means, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.capacity.hours import Hours, applying
from rushes.core.capacity.steps import DEFAULT_STEPS, Absolute, Band, Incremental, Step
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits, tiers_from
from rushes.errors import CallerError

LAMBDA = {
    "cpu": 6,
    "memory": "10240MiB",
    "scratch": "10240MiB",
    "purchase": "on-demand",
    "region": "us-east-1",
    "limits": {"run": "15m", "at_once": 1000},
    "per_invocation": True,
}
HOST = {"cpu": 8, "memory": "16GiB", "purchase": "spot", "region": "us-east-1", "start": "90s"}

# -- tiers ------------------------------------------------------------------------------------------------


def test_a_tier_is_read_from_data_with_sizes_and_durations_as_people_write_them() -> None:
    tiers = tiers_from({"lambda": LAMBDA, "hosts": {**HOST, "devices": {"nvenc": 2}, "price": "ec2/g6"}})

    assert list(tiers) == ["lambda", "hosts"]
    assert tiers["lambda"].limits == TierLimits(run_s=900.0, at_once=1000)
    assert tiers["lambda"].machine == Machine(6, 10240 << 20, 10240 << 20)
    assert tiers["lambda"].price == "lambda"
    hosts = tiers["hosts"]
    assert (hosts.purchase, hosts.start_s, hosts.price) == (Purchase.spot, 90.0, "ec2/g6")
    assert hosts.capacity.gpu == 2


def test_what_a_tier_leaves_out_is_that_of_the_machine_that_its_price_is_for() -> None:
    known = tiers_from({"ec2/g6": {**HOST, "devices": {"nvenc": 1}, "limits": {"run": "1h"}}})

    tiers = tiers_from({"gpu": {"price": "ec2/g6"}, "big": {"price": "ec2/g6", "cpu": 32}}, known=known)

    assert tiers["gpu"] == replace(known["ec2/g6"], name="gpu")
    assert tiers["big"].machine == replace(known["ec2/g6"].machine, cpu=32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cpu": None}, "tiers.lambda.cpu is missing"),
        ({"cpu": "six"}, "tiers.lambda.cpu is 'six', and has to be a number of at least 0"),
        ({"cpu": True}, "tiers.lambda.cpu is True"),
        ({"cpu": 0}, "The tier 'lambda' has cpu = 0, and it has to be more than 0"),
        ({"memory": "10 foos"}, "tiers.lambda.memory is '10 foos', and has to be a size such as 10GiB"),
        ({"purchase": "stolen"}, "tiers.lambda.purchase is 'stolen', and has to be one of on-demand, spot"),
        ({"purchase": "spot"}, "it has no hosts"),
        ({"region": ""}, "tiers.lambda.region is ''"),
        (
            {"limits": {"rum": "15m"}},
            "tiers.lambda.limits has a field 'rum', which does not exist. Write run.",
        ),
        ({"limits": {"run": 0}}, "has limits.run = 0"),
        ({"limits": [900]}, "tiers.lambda.limits is [900], and has to be a table of names and values"),
        ({"devices": {"nvenc": 0}}, "tiers.lambda.devices.nvenc is 0"),
        ({"scratsh": "1GiB"}, "has a field 'scratsh', which does not exist. Write scratch."),
        ({"watts": float("inf")}, "tiers.lambda.watts is inf"),
        ({"start": -1}, "tiers.lambda.start is -1, and has to be a duration such as 15m"),
    ],
)
def test_a_tier_that_cannot_be_is_refused_by_its_place(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CallerError) as refused:
        tiers_from({"lambda": {**LAMBDA, **change}})

    assert says in str(refused.value)
    assert refused.value.code == "bad-tier"


def test_a_tier_that_is_made_by_hand_is_checked_like_one_that_is_read() -> None:
    with pytest.raises(CallerError, match="speed = 0"):
        Tier("mine", Machine(2, 1 << 30, 0), Purchase.owned, "here", speed=0)


# -- step tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "hosts"),
    [
        *[(0, 0), (1, 1), (10, 1), (11, 2), (30, 3), (50, 5), (51, 5), (200, 20)],
        *[(201, 20), (350, 35), (499, 50), (10_000, 50)],
    ],
)
def test_an_absolute_table_interpolates_within_its_bands(count: int, hosts: int) -> None:
    assert DEFAULT_STEPS.hosts(count) == hosts


@given(st.integers(0, 2000))
def test_an_absolute_table_never_falls(count: int) -> None:
    assert DEFAULT_STEPS.hosts(count) <= DEFAULT_STEPS.hosts(count + 1) <= DEFAULT_STEPS.most


def test_a_single_band_without_an_end_is_at_its_most_at_once() -> None:
    assert Absolute((Band(1, None, 1, 4),)).hosts(1) == 4


@pytest.mark.parametrize("waiting_and_more", [(0, 0), (10, 0), (11, 1), (50, 1), (51, 5), (9999, 5)])
def test_an_incremental_table_adds_what_its_last_step_says(waiting_and_more: tuple[int, int]) -> None:
    waiting, more = waiting_and_more

    assert Incremental((Step(10, 1), Step(50, 5))).more(waiting) == more


@pytest.mark.parametrize(
    "bands",
    [
        (),
        (Band(2, 10, 1, 1),),
        (Band(1, 10, 1, 1), Band(12, 20, 2, 2)),
        (Band(1, 10, 1, 3), Band(11, 20, 2, 4)),
        (Band(1, None, 1, 3), Band(11, 20, 3, 4)),
        (Band(1, 10, 3, 1),),
        (Band(1, 0, 1, 1),),
    ],
)
def test_bands_that_do_not_join_and_rise_are_refused(bands: tuple[Band, ...]) -> None:
    with pytest.raises(CallerError, match="cannot be used"):
        Absolute(bands)


@pytest.mark.parametrize(
    "steps", [(), (Step(10, 0),), (Step(10, 2), Step(10, 3)), (Step(10, 2), Step(20, 1))]
)
def test_steps_that_do_not_rise_are_refused(steps: tuple[Step, ...]) -> None:
    with pytest.raises(CallerError, match="cannot be used"):
        Incremental(steps)


# -- schedules --------------------------------------------------------------------------------------------

MONDAY = 4 * 86400.0  # 5 January 1970


@pytest.mark.parametrize(
    ("hours", "at", "applies"),
    [
        (Hours(8, 18), MONDAY + 8 * 3600, True),
        (Hours(8, 18), MONDAY + 18 * 3600, False),
        (Hours(17.5, 18), MONDAY + 17.4 * 3600, False),
        (Hours(22, 6), MONDAY + 23 * 3600, True),
        (Hours(22, 6), MONDAY + 5 * 3600, True),
        (Hours(22, 6), MONDAY + 12 * 3600, False),
        (Hours(22, 6, days=frozenset({0})), MONDAY + 86400 + 5 * 3600, True),  # began on Monday
        (Hours(22, 6, days=frozenset({0})), MONDAY + 5 * 3600, False),  # began on Sunday
        (Hours(0, 0, days=frozenset({0})), MONDAY + 3600, True),
        (Hours(0, 0, days=frozenset({1})), MONDAY + 3600, False),
        (Hours(0, 24), MONDAY, True),
    ],
)
def test_hours_hold_from_their_start_until_just_before_their_end(
    hours: Hours,
    at: float,
    applies: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert hours.contains(at, 0.0) is applies


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    hours = Hours(8, 18)

    assert not hours.contains(MONDAY + 7 * 3600, 0.0)
    assert hours.contains(MONDAY + 7 * 3600, 3600.0)


def test_the_first_hours_that_apply_hold() -> None:
    special, usual = Hours(17, 19, minimum=5), Hours(8, 20, minimum=1)

    assert applying([special, usual], MONDAY + 18 * 3600, 0.0) is special
    assert applying([special, usual], MONDAY + 9 * 3600, 0.0) is usual
    assert applying([special, usual], MONDAY, 0.0) is None


@pytest.mark.parametrize(
    "wrong",
    [{"start_h": -1}, {"end_h": 25}, {"days": frozenset({7})}, {"minimum": 3, "maximum": 2}, {"maximum": -1}],
)
def test_hours_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match="cannot be used"):
        Hours(**{"start_h": 8.0, "end_h": 18.0, **wrong})
