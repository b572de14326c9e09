"""One cap for many hosts: each takes a tranche of it, and spends within that without asking anybody.

    cap  =  left  +  what all tranches hold  +  what was spent and accounted for

A tranche is taken out of ``left`` before anything of it is spent, so whatever hosts do at the same time, the
sum of what they may spend is the cap. Of its tranche a holder says in advance how much it may have spent
before it is heard of again: what is ``exposed``. When it falls silent the rest comes back, and what was
exposed counts as spent: it may have been. Who goes on all the same has no more than that to spend, so
nothing depends on clocks that agree.

Tranches are small where little is left, so that a cap is spent to its end.

A cap by the hour is the same, but for what becomes of it when an hour of the clock (UTC) is over: what was
spent is forgotten, and who has a tranche has all of it once more. What it might have spent of the new hour is
thus out of ``left`` before the hour begins, and nobody has to be asked at that moment. What a silent holder
had exposed and not spent yet counts in the hour in which that is found, and in the one after it: it may still
run. This module must not know books, holders or the ledger.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rushes.core.accounts import HOUR_S, Scope
from rushes.core.money import format_dollars

__all__ = ["CapState", "exposed", "found_spent", "granted", "hour_of", "surplus", "turned", "wanted"]

AHEAD: Final = 8
"""A tranche is for so many reservations of the size that is asked for: one request to a shared item, not
eight."""
PART: Final = 20
"""And for no more than this part of what is left, unless one reservation needs more."""
STEP: Final = 2
"""Reservations that are said in advance, beside those that are open."""


class CapState(NamedTuple):
    """Where a cap stands, in nano-dollars.

    Args:
        scope: whose it is.
        cap: at most so much, in all.
        left: nobody has taken it.
        spent: accounted for.
        soft: beyond it work goes on one class lower; None: there is no such limit.
        by_hour: all of it is of the hour that it is now.
        free: there is no cap: `cap` says nothing, and the books go on for the soft limit's sake.
        unread: why its books cannot be read; nothing more is spent of it until somebody has mended them, and
            nobody else is kept from anything. "" where they can.
    """

    scope: Scope
    cap: int
    left: int
    spent: int
    soft: int | None = None
    by_hour: bool = False
    free: bool = False
    unread: str = ""

    @property
    def held(self) -> int:
        """In tranches."""
        return self.cap - self.left - self.spent

    @property
    def beyond_soft(self) -> str:
        """What a person is told while more than the soft limit is spent or in tranches, or ""."""
        if self.soft is None or self.spent + self.held <= self.soft:
            return ""
        per = " an hour" if self.by_hour else ""
        return f"{self.scope} is beyond its soft limit of {format_dollars(self.soft)}{per}"


def wanted(amount: int) -> int:
    """What is asked for when a reservation of so much does not fit."""
    return AHEAD * amount


def granted(left: int, least: int, most: int) -> int:
    """What a holder is given of what is left; 0: not even the least is there."""
    if least <= 0 or left < least:
        return 0
    return min(most, max(least, left // PART))


def exposed(may_spend: int, amount: int, taken: int) -> int:
    """What a holder says in advance that it may have spent when it is heard of again: of what it took."""
    return min(taken, may_spend + STEP * amount)


def surplus(taken: int, may_spend: int, amount: int) -> int:
    """What a holder gives back while it works: somebody else may be short of it."""
    spare = taken - may_spend - STEP * amount
    return spare if spare > 2 * amount else 0


def hour_of(now: float) -> int:
    """The hour of the clock (UTC) in which a time is, since the epoch."""
    return int(now // HOUR_S)


def turned(left: int, spent: int, lost: int, hours: int) -> tuple[int, int]:
    """What is left of a cap by the hour, and what counts as spent, once so many hours are over.

    Args:
        left: in the hour of which the books are.
        spent: in that hour.
        lost: of that, what silent holders may spend later.
        hours: that are over since; 0: none.
    """
    if hours <= 0:
        return left, spent
    carried = lost if hours == 1 else 0
    return left + spent - carried, carried


def found_spent(spent: int, said: int, *, this_hour: bool) -> tuple[int, int]:
    """What a silent holder of an hour's tranche may have spent in this hour, and may spend later.

    Args:
        spent: as it said last.
        said: what it exposed then.
        this_hour: it said so in the hour that it is now.
    """
    later = max(said - spent, 0)
    return (max(spent, said) if this_hour else later), later
