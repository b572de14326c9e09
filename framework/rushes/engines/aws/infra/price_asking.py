"""Asks AWS's price list of a region; it answers in three regions, for all.

This module must not know what is made of the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, sent
from rushes.engines.aws.infra.price_list import Asked, Priced, asked_for, priced
from rushes.errors import PlatformError

__all__ = ["answers_in", "ask"]

_ANSWERS: Final = ("us-east-1", "eu-central-1", "ap-south-1")
"""https://docs.aws.amazon.com/general/latest/gr/billing.html, Price List Query API."""
_PAGES: Final = 50
"""Of a hundred products: a question comes to some ten at most, and to a few hundred for other regions."""


def answers_in(region: str) -> str:
    """The nearest region in which the list answers."""
    return next((one for one in _ANSWERS if one[:2] == region[:2]), _ANSWERS[0])


def ask(
    client: Any, region: str, types: Iterable[str], say: Callable[[str], None] = lambda _: None
) -> dict[str, list[Priced]]:
    """The prices of a region, by the names of `asked_for`.

    Args:
        client: of boto3, for ``pricing`` where it answers.
        region: whose prices.
        types: of EC2.
        say: is told what is asked.

    Raises:
        CallerError: it may not be asked.
        PlatformError: it does not answer.
    """
    found: dict[str, list[Priced]] = {}
    kept: dict[tuple[Any, ...], list[str]] = {}
    for name, asked in asked_for(region, types).items():
        question = (asked.service, *sorted(asked.filters.items()))
        if question not in kept:
            say(f"asking for {asked.what}")
            kept[question] = list(_products(client, asked))
        found[name] = priced(kept[question], asked)
    return found


def _products(client: Any, asked: Asked) -> Iterator[str]:
    """All products that fit, as the list writes them."""
    filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in asked.filters.items()]
    wanted: dict[str, Any] = {"ServiceCode": asked.service, "Filters": filters, "MaxResults": 100}
    for _ in range(_PAGES):
        page = _page(client, wanted)
        yield from page.get("PriceList", ())
        token = page.get("NextToken")
        if not token:
            return
        wanted["NextToken"] = token
    raise PlatformError(
        f"the price list has more than {100 * _PAGES} products for {asked.what}.",
        code="service-refused",
        fix="State what you need in the file by hand.",
    )


def _page(client: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    act = "ask the price list"
    try:
        with sent(act):
            found: dict[str, Any] = client.get_products(**wanted)
    except ClientError as error:
        raise answer_error(error, act) from error
    return found
