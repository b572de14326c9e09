"""The price book of this machine: the one that ships, with the file that `RUSHES_PRICES` names laid over it.

This module must not know what prices are used for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from rushes.core.spending.price_entries import book_from, merged, parse_entries
from rushes.core.spending.prices import PriceBook
from rushes.errors import CallerError

__all__ = ["price_book"]

_SHIPPED: Final = "default.json"


def price_book(environ: Mapping[str, str]) -> PriceBook:
    """The prices that an environment asks for.

    Raises:
        CallerError: the file that `RUSHES_PRICES` names cannot be read, or an entry of it is wrong
            (``bad-prices``).
    """
    shipped = resources.files("rushes").joinpath("prices", _SHIPPED).read_text(encoding="utf-8")
    entries = parse_entries(shipped, _SHIPPED)
    asked = environ.get("RUSHES_PRICES")
    if not asked:
        return book_from(entries, _SHIPPED)
    from rushes.runtime.configuration.policy_file import policy_text  # noqa: PLC0415 - few have their own

    path = Path(asked).expanduser()
    try:
        text = policy_text(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CallerError(
            f"the price file {path} cannot be read: {why}.",
            code="bad-prices",
            fix="Correct RUSHES_PRICES, or unset it to use the prices that ship.",
        ) from error
    own = parse_entries(text, path.name)
    return book_from(merged(entries, own, path.name), path.name)
