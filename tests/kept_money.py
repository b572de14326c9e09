"""What a worker has written down of money, read past it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from rushes.core.money import NANO

__all__ = ["PRICES", "SECOND", "Kept", "money_kept"]

PRICES = """
schema = 1
[tiers.here]
usd_per_hour = 36
source = "a test"
as_of = "2026-01"
"""
SECOND = NANO // 200
"""What a second of one of two cores costs at that price: half a cent."""


class Kept(NamedTuple):
    """What the journal says, all of it of one moment.

    Args:
        books: what each payer has spent, by level and name.
        set_aside: what is reserved on top.
        ledger: what all attempts have cost.
    """

    books: dict[tuple[str, str], int]
    set_aside: int
    ledger: int


def money_kept(home: Path) -> Kept:
    """What the journal of a state folder says."""
    with closing(sqlite3.connect(f"file:{home / 'journal.sqlite3'}?mode=ro", uri=True)) as db:
        db.execute("BEGIN")
        books = db.execute("SELECT level,name,spent FROM books").fetchall()
        (aside,) = db.execute("SELECT coalesce(sum(amount-spent),0) FROM reservations").fetchone()
        (cost,) = db.execute("SELECT coalesce(sum(compute+requests+transfer+energy),0) FROM costs").fetchone()
    return Kept({(level, name): spent for level, name, spent in books}, aside, cost)
