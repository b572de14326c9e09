"""Money is exact, prices are what was written, and a wrong entry is named."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.money import NANO, format_dollars, owed, parse_dollars, share_out
from rushes.core.spending.price_entries import book_from, merged, parse_entries
from rushes.core.spending.prices import INTERNET, PriceBook, Source, TierPrice
from rushes.core.tiers import Machine, Purchase, TierLimits
from rushes.errors import CallerError
from rushes.runtime.configuration.price_files import price_book

SAID = {"source": "a list", "as_of": "2026-01-19"}
TIER = {"purchase": "on-demand", "region": "r", "usd_per_hour": "0.526", **SAID}


def _book(**tables: Any) -> PriceBook:
    return book_from(parse_entries(json.dumps({"schema": 1, **tables}), "p.json"), "p.json")


# -- money ------------------------------------------------------------------------------------------------


@given(price=st.integers(0, 10**15), quantity=st.integers(0, 10**15), per=st.integers(1, 10**15))
def test_what_is_owed_is_exact_and_rounded_up_once(price: int, quantity: int, per: int) -> None:
    exact = Fraction(price * quantity, per)

    assert 0 <= owed(price, quantity, per) - exact < 1


@given(total=st.integers(0, 10**18), weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
def test_parts_sum_to_the_whole_and_are_within_one_of_their_share(total: int, weights: list[int]) -> None:
    parts = share_out(total, weights)

    assert sum(parts) == total
    assert min(parts) >= 0
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(total * weight, sum(weights))) < 1
            assert weight or not part


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    assert share_out(10, [1, 1, 1]) == [4, 3, 3]
    assert share_out(10, [3, 3, 1]) == [4, 4, 2]  # 4.29, 4.29, 1.43
    assert share_out(7, [0, 0]) == [0, 7]
    assert share_out(7, []) == []


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0"),
        (40 * NANO, "$40.00"),
        (1_204_100_000_000, "$1,204.10"),
        (3_100_000, "$0.0031"),
        (200, "$0.00000020"),
        (1, "$0.000000001"),
        (-2_500_000_000, "-$2.50"),
        (1_999_999_999, "$2.00"),
    ],
)
def test_amounts_are_written_in_cents_or_with_two_digits(nano: int, text: str) -> None:
    assert format_dollars(nano) == text


def test_dollars_are_read_exactly() -> None:
    assert parse_dollars("0.526") == 526_000_000
    assert parse_dollars("$1,204.10") == 1_204_100_000_000
    assert parse_dollars("1,000,000") == 1_000_000 * NANO
    assert parse_dollars(Decimal("0.0000333334"), per=3600) == 120_000_240


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cheap",
        "-1",
        "nan",
        "inf",
        "0.0000000001",
        "1e30",
        "5,00",
        "0,50",
        "$1,5",
        "1,00,000",
        ",5",
        "1,000,00",
    ],
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(CallerError) as caught:
        parse_dollars(text)

    assert caught.value.code == "bad-value"


# -- prices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_s", "least_s", "elapsed_us", "billed_us"),
    [
        (None, None, 1, 1),
        ("0.001", None, 1, 1000),
        ("0.001", None, 1000, 1000),
        (1, 60, 1_000_000, 60_000_000),
        (1, 60, 61_000_001, 62_000_000),
        (1, 60, 0, 0),
    ],
)
def test_time_is_billed_in_steps_from_a_least_time_on(
    step_s: Any, least_s: Any, elapsed_us: int, billed_us: int
) -> None:
    billing = {"billed_step_s": step_s, "billed_least_s": least_s}
    entry = {**TIER, **{key: value for key, value in billing.items() if value is not None}}

    tier = _book(tiers={"t": entry}).tier("t")

    assert tier.billed_us(elapsed_us) == billed_us
    assert tier.cost(elapsed_us) == owed(526_000_000, billed_us, 3_600_000_000)


def test_a_price_by_the_second_is_that_of_3600() -> None:
    by_second = {key: value for key, value in TIER.items() if key != "usd_per_hour"}

    tier = _book(tiers={"t": {**by_second, "usd_per_second": "0.0000333334"}}).tier("t")

    assert tier.hour_nano == 120_000_240
    assert tier.cost(1_000_000) == 33_334  # 33,333.4 rounded up


def test_toml_and_json_make_the_same_book() -> None:
    as_toml = """
        schema = 1
        [tiers.rack-01]
        purchase = "owned"
        region = "here"
        usd_per_hour = 0.11
        cpu = 32
        memory = "128GiB"
        devices = { netint = 1 }
        idle_watts = 95.5
        busy_watts = 310
        source = "measured at the wall"
        as_of = "2026-02-01"
        [energy.here]
        usd_per_kwh = 0.31
        source = "our contract"
        as_of = "2026-01"
    """
    tier = {
        "purchase": "owned", "region": "here", "usd_per_hour": 0.11, "cpu": 32, "memory": "128GiB",
        "devices": {"netint": 1}, "idle_watts": 95.5, "busy_watts": 310, "source": "measured at the wall",
        "as_of": "2026-02-01",
    }  # fmt: skip
    energy = {"usd_per_kwh": 0.31, "source": "our contract", "as_of": "2026-01"}

    from_toml = book_from(parse_entries(as_toml, "own.toml"), "own.toml")

    assert from_toml == _book(tiers={"rack-01": tier}, energy={"here": energy})
    assert from_toml.tier("rack-01").idle_milliwatts == 95_500
    assert from_toml.energy_nano(from_toml.tier("rack-01")) == 310_000_000


def test_a_machine_whose_shape_is_stated_is_a_tier_that_can_be_ordered() -> None:
    entry = {**TIER, "cpu": 1.16, "memory": "2GiB", "limit_s": 900, "startup_s": 3}

    book = _book(tiers={"t": entry, "bare": TIER})

    assert list(book.machines) == ["t"]
    tier = book.machines["t"]
    assert (tier.machine, tier.start_s, tier.limits) == (
        Machine(1.16, 2 << 30, 0),
        3.0,
        TierLimits(run_s=900.0),
    )
    assert (tier.price, tier.purchase, tier.region) == ("t", Purchase.on_demand, "r")


def test_energy_is_part_of_the_price_of_what_is_rented() -> None:
    book = _book(tiers={"t": TIER}, energy={"r": {"usd_per_kwh": "0.3", **SAID}})

    assert book.energy_nano(book.tier("t")) == 0


def test_transfer_is_free_within_a_region_and_priced_by_route_beyond() -> None:
    routes = {"*": {"usd_per_gib": "0.02", **SAID}, INTERNET: {"usd_per_gib": "0.09", **SAID}}
    book = _book(transfer={"east": routes})

    assert book.transfer_cost("east", "east", 1 << 40) == 0
    assert book.transfer_cost("east", "west", 1 << 30) == 20_000_000
    assert book.transfer_cost("east", INTERNET, 1) == 1
    assert book.requests_cost("nowhere") == 0


@pytest.mark.parametrize(
    ("look_up", "missing"),
    [
        (lambda book: book.tier("t9"), "tier 't9'"),
        (lambda book: book.requests_cost("mars", gets=1), "storage in 'mars'"),
        (lambda book: book.transfer_cost("mars", "east", 1), "transfer from 'mars' to 'east'"),
    ],
)
def test_a_price_that_is_not_known_is_named(look_up: Any, missing: str) -> None:
    with pytest.raises(CallerError, match="no price for") as caught:
        look_up(_book(tiers={"t": TIER}))

    assert caught.value.code == "no-price"
    assert caught.value.details["missing"] == missing
    assert "RUSHES_PRICES" in caught.value.fix


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"tiers": {"t": {**TIER, "usd_per_hour": "cheap"}}}, "p.json: tiers.t has usd_per_hour = cheap"),
        ({"tiers": {"t": {**TIER, "usd_per_hour": -1}}}, "tiers.t has usd_per_hour = -1"),
        ({"tiers": {"t": {**TIER, "usd_per_hour": True}}}, "tiers.t has usd_per_hour = True"),
        ({"tiers": {"t": {**TIER, "usd_per_second": 1}}}, "tiers.t needs one price"),
        ({"tiers": {"t": {**TIER, "purchase": "stolen"}}}, "tiers.t has purchase = 'stolen'"),
        ({"tiers": {"t": {**TIER, "colour": "red"}}}, "tiers.t has 'colour'"),
        ({"tiers": {"t": {**TIER, "memory": "much"}}}, "tiers.t has memory = 'much'"),
        ({"tiers": {"t": {**TIER, "cpu": "NaN"}}}, "tiers.t has cpu = 'NaN'"),
        ({"tiers": {"t": {**TIER, "idle_watts": 9}}}, "tiers.t has watts that make no pair"),
        ({"tiers": {"t": {**TIER, "idle_watts": 9, "busy_watts": 8}}}, "tiers.t has watts that make no pair"),
        ({"tiers": {"t": {**TIER, "devices": "l4"}}}, "tiers.t has devices = 'l4'"),
        ({"tiers": {"t": {**TIER, "devices": {"nvenc": 0}}}}, "tiers.t has devices = {'nvenc': 0}"),
        (
            {"tiers": {"t": {**TIER, "cpu": 1, "memory": "1GiB", "limit_s": 0}}},
            "tiers.t describes no machine",
        ),
        ({"tiers": {"t": {**TIER, "billed_step_s": 0}}}, "tiers.t has billed_step_s = 0"),
        ({"tiers": {"t": {**TIER, "source": ""}}}, "tiers.t has source = ''"),
        ({"tiers": {"t": 5}}, "tiers.t is no table"),
        ({"tiers": 5}, "p.json: tiers is no table"),
        ({"transfer": {"r": 5}}, "transfer.r is no table"),
        ({"transfer": {"r": {"*": {**SAID}}}}, "transfer.r.* has usd_per_gib = None"),
        ({"storage": {"r": {"usd_per_put": 0, **SAID}}}, "storage.r has usd_per_get = None"),
        ({"energy": {"r": {"usd_per_kwh": "0.3", "source": "a bill"}}}, "energy.r has as_of = None"),
        ({"prices": {}}, "p.json has a table 'prices'"),
        ({"schema": 2}, "p.json has schema 2"),
    ],
)
def test_a_wrong_entry_is_named_with_its_value(tables: dict[str, Any], named: str) -> None:
    with pytest.raises(CallerError) as caught:
        _book(**tables)

    assert named in caught.value.message
    assert caught.value.code == "bad-prices"
    assert caught.value.fix


@pytest.mark.parametrize(("text", "name"), [("{", "p.json"), ("a = ", "p.toml"), ("[]", "p.json")])
def test_a_file_that_cannot_be_read_is_named(text: str, name: str) -> None:
    with pytest.raises(CallerError, match=name) as caught:
        parse_entries(text, name)

    assert caught.value.code == "bad-prices"


# -- the file that ships, and one's own --------------------------------------------------------------------


def test_every_figure_that_ships_has_a_source() -> None:
    book = price_book({})

    routes = [one for routes in book.transfer.values() for one in routes.values()]
    sources = [one.source for one in book.tiers.values()]
    sources += [one.source for one in book.storage.values()] + [one.source for one in routes]
    assert len(sources) > 15
    assert all(len(source.text) > 20 and source.as_of for source in sources)
    assert book.tier("ec2/g6.xlarge").hour_nano == 804_800_000
    assert book.tier("here").hour_nano == 0


def test_ones_own_file_is_laid_over_the_one_that_ships_figure_by_figure(tmp_path: Path) -> None:
    own = tmp_path / "studio.toml"
    own.write_text(
        """
        schema = 1
        [tiers."ec2/g6.xlarge"]
        usd_per_hour = 0.50
        [tiers.suite-7]
        purchase = "owned"
        region = "here"
        usd_per_hour = 0
        [transfer.us-east-1.here]
        usd_per_gib = 0.03
        source = "our private line"
        as_of = "2026-05"
        """
    )

    book = price_book({"RUSHES_PRICES": str(own)})

    changed = book.tier("ec2/g6.xlarge")
    assert (changed.hour_nano, changed.billed_least_us) == (500_000_000, 60_000_000)
    assert book.machines["ec2/g6.xlarge"].machine == Machine(4.0, 16 << 30, 0, {"nvenc": 1})
    assert changed.source == Source("studio.toml", "undated")
    assert book.tier("suite-7").purchase is Purchase.owned
    assert book.transfer["us-east-1"]["here"].source.text == "our private line"
    assert book.transfer_cost("us-east-1", INTERNET, 1 << 30) == 90_000_000
    assert book.tier("ec2/g5.xlarge") == price_book({}).tier("ec2/g5.xlarge")


def test_a_price_by_the_hour_takes_the_place_of_one_by_the_second() -> None:
    by_second = {**{k: v for k, v in TIER.items() if k != "usd_per_hour"}, "usd_per_second": "0.001"}
    over = {"tiers": {"t": {"usd_per_hour": "1"}}}

    tier = book_from(merged({"tiers": {"t": by_second}}, over, "own"), "own").tier("t")

    assert isinstance(tier, TierPrice)
    assert tier.hour_nano == NANO


def test_a_price_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"gone\.json cannot be read: No such file") as caught:
        price_book({"RUSHES_PRICES": str(tmp_path / "gone.json")})

    assert caught.value.code == "bad-prices"
    assert "RUSHES_PRICES" in caught.value.fix
