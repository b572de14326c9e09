"""The machine's own price: named by a setting, stated in the price file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.core.events import Capacity, Shape
from rushes.core.spending.machine_price import MachinePrice
from rushes.errors import CallerError
from rushes.runtime.configuration.costing import machine_price
from rushes.runtime.configuration.settings import settings_from

POOL = Capacity(4, float(8 << 30), gpu=1)


def _priced(tmp_path: Path, text: str, **variables: str) -> MachinePrice:
    prices = tmp_path / "prices.toml"
    prices.write_text(f"schema = 1\n{text}")
    environ = {"RUSHES_HOME": str(tmp_path / "home"), "RUSHES_PRICES": str(prices), **variables}
    return machine_price(settings_from(environ), environ, POOL)


def test_a_machine_of_which_nothing_is_said_is_here_and_costs_nothing(tmp_path: Path) -> None:
    environ = {"RUSHES_HOME": str(tmp_path)}

    price = machine_price(settings_from(environ), environ, POOL)

    assert (price.tier.name, price.free, price.counted) == ("here", True, False)
    assert price.price_of(Shape("b", "e", "f@1", cpu=4), 3600) == 0


def test_the_price_of_a_tier_without_a_shape_is_that_of_the_pool(tmp_path: Path) -> None:
    price = _priced(tmp_path, "[tiers.here]\nusd_per_hour = 0.4")

    assert price.capacity == POOL
    assert price.price_of(Shape("b", "e", "f@1", cpu=2), 3600) == 200_000_000


def test_the_price_of_a_tier_whose_shape_is_stated_is_that_of_such_a_machine(tmp_path: Path) -> None:
    rack = """
        [tiers.rack-01]
        purchase = "owned"
        region = "here"
        usd_per_hour = 0.32
        cpu = 32
        memory = "128GiB"
        source = "invoice"
        as_of = "2026-02-01"
    """

    price = _priced(tmp_path, rack, RUSHES_TIER="rack-01")

    assert price.price_of(Shape("b", "e", "f@1", cpu=2), 3600) == 20_000_000


def test_a_tier_that_has_no_price_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="no price for tier 'rack-9'") as caught:
        _priced(tmp_path, "", RUSHES_TIER="rack-9")

    assert caught.value.code == "no-price"
