"""The file of capacity: the one that the documents show is read whole, and a wrong one says where."""

from __future__ import annotations

import copy
import re
from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml

from rushes.core.capacity.capacity_file import capacity_from
from rushes.core.capacity.elastic import FleetPolicy
from rushes.core.capacity.fitting import Allowed, RoutingPolicy
from rushes.core.capacity.hours import Hours
from rushes.core.capacity.steps import DEFAULT_STEPS, Incremental, Step
from rushes.core.stragglers import StragglerPolicy
from rushes.core.tiers import Purchase
from rushes.errors import CallerError
from rushes.runtime.configuration.price_files import price_book

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "capacity.md"


@pytest.fixture(scope="module")
def shown() -> Any:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return yaml.safe_load(block)


def test_the_file_that_the_documents_show_means_what_they_say(shown: Any) -> None:
    policy = capacity_from(shown)

    assert list(policy.tiers) == ["lambda", "cpu-spot", "cpu", "gpu"]
    assert policy.tiers["lambda"].limits.run_s == 900.0
    assert policy.tiers["lambda"].price == "lambda/8gib"
    assert policy.scaling.most_per_hour == 40 * 10**9
    spot, gpu = policy.scaling.fleets
    assert spot == FleetPolicy(
        "cpu-spot",
        50,
        fallback="cpu",
        steps=DEFAULT_STEPS,
        drain_s={"interactive": 60.0, "urgent": 600.0, "standard": 3600.0, "background": inf},
        schedule=(Hours(17, 20, minimum=2, days=frozenset(range(5))),),
    )
    assert gpu == FleetPolicy("gpu", 8, steps=Incremental((Step(10, 1), Step(50, 5)), 120.0))
    assert policy.routing == RoutingPolicy(
        worth_nano={"urgent": 500_000},
        allowed={"background": Allowed(purchases=frozenset({Purchase.spot, Purchase.owned}))},
    )
    assert policy.stragglers == StragglerPolicy(least_s=120.0, hedge=True, most_nano=100_000_000)


def test_prices_an_hour_come_from_the_price_book_and_a_missing_one_is_named(shown: Any) -> None:
    policy, book = capacity_from(shown), price_book({})

    with pytest.raises(CallerError, match=r"no price for tier 'ours/c7i.2xlarge-spot'"):
        policy.hourly(book)

    shown_spot = dict(shown["tiers"]["cpu-spot"], price="ec2/c7i.2xlarge")
    hourly = capacity_from({**shown, "tiers": {**shown["tiers"], "cpu-spot": shown_spot}}).hourly(book)
    assert hourly == {"cpu-spot": 357_000_000, "cpu": 357_000_000, "gpu": 804_800_000}
    policy.scaling.check(policy.tiers, hourly)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"fleets": {"box": {"maximum": 1, "drain": {"urgant": "1m"}}}}, "fleets.box.drain"),
        ({"routing": {"worth_per_second": {"urgant": 1}}}, "routing.worth_per_second"),
        ({"routing": {"allowed": {"urgant": {"tiers": ["box"]}}}}, "routing.allowed"),
    ],
)
def test_a_class_that_does_not_exist_is_refused_with_those_that_do(data: dict[str, Any], place: str) -> None:
    box = {"cpu": 1, "memory": "1GiB", "purchase": "owned", "region": "here"}

    with pytest.raises(CallerError, match=rf"capacity.{place} names the class 'urgant'") as refused:
        capacity_from({"tiers": {"box": box}, **data}, classes=["urgent", "standard"])

    assert refused.value.fix == "There are urgent, standard."


def test_what_is_left_out_has_its_default() -> None:
    policy = capacity_from({"tiers": {}})

    assert (policy.tiers, policy.scaling.fleets, policy.scaling.most_per_hour) == ({}, (), None)
    assert (policy.routing, policy.stragglers) == (RoutingPolicy(), StragglerPolicy())


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("fleet", {}, "capacity has a field 'fleet', which does not exist. Write fleets."),
        ("most_per_hour", "much", "capacity.most_per_hour is 'much'"),
        ("most_per_hour", -1, "capacity.most_per_hour is -1"),
        ("fleets.gpu.maximum", None, "capacity.fleets.gpu.maximum is missing"),
        ("fleets.gpu.maximum", 2.5, "capacity.fleets.gpu.maximum is 2.5, and has to be a whole number"),
        ("fleets.gpu.minimum", 9, "The fleet of 'gpu' cannot have 9, with a maximum of 8 as its minimum"),
        (
            "fleets.gpu.idel",
            "10m",
            "capacity.fleets.gpu has a field 'idel', which does not exist. Write idle.",
        ),
        ("fleets.gpu.idle", "soon", "capacity.fleets.gpu.idle is 'soon', and has to be a duration"),
        ("fleets.gpu.drain", {"urgent": 0}, "cannot have 0 as its drain_s of urgent"),
        ("fleets.gpu.drain", ["urgent"], "capacity.fleets.gpu.drain is ['urgent'], and has to be a table"),
        ("fleets.gpu.fallback", "tape", "The fleet of 'gpu' cannot have 'tape', which does not exist"),
        ("fleets.lambda", {"maximum": 1}, "'lambda', which has no hosts: it scales by itself"),
        ("fleets.gpu.steps", [{"above": 10}], "capacity.fleets.gpu.steps[0].add is missing"),
        ("fleets.gpu.steps", [{"from": 1, "hosts": "two"}], "capacity.fleets.gpu.steps[0].hosts is 'two'"),
        (
            "fleets.gpu.steps",
            [{"from": 1, "hosts": [1, 2, 3]}],
            "capacity.fleets.gpu.steps[0].hosts is [1, 2, 3]",
        ),
        (
            "fleets.gpu.steps",
            [{"from": 2, "hosts": 1}],
            "capacity.fleets.gpu.steps cannot be used: A step table",
        ),
        ("fleets.gpu.steps", [{"above": 1, "add": 1, "to": 2}], "steps[0] has a field 'to'"),
        (
            "fleets.gpu.schedule",
            [{"from": 1, "to": 25}],
            "capacity.fleets.gpu.schedule cannot be used: A schedule",
        ),
        ("fleets.gpu.schedule", [{"from": 1, "to": 2, "days": ["Mo"]}], "schedule[0].days is ['Mo']"),
        ("routing.shrot", "1m", "capacity.routing has a field 'shrot', which does not exist. Write short."),
        ("routing.hop_gain", 0.5, "capacity.routing.hop_gain is 0.5, and has to be a number of at least 1"),
        (
            "routing.allowed",
            {"urgent": {"tiers": ["tape"]}},
            "capacity.routing.allowed.urgent names the tier 'tape'",
        ),
        ("routing.allowed", {"urgent": {"purchases": ["free"]}}, "allowed.urgent.purchases is ['free']"),
        ("stragglers.stall", [], "capacity.stragglers.stall is []"),
        ("tiers.gpu.cpu", 0, "The tier 'gpu' has cpu = 0"),
        ("tiers", None, "capacity.tiers is missing, and has to be a table of names and values"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_the_place(shown: Any, place: str, value: Any, says: str) -> None:
    wrong = copy.deepcopy(shown)
    table = wrong
    *way, last = place.split(".")
    for name in way:
        table = table[name]
    table[last] = value

    with pytest.raises(CallerError) as refused:
        capacity_from(wrong)

    assert says in str(refused.value)


@pytest.mark.parametrize("data", [None, [], "tiers", {1: {}}])
def test_what_is_no_table_is_refused(data: Any) -> None:
    with pytest.raises(CallerError, match="has to be a table of names and values"):
        capacity_from(data)
