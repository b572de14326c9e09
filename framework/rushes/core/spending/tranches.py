"""One cap for many hosts: each takes a tranche of it, and spends within that without asking anybody.

    cap  =  left  +  what all tranches hold  +  what was spent and accounted for

A tranche is taken out of ``left`` before anything of it is spent, so whatever hosts do at the same time, the
sum of what they may spend is the cap. Of its tranche a holder says in advance how much it may have spent
before it is heard of again: what is ``exposed``. When it falls silent the rest comes back, and what was
exposed counts as spent: it may have been. Who goes on all the same has no more than that to spend, so
nothing depends on clocks that agree.

Tranches are small where little is left, so that a cap is spent to its end. This module must not know books,
holders or the ledger.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rushes.core.accounts import Scope

__all__ = ["CapState", "exposed", "granted", "surplus", "wanted"]

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
    """

    scope: Scope
    cap: int
    left: int
    spent: int

    @property
    def held(self) -> int:
        """In tranches."""
        return self.cap - self.left - self.spent


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
