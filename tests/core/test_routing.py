"""Which tier an invocation goes to, by tables: what speaks against a tier, what is chosen, when it hops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.capacity.fitting import (
    Allowed,
    Outgrown,
    Routable,
    RoutingPolicy,
    Size,
    barred,
    objection,
    outgrown,
    restricted,
)
from rushes.core.capacity.routing import Market, NoRoute, Route, Stay, hop, route
from rushes.core.classes import ClassPolicy
from rushes.core.spending import prices
from rushes.core.spending.prices import PriceBook, Source, Transfer
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits

GIB = 1 << 30
USD = 1_000_000_000
SAID = Source("made up for these tests", "undated")

LAMBDA = Tier(
    "lambda",
    Machine(6, 10 * GIB, 10 * GIB),
    Purchase.on_demand,
    "us-east-1",
    limits=TierLimits(run_s=900.0),
    per_invocation=True,
)
HOSTS = Tier("hosts", Machine(8, 16 * GIB, 200 * GIB), Purchase.on_demand, "us-east-1", start_s=90.0)
SPOT = replace(HOSTS, name="spot", purchase=Purchase.spot, price="")
GPU = replace(HOSTS, name="gpu", price="", machine=Machine(8, 32 * GIB, 200 * GIB, {"nvenc": 2}), speed=4.0)
IRELAND = replace(HOSTS, name="ireland", price="", region="eu-west-1")
OWN = replace(HOSTS, name="own", price="", purchase=Purchase.owned, region="here")


def _priced(name: str, hour_nano: int, request_nano: int = 0) -> prices.TierPrice:
    return prices.TierPrice(name, Purchase.on_demand, "", hour_nano, SAID, request_nano)


BOOK = PriceBook(
    tiers={
        tier.name: tier
        for tier in (
            _priced("lambda", 36 * USD // 60, 200),
            _priced("hosts", USD),
            _priced("spot", USD // 3),
            _priced("gpu", 2 * USD),
            _priced("ireland", USD // 2),
            _priced("own", 0),
        )
    },
    transfer={
        "us-east-1": {"eu-west-1": Transfer(20_000_000, SAID)},
        "eu-west-1": {"us-east-1": Transfer(20_000_000, SAID)},
    },
)
POLICY = RoutingPolicy()


def market(*tiers: Tier, **waits: float) -> Market:
    return Market({tier.name: tier for tier in tiers}, BOOK, waits)


def going(work: Routable, *tiers: Tier, policy: RoutingPolicy = POLICY, **waits: float) -> Route:
    found = route(work, market(*tiers, **waits), policy)
    assert isinstance(found, Route), found
    return found


# -- short and small, long and large ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "tier", "says"),
    [
        (Routable(run_s=20.0, source_bytes=GIB), "lambda", "it is short (20 s) and small"),
        (Routable(run_s=60.0), "lambda", "it is short (1 m 00 s) and small"),
        (Routable(run_s=61.0), "hosts", "it is long (1 m 01 s)"),
        (Routable(run_s=20.0, source_bytes=GIB + 1), "hosts", "its source is large (1.0 GiB)"),
        (Routable(headers_only=True, source_bytes=500 * GIB), "lambda", "it is an inspection"),
        (Routable(media_s=30.0), "lambda", "it is a preview of 30 s"),
        (Routable(media_s=31.0), "hosts", "nobody knows yet how long it takes"),
        (Routable(media_s=30.0, source_bytes=90 * GIB), "hosts", "nobody knows yet how long it takes"),
        (Routable(), "hosts", "nobody knows yet how long it takes"),
        (Routable(run_s=500.0, media_s=5.0), "hosts", "it is long (8 m 20 s)"),
    ],
)
def test_short_and_small_work_goes_where_each_has_its_own_machine_other_work_to_hosts(
    work: Routable, tier: str, says: str
) -> None:
    found = going(work, LAMBDA, HOSTS)

    assert (found.tier, found.reason) == (tier, f"{tier}: {says}.")


def test_long_work_takes_the_other_kind_where_no_host_can_and_its_limit_allows() -> None:
    found = going(Routable(run_s=200.0, device=""), LAMBDA)

    assert found.tier == "lambda"
    assert found.reason == "lambda: it is long (3 m 20 s), but no host can take it."


def test_short_work_takes_a_host_where_the_other_kind_cannot() -> None:
    found = going(Routable(run_s=20.0, device="nvenc"), LAMBDA, GPU)

    assert (found.tier, found.objections[0].reason) == ("gpu", "it has no nvenc")


# -- what speaks against a tier ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (Routable(cpu=7), "it has 6 cores, and 7 are needed"),
        (Routable(memory_bytes=11 * GIB), "it has 10.0 GiB of memory, and 11.0 GiB are needed"),
        (Routable(scratch_bytes=11 * GIB), "it has 10.0 GiB of scratch, and 11.0 GiB are needed"),
        (Routable(device="nvenc"), "it has no nvenc"),
        (Routable(run_s=300.0), ""),
        (Routable(run_s=301.0), "it stops work after 15 m 00 s, and this may take 15 m 03 s"),
        (Routable(run_s=301.0, late_s=899.0), ""),
        (Routable(run_s=301.0, late_s=901.0), "it stops work after 15 m 00 s, and this may take 15 m 01 s"),
        (Routable(), "it stops work after 15 m 00 s, and nobody knows how long this takes"),
        (Routable(media_s=10.0), ""),
        (
            Routable(run_s=1.0, outgrew=(Outgrown(Size.time, 900.0),)),
            "the work was too big for as much time as it has",
        ),
        (Routable(run_s=1.0, outgrew=(Outgrown(Size.memory, 8 * GIB),)), ""),
        (Routable(run_s=1.0, priority="background"), "background work may not use it"),
        (Routable(run_s=1.0, priority="urgent"), "urgent work may not use on-demand machines"),
    ],
)
def test_what_speaks_against_a_tier_is_said(work: Routable, says: str) -> None:
    policy = RoutingPolicy(
        allowed={
            "background": Allowed(tiers=frozenset({"spot"})),
            "urgent": Allowed(purchases=frozenset({Purchase.reserved})),
        }
    )

    assert objection(work, LAMBDA, policy) == says


def test_a_source_that_a_tier_does_not_take_speaks_against_it() -> None:
    small = replace(LAMBDA, limits=TierLimits(source_bytes=GIB))

    assert (
        objection(Routable(run_s=1.0, source_bytes=2 * GIB), small, POLICY)
        == "it takes sources up to 1.0 GiB"
    )


def test_a_fast_tier_fits_longer_work_into_its_limit() -> None:
    fast = replace(LAMBDA, speed=2.0)

    assert objection(Routable(run_s=600.0), fast, POLICY) == ""


def test_where_no_tier_can_do_it_each_says_why() -> None:
    found = route(Routable(cpu=64), market(LAMBDA, HOSTS), POLICY)

    assert isinstance(found, NoRoute)
    assert found.reason == (
        "No tier can do it. lambda: it has 6 cores, and 64 are needed; "
        "hosts: it has 8 cores, and 64 are needed."
    )


def test_without_tiers_nothing_can_be_done() -> None:
    assert route(Routable(), market(), POLICY) == NoRoute("There are no tiers.")


# -- what it costs ----------------------------------------------------------------------------------------


def test_the_cheapest_of_those_that_can_is_taken() -> None:
    found = going(Routable(run_s=3600.0, cpu=8), HOSTS, SPOT, GPU)

    assert (found.tier, found.cost_nano) == ("spot", USD // 3)
    assert "the cheapest of 3 tiers" in found.reason


def test_a_fast_machine_is_cheaper_where_it_saves_more_time_than_it_costs() -> None:
    assert going(Routable(run_s=3600.0, cpu=8), HOSTS, GPU).tier == "gpu"


def test_work_pays_for_the_part_of_a_host_that_it_takes() -> None:
    assert going(Routable(run_s=3600.0, cpu=2), HOSTS).cost_nano == USD // 4
    assert going(Routable(run_s=3600.0, cpu=2, memory_bytes=8 * GIB), HOSTS).cost_nano == USD // 2
    assert going(Routable(run_s=3600.0, cpu=1, device="nvenc"), GPU).cost_nano == USD // 4


def test_a_machine_of_its_own_is_paid_for_whole_and_by_the_request() -> None:
    assert going(Routable(run_s=60.0, cpu=1), LAMBDA).cost_nano == 36 * USD // 3600 + 200


@pytest.mark.parametrize(
    ("source_gib", "tier"),
    [(1, "ireland"), (20, "ireland"), (26, "hosts"), (100, "hosts")],
)
def test_bringing_a_large_source_to_another_region_costs_more_than_the_machine_saves(
    source_gib: int, tier: str
) -> None:
    work = Routable(run_s=3600.0, cpu=8, source_bytes=source_gib * GIB, region="us-east-1")

    assert going(work, HOSTS, IRELAND).tier == tier


def test_bringing_the_result_back_costs_too() -> None:
    work = Routable(run_s=3600.0, cpu=8, out_bytes=26 * GIB, out_region="us-east-1")

    assert going(work, HOSTS, IRELAND).tier == "hosts"


def test_a_transfer_whose_price_nobody_knows_speaks_against_a_tier() -> None:
    found = going(Routable(run_s=3600.0, source_bytes=GIB, region="us-east-1"), OWN, HOSTS)

    assert found.tier == "hosts"
    assert "no price for transfer from 'us-east-1' to 'here'" in found.objections[0].reason


def test_a_tier_without_a_price_is_not_taken() -> None:
    nameless = replace(HOSTS, name="nameless", price="nobody-knows")

    assert going(Routable(run_s=3600.0), nameless, HOSTS).tier == "hosts"


def test_a_class_that_is_in_a_hurry_pays_for_an_earlier_end() -> None:
    policy = RoutingPolicy(worth_nano={"urgent": USD // 1000})
    work = Routable(priority="urgent", run_s=3600.0, cpu=8)

    assert going(work, SPOT, HOSTS, spot=3600.0).tier == "spot"
    found = going(work, SPOT, HOSTS, policy=policy, spot=3600.0)
    assert (found.tier, found.ends_s) == ("hosts", 3600.0)
    assert "the best by cost and end of 2 tiers" in found.reason


# -- too big for where it was -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "tier", "ran_s", "progressed", "said"),
    [
        ("timeout", LAMBDA, 900.0, True, Outgrown(Size.time, 900.0)),
        ("slot-killed", LAMBDA, 895.0, True, Outgrown(Size.time, 900.0)),
        ("timeout", LAMBDA, 900.0, False, None),  # it hung
        ("timeout", LAMBDA, 100.0, True, None),  # a limit of its own
        ("timeout", HOSTS, 9000.0, True, None),  # a tier without a limit
        ("timeout", replace(LAMBDA, speed=0.5), 900.0, True, Outgrown(Size.time, 450.0)),
        ("out-of-memory", LAMBDA, 5.0, True, Outgrown(Size.memory, 10 * GIB)),
        ("disk-full", LAMBDA, 5.0, True, Outgrown(Size.scratch, 10 * GIB)),
        ("out-of-memory", HOSTS, 5.0, True, None),  # what the function declares, not what the host has
        ("damaged", LAMBDA, 900.0, True, None),
    ],
)
def test_a_failure_says_what_was_too_small_where_it_was_the_tiers_own_limit(
    code: str,
    tier: Tier,
    ran_s: float,
    progressed: bool,  # noqa: FBT001 - a table's column
    said: Outgrown | None,
) -> None:
    assert outgrown(code, tier, ran_s, progressed=progressed) == said


def test_work_that_a_tier_stopped_for_its_size_goes_up_a_tier() -> None:
    work = Routable(run_s=50.0)
    assert going(work, LAMBDA, HOSTS).tier == "lambda"

    grown = outgrown("timeout", LAMBDA, 900.0, progressed=True)

    assert grown is not None
    found = going(replace(work, outgrew=(grown,)), LAMBDA, HOSTS)
    assert found.tier == "hosts"
    assert found.reason == (
        "hosts: it is short (50 s) and small, but no tier that runs such work by itself can take it; "
        "it was too big for the time that it had before."
    )


def test_work_that_is_too_big_for_every_tier_is_not_tried_again() -> None:
    found = route(Routable(run_s=50.0, outgrew=(Outgrown(Size.time, 900.0),)), market(LAMBDA), POLICY)

    assert isinstance(found, NoRoute)


sizes = st.sampled_from([0, 1, GIB, 12 * GIB, 90 * GIB])
works = st.builds(
    Routable,
    priority=st.sampled_from(["urgent", "standard"]),
    cpu=st.sampled_from([0.5, 2, 7, 20]),
    memory_bytes=sizes,
    scratch_bytes=sizes,
    device=st.sampled_from(["", "", "nvenc"]),
    run_s=st.none() | st.floats(0.01, 20_000),
    late_s=st.none() | st.floats(0.01, 40_000),
    media_s=st.none() | st.floats(0.1, 5000),
    headers_only=st.booleans(),
    source_bytes=sizes,
    region=st.sampled_from(["", "us-east-1", "eu-west-1", "here"]),
    outgrew=st.lists(
        st.builds(Outgrown, st.sampled_from(Size), st.sampled_from([100.0, 900.0, 10.0 * GIB, 16.0 * GIB])),
        max_size=2,
    ).map(tuple),
)
ALL = (LAMBDA, HOSTS, SPOT, GPU, IRELAND, OWN)


@settings(max_examples=80)
@given(works)
def test_work_never_goes_where_something_speaks_against_it(work: Routable) -> None:
    found = route(work, market(*ALL), POLICY)

    objected = {one.tier for one in found.objections}
    assert {tier.name for tier in ALL if objection(work, tier, POLICY)} <= objected
    if isinstance(found, Route):
        assert found.tier not in objected
    else:
        assert objected == {tier.name for tier in ALL}


@settings(max_examples=80)
@given(works, st.permutations(ALL))
def test_the_order_of_tiers_changes_no_cost(work: Routable, tiers: Any) -> None:
    first, second = route(work, market(*ALL), POLICY), route(work, market(*tiers), POLICY)

    assert type(first) is type(second)
    if isinstance(first, Route) and isinstance(second, Route):
        assert (first.cost_nano, first.ends_s) == (second.cost_nano, second.ends_s)


# -- hopping ----------------------------------------------------------------------------------------------

NOW = 10_000.0
LONG = Routable(run_s=600.0, cpu=8)
HOPPING = RoutingPolicy(hop_after_s=300.0, hop_gain=2.0, hop_dearer=4.0, most_hops=2)


def hopping(
    work: Routable,
    since_s: float,
    *tiers: Tier,
    hops: int = 0,
    policy: RoutingPolicy = HOPPING,
    **waits: float,
) -> str | None:
    found = hop(work, Stay("spot", NOW - since_s, hops), market(*tiers, **waits), policy, now=NOW)
    return None if found is None else found.tier


@pytest.mark.parametrize(
    ("since_s", "hops", "spot_s", "hosts_s", "goes"),
    [
        (299.0, 0, 5000.0, 0.0, None),  # it has not waited for long
        (300.0, 0, 5000.0, 0.0, "hosts"),
        (300.0, 0, 599.0, 0.0, None),  # 1,199 s here, 600 s there: less than twice as soon
        (300.0, 0, 600.0, 0.0, "hosts"),
        (300.0, 0, 5000.0, 5000.0, None),
        (300.0, 1, 5000.0, 0.0, "hosts"),
        (300.0, 2, 5000.0, 0.0, None),  # it has hopped often enough
    ],
)
def test_work_hops_when_it_has_waited_and_would_end_much_sooner(
    since_s: float, hops: int, spot_s: float, hosts_s: float, goes: str | None
) -> None:
    assert hopping(LONG, since_s, SPOT, HOSTS, hops=hops, spot=spot_s, hosts=hosts_s) == goes


def test_a_hop_that_costs_too_much_is_not_made() -> None:
    policy = replace(HOPPING, hop_dearer=2.0)

    assert hopping(LONG, 900.0, SPOT, HOSTS, policy=policy, spot=5000.0) is None


def test_work_leaves_a_machine_that_costs_nothing_only_where_that_is_allowed() -> None:
    place, there = Stay("own", NOW - 900.0), market(OWN, HOSTS, own=9000.0)

    assert hop(LONG, place, there, HOPPING, now=NOW) is None
    found = hop(LONG, place, there, replace(HOPPING, hop_extra_nano=USD), now=NOW)
    assert found is not None
    assert found.tier == "hosts"


def test_short_work_hops_to_a_host_and_long_work_to_where_its_limit_allows() -> None:
    short = Routable(run_s=100.0)

    assert (
        hopping(short, 900.0, SPOT, LAMBDA, spot=5000.0, policy=replace(HOPPING, hop_dearer=99.0)) == "lambda"
    )
    assert hopping(replace(short, late_s=901.0), 900.0, SPOT, LAMBDA, spot=5000.0) is None


def test_work_does_not_hop_to_where_it_is() -> None:
    assert hopping(LONG, 900.0, SPOT, policy=replace(HOPPING, hop_gain=1.0)) is None


def test_work_hops_away_from_where_it_cannot_run() -> None:
    assert hopping(replace(LONG, device="nvenc"), 900.0, SPOT, GPU) == "gpu"


def test_work_whose_run_time_nobody_knows_stays() -> None:
    assert hopping(Routable(), 9000.0, SPOT, HOSTS, spot=90_000.0) is None


def test_a_hop_says_how_long_it_waited_and_what_it_gains() -> None:
    found = hop(LONG, Stay("spot", NOW - 900.0), market(SPOT, HOSTS, spot=5000.0), HOPPING, now=NOW)

    assert found is not None
    assert found.reason == (
        "hosts: it has waited 15 m 00 s for spot, and is expected to end here in 10 m 00 s "
        "instead of 1 h 33 m."
    )


# -- what classes say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tiers", "purchase", "own", "spot"),
    [
        ((), (), "", ""),
        (("own",), (), "", "urgent work may not use it"),
        ((), ("owned",), "", "urgent work may not use spot machines"),
        (("own", "spot"), ("spot",), "urgent work may not use owned machines", ""),
        (("gpu",), (), "urgent work may not use it", "urgent work may not use it"),
    ],
)
def test_a_class_goes_only_where_it_says(tiers: Any, purchase: Any, own: str, spot: str) -> None:
    policy = restricted(POLICY, [ClassPolicy("urgent", 1, tiers=tiers, purchase=purchase)])

    assert (barred("urgent", OWN, policy), barred("urgent", SPOT, policy)) == (own, spot)
    assert barred("standard", SPOT, policy) == ""


def test_what_a_class_and_a_file_of_capacity_say_binds_both() -> None:
    policy = RoutingPolicy(allowed={"urgent": Allowed(tiers=frozenset({"own", "gpu"}))})

    both = restricted(policy, [ClassPolicy("urgent", 1, tiers=("gpu", "spot"))])
    neither = restricted(policy, [ClassPolicy("urgent", 1, tiers=("spot",))])

    assert [bool(barred("urgent", tier, both)) for tier in (OWN, GPU, SPOT)] == [True, False, True]
    assert all(barred("urgent", tier, neither) for tier in (OWN, GPU, SPOT))
    assert restricted(policy, [ClassPolicy("urgent", 1)]) is policy
