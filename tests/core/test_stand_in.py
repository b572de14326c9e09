"""Whose prices count in a region that has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.core.spending.prices import PriceBook
from rushes.core.spending.stand_in import lambda_price
from rushes.runtime.configuration.price_files import price_book

GIB = 1 << 30


def test_a_region_that_has_its_prices_has_its_own() -> None:
    price, stood_in = lambda_price(price_book({}), "us-east-1", 2 * GIB)
    assert price is not None
    assert (price.tier.region, stood_in) == ("us-east-1", ())


@pytest.mark.parametrize("region", ["eu-west-1", "ap-southeast-2", "us-gov-west-1", "mx-central-1"])
def test_another_region_counts_what_us_east_1_does_and_says_of_what(region: str) -> None:
    book = price_book({})
    price, stood_in = lambda_price(book, region, 2 * GIB)
    home, _ = lambda_price(book, "us-east-1", 2 * GIB)
    assert price is not None
    assert home is not None
    assert stood_in == ("Lambda", "S3", "transfer")
    assert price.tier.cost(1_000_000) == home.tier.cost(1_000_000)
    assert price.tier.region == region
    assert price.book.requests_cost(region, puts=1000) == book.requests_cost("us-east-1", puts=1000)
    assert price.book.transfer_cost(region, region, GIB) == 0
    assert price.book.transfer_cost(region, "us-east-1", GIB) > 0


def test_what_is_stated_of_a_region_counts_there() -> None:
    book = price_book({})
    own = PriceBook(book.tiers, {**book.storage, "eu-west-1": book.storage["us-east-1"]}, book.transfer,
                    machines=book.machines)  # fmt: skip
    assert lambda_price(own, "eu-west-1", GIB)[1] == ("Lambda", "transfer")


def test_the_file_of_a_region_in_the_reference_leaves_nothing_to_stand_in(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "prices.md").read_text(encoding="utf-8")
    example = page.partition("## Another region of AWS")[2].partition("```toml")[2].partition("```")[0]
    file = tmp_path / "studio.toml"
    file.write_text(example, encoding="utf-8")
    price, stood_in = lambda_price(price_book({"RUSHES_PRICES": str(file)}), "eu-west-1", GIB)
    assert stood_in == ()
    assert price is not None
    assert price.tier.cost(1_000_000) == 15_000  # half the memory, half the price
    assert price.book.transfer_cost("eu-west-1", "us-east-1", GIB) == 90_000_000


@pytest.mark.parametrize("region", ["", "here", "mars", "akamai", "mars-east-1"])
def test_of_a_place_that_is_no_region_of_aws_nothing_is_known(region: str) -> None:
    assert lambda_price(price_book({}), region, GIB) == (None, ())


def test_a_book_that_knows_nothing_stands_in_for_nothing() -> None:
    assert lambda_price(PriceBook(), "eu-west-1", GIB) == (None, ())
