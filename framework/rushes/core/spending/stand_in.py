"""The prices of a region that has none: those of us-east-1 in their place, and of what they stand in for.

The list price of a run on Lambda is the same in most regions, and that of storage nearly. A cap that counts
with another's price holds nearly; one that counts with none holds nothing. Whoever counts so says it. Of
places that are no region of AWS nothing is known. This module must not know who is told.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from rushes.core.spending.prices import PriceBook
from rushes.core.spending.run_price import RunPrice, tier_of_memory

__all__ = ["STAND_IN", "lambda_price"]

STAND_IN: Final = "us-east-1"
_OF_AWS: Final = re.compile(r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-[a-z]+)+-[0-9]")


def lambda_price(book: PriceBook, region: str, memory_bytes: int) -> tuple[RunPrice | None, tuple[str, ...]]:
    """What a run of so much memory on Lambda pays for in a region, and what of that is `STAND_IN`'s.

    Args:
        book: what is known; what it states for the region counts.
        region: where the run is.
        memory_bytes: of the run.

    Returns:
        No price where nothing is known, and nothing can stand in.
    """
    tier = tier_of_memory(book, "lambda", region, memory_bytes)
    if not _OF_AWS.fullmatch(region):
        return (None, ()) if tier is None else (RunPrice(tier, book), ())
    missing = []
    if tier is None and (other := tier_of_memory(book, "lambda", STAND_IN, memory_bytes)) is not None:
        tier = replace(other, region=region)
        missing.append("Lambda")
    if tier is None:
        return None, ()
    if region not in book.storage and STAND_IN in book.storage:
        book = replace(book, storage={**book.storage, region: book.storage[STAND_IN]})
        missing.append("S3")
    if region not in book.transfer and STAND_IN in book.transfer:
        book = replace(book, transfer={**book.transfer, region: book.transfer[STAND_IN]})
        missing.append("transfer")
    return RunPrice(tier, book), tuple(missing)
