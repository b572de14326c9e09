"""Sums over what attempts and machines cost: large reads, for whoever asks, beside the worker that writes.

This module must not know prices; it adds rows up.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, Self

from rushes.journal.reading import open_for_reading
from rushes.runtime.records.cost_records import MachineHour, MachineRow, SpentRow

__all__ = ["HOUR", "LINES", "SUMS", "CostReader", "CostSums"]

LINES: Final = ("compute", "requests", "transfer", "energy", "millijoules", "published_us")
SUMS: Final = ",".join(f"sum({line})" for line in ("attempts", *LINES))
HOUR: Final = MachineHour._fields[2:]


class CostSums:
    """`rushes.runtime.records.cost_records.CostSumRecords`, on a connection that somebody else has made."""

    db: sqlite3.Connection

    def machines(self) -> list[MachineRow]:
        """All machines, oldest first."""
        return [*map(MachineRow._make, self.db.execute("SELECT * FROM machines ORDER BY id"))]

    def machine_sums(self) -> dict[int, tuple[MachineHour, int, int]]:
        """Of each machine, all of its hours together, and the compute and energy of its attempts."""
        of_attempts: dict[int, tuple[int, int]] = {}
        for table in ("costs", "spent"):
            for machine, compute, energy in self.db.execute(
                f"SELECT machine,sum(compute),sum(energy) FROM {table} GROUP BY machine"  # noqa: S608 - ours
            ):
                before = of_attempts.get(machine, (0, 0))
                of_attempts[machine] = (before[0] + compute, before[1] + energy)
        sums = ",".join(f"sum({name})" for name in HOUR)
        hours = self.db.execute(f"SELECT machine,0,{sums} FROM machine_hours GROUP BY machine")  # noqa: S608
        return {row[0]: (MachineHour._make(row), *of_attempts.get(row[0], (0, 0))) for row in hours}

    def idle(self, since: float) -> list[tuple[str, int, int, int]]:
        """Tier, compute, energy and millijoules of what nobody used since then, by whole hours."""
        return self.db.execute(
            "SELECT m.tier,sum(h.idle_compute),sum(h.idle_energy),sum(h.idle_millijoules) "
            "FROM machine_hours h JOIN machines m ON m.id=h.machine WHERE h.hour>=? GROUP BY m.tier",
            (int(since // 3600),),
        ).fetchall()

    def costs_by(self, since: float, *, batches: bool = False) -> list[SpentRow]:
        """All that was spent on attempts that ended since then, by payer, tier and waste, and by batch."""
        name = "coalesce(b.id,'')" if batches else "''"
        joined = "LEFT JOIN batches b ON b.number=c.root>>32" if batches else ""
        kept = self.db.execute(
            f"SELECT {name},p.show,p.function,m.tier,c.waste,{SUMS} FROM costs c "  # noqa: S608 - ours
            f"JOIN payers p ON p.id=c.payer JOIN machines m ON m.id=c.machine {joined} "
            f"WHERE c.ended>=? GROUP BY {name},c.payer,m.tier,c.waste",
            (since,),
        )
        pruned = self.db.execute(
            f"SELECT '',p.show,p.function,m.tier,c.waste,{SUMS} FROM spent c "  # noqa: S608 - ours
            "JOIN payers p ON p.id=c.payer JOIN machines m ON m.id=c.machine "
            "WHERE c.day>=? GROUP BY c.payer,m.tier,c.waste",
            (int(since // 86400),),
        )
        return [*map(SpentRow._make, kept), *map(SpentRow._make, pruned)]


class CostReader(CostSums):
    """The sums of a journal that somebody else may be writing; a context manager."""

    def __init__(self, path: Path) -> None:
        self.db = open_for_reading(path)

    def __enter__(self) -> Self:
        self.db.execute("BEGIN")  # all sums are of one moment
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()
