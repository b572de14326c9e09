"""Caps of an environment on AWS, as `rushes budget` shows and sets them.

A cap in all and one by the hour, and soft limits in both, for a show or the organisation; for a batch that
was sent with a cap, caps and a soft limit in all. Each counts what is spent from when it is set. This module
must not know who spends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState
from rushes.errors import CallerError
from rushes.ports import Money

__all__ = ["price_note", "rows_of", "set_limits", "set_max_cost"]


def price_note(region: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """What a person is told whose cap counts with another region's prices, or with none.

    It goes by the price book of this machine: that of an environment is in its image.

    Returns:
        The note, "" where all has a price; and whether nothing has one, so that a cap holds nothing back.

    Raises:
        CallerError: the file that `RUSHES_PRICES` names cannot be used (``bad-prices``).
    """
    from rushes.core.spending.stand_in import STAND_IN, lambda_price  # noqa: PLC0415 - few ask
    from rushes.runtime.configuration.price_files import price_book  # noqa: PLC0415 - as above

    asked = f"`rushes infra prices --region {region}` writes it"
    state = f"in a file that RUSHES_PRICES names, here and in the image of the environment: {asked}."
    price, stood_in = lambda_price(price_book(environ), region, 1 << 30)
    if price is None:
        return (
            f"note: the price book has no price of Lambda in {region}, and what has no price is not held "
            f"back by a cap. State it {state}"
        ), True
    if stood_in:
        return (
            f"note: the price book has none of {region} for {', '.join(stood_in)}: what that costs is "
            f"counted at the prices of {STAND_IN}. State your own {state}"
        ), False
    return "", False


def rows_of(money: Money) -> tuple[list[dict[str, Any]], str]:
    """A row for each payer that has a limit, but for batches; and what cannot be read of them, or ""."""
    found: dict[Scope, dict[bool, CapState]] = {}
    states = money.caps()
    for one in (one for one in states if one.scope.level != "batch" and not one.unread):
        found.setdefault(one.scope, {})[one.by_hour] = one
    rows = [_row(scope, kept.get(False), kept.get(True)) for scope, kept in sorted(found.items())]
    return rows, "\n".join(f"note: {one.scope} is held: {one.unread}" for one in states if one.unread)


def set_limits(money: Money, scope: Scope, limits: Mapping[str, int | None]) -> None:
    """Give a payer the limits that are named, and no others; a batch keeps those that are not named.

    Raises:
        CallerError: it is a batch that was sent without a cap, or is to have a soft limit by the hour
            (``not-supported``).
    """
    if scope.level == "batch":
        _set_caps_of_batch(money, scope, limits)
        return
    for books, cap, soft in ((money, "cap", "soft"), (money.hourly, "hour_cap", "hour_soft")):
        books.set_soft(scope, limits.get(soft))
        books.set_cap(scope, limits.get(cap))


def set_max_cost(money: Money, scope: Scope, cap: int | None) -> None:
    """Give a batch that was sent with a cap another one, or none.

    Raises:
        CallerError: it was sent without any (``not-supported``).
    """
    _check_capped(money, scope)
    money.set_cap(scope, cap)


def _set_caps_of_batch(money: Money, scope: Scope, limits: Mapping[str, int | None]) -> None:
    if limits.get("hour_soft") is not None:
        raise CallerError(
            f"batch {scope.name} of an environment on AWS can have no soft limit by the hour; shows and the "
            "organisation can.",
            code="not-supported",
            fix="Say --soft, in all; or limit its show by the hour.",
        )
    _check_capped(money, scope)
    if limits.get("soft") is not None:
        money.set_soft(scope, limits["soft"])
    for books, name in ((money, "cap"), (money.hourly, "hour_cap")):
        if limits.get(name) is not None:
            books.set_cap(scope, limits[name])


def _check_capped(money: Money, scope: Scope) -> None:
    if money.state(scope) is None:
        raise CallerError(
            f"batch {scope.name} was sent without a cap, and whoever works on it asks for none.",
            code="not-supported",
            fix="Cancel it and send it with --max-cost, or cap its show.",
        )


def _row(scope: Scope, in_all: CapState | None, by_hour: CapState | None) -> dict[str, Any]:
    """What is spent and reserved is as far as there are books of it: each begin with the first limit."""
    known = [one for one in (in_all, by_hour) if one is not None]
    return {
        "level": scope.level, "name": scope.name, "cap_nano": _cap(in_all), "hour_cap_nano": _cap(by_hour),
        "soft_nano": in_all and in_all.soft, "hour_soft_nano": by_hour and by_hour.soft,
        "spent_nano": known[0].spent, "reserved_nano": max(one.held for one in known),
        "hour_spent_nano": by_hour.spent if by_hour is not None else 0, "running": 0, "held": [],
    }  # fmt: skip


def _cap(state: CapState | None) -> int | None:
    return None if state is None or state.free else state.cap
