"""Caps of an environment on AWS, as `rushes budget` shows and sets them.

One cap, in all, for a show, the organisation or a batch; none by the hour, and no soft one. It counts what is
spent from when it is set. This module must not know who spends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState
from rushes.errors import CallerError
from rushes.ports import Money

__all__ = ["rows_of", "set_limits"]

_ONLY_HERE: Final = {"hour_cap": "--per-hour", "soft": "--soft", "hour_soft": "--soft-per-hour"}


def rows_of(money: Money) -> list[dict[str, Any]]:
    """A row for each payer that has a cap, but for batches."""
    return [_row(one) for one in sorted(money.caps())]


def set_limits(money: Money, scope: Scope, limits: Mapping[str, int | None]) -> None:
    """Give a payer the cap that is among `limits`, or none.

    Raises:
        CallerError: another limit than a cap in all is asked for (``not-supported``), or a batch was sent
            without any.
    """
    for name, option in _ONLY_HERE.items():
        if limits.get(name) is not None:
            raise CallerError(
                f"{option} is kept by a pool of one machine; an environment on AWS has caps in all.",
                code="not-supported",
                fix=f"Leave {option} out.",
            )
    if scope.level == "batch" and money.state(scope) is None:
        raise CallerError(
            f"batch {scope.name} was sent without a cap, and whoever works on it asks for none.",
            code="not-supported",
            fix="Cancel it and send it with --max-cost, or cap its show.",
        )
    money.set_cap(scope, limits.get("cap"))


def _row(one: CapState) -> dict[str, Any]:
    return {
        "level": one.scope.level, "name": one.scope.name, "cap_nano": one.cap, "hour_cap_nano": None,
        "soft_nano": None, "hour_soft_nano": None, "spent_nano": one.spent, "reserved_nano": one.held,
        "hour_spent_nano": 0, "running": 0, "held": [],
    }  # fmt: skip
