"""What attempts and machines cost, in the journal. Of batches that are pruned, sums by day are left.

This module must not know prices, nor how costs come about; it keeps rows and adds them up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rushes.invocation import Spent
from rushes.journal.cost_sums import HOUR, LINES, SUMS, CostSums
from rushes.journal.turns import SqliteTurns
from rushes.runtime.records.cost_records import CostRow, MachineHour, MachineRow

__all__ = ["SqliteCosts"]

_MARKS: Final = 900
"""Values in one statement; SQLite before 3.32 takes 999."""
_KEPT: Final = ",".join(("attempts", *LINES))
_COSTS: Final = ",".join(CostRow._fields)


class SqliteCosts(SqliteTurns, CostSums):
    """`rushes.runtime.records.cost_records.CostRecords`."""

    _charged = False
    """Anything has ever cost anything: asked until it is so."""

    def payer(self, show: str, function: str) -> int:
        """The number of who pays, made on first use."""
        found = self.one("SELECT id FROM payers WHERE show=? AND function=?", show, function)
        if found is None:
            self.write("INSERT INTO payers(show,function) VALUES(?,?)", [(show, function)])
            found = self.one("SELECT id FROM payers WHERE show=? AND function=?", show, function)
        return int(found)

    # -- machines ----------------------------------------------------------------------------------------

    def open_machine(self, tier: str, price: str, now: float) -> int:
        """A machine is counted from now on; gives its number."""
        number = 1 + int(self.one("SELECT coalesce(max(id),0) FROM machines"))
        self.write("INSERT INTO machines VALUES(?,?,?,?,?,0,'[]')", [(number, tier, price, now, now)])
        return number

    def keep_machine(
        self, machine: int, until: float, counted_us: int, running: str | None, hour: MachineHour
    ) -> None:
        """How far a machine is counted; `hour` is what has been added since it was kept last."""
        self.write(
            "UPDATE machines SET until=?,counted_us=?,running=? WHERE id=?",
            [(until, counted_us, running, machine)],
        )
        if any(hour[2:]):
            more = ",".join(f"{name}={name}+excluded.{name}" for name in HOUR)
            self.write(
                f"INSERT INTO machine_hours VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET {more}", [hour]
            )

    def left_machines(self) -> list[MachineRow]:
        """The machines that an earlier worker did not close."""
        return [*map(MachineRow._make, self.db.execute("SELECT * FROM machines WHERE running IS NOT NULL"))]

    # -- attempts ----------------------------------------------------------------------------------------

    def charge(self, rows: list[CostRow]) -> None:
        """Enter what attempts cost."""
        self._charged = True
        marks = ",".join("?" * len(CostRow._fields))
        self.write(f"INSERT INTO costs({_COSTS}) VALUES({marks})", rows)
        self.write(
            "INSERT INTO batch_costs VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET nano=nano+excluded.nano,"
            "waste_nano=waste_nano+excluded.waste_nano,millijoules=millijoules+excluded.millijoules",
            _by_batch(rows),
        )

    def spent_on(self, invocation: int, *, parts_of: int = 0) -> Spent:
        """What an invocation has come to, its parts with it."""
        if not self._any_cost():
            return Spent()
        where = "root=? AND invocation=?" if parts_of else "root=?"
        rows = self.db.execute(
            f"SELECT compute+requests+transfer+energy,waste,millijoules FROM costs WHERE {where}",  # noqa: S608 - ours
            (parts_of, invocation) if parts_of else (invocation,),
        ).fetchall()
        waste = sum(nano for nano, wasted, _ in rows if wasted)
        return Spent(sum(row[0] for row in rows), waste, sum(row[2] for row in rows) / 1000)

    def spent_on_batch(self, batch: int) -> Spent:
        """What a batch has come to, by its number, the parts of its invocations with it."""
        found = self.db.execute(
            "SELECT nano,waste_nano,millijoules FROM batch_costs WHERE batch=?", (batch,)
        ).fetchone()
        return Spent() if found is None else Spent(found[0], found[1], found[2] / 1000)

    def cost_each(self, invocations: Sequence[int], *, parts_of: int = 0) -> dict[int, int]:
        """Nano-dollars that each of these has come to, its parts and its waste with it, where it is any."""
        if not self._any_cost():
            return {}
        column, fixed = ("invocation", "root=? AND ") if parts_of else ("root", "")
        found: dict[int, int] = {}
        for start in range(0, len(invocations), _MARKS):
            some = invocations[start : start + _MARKS]
            found.update(
                self.db.execute(
                    f"SELECT {column},sum(compute+requests+transfer+energy) FROM costs WHERE {fixed}"  # noqa: S608
                    f"{column} IN ({','.join('?' * len(some))}) GROUP BY {column}",
                    [parts_of, *some] if parts_of else some,
                ).fetchall()
            )
        return found

    def forget_costs(self, batches: Iterable[int]) -> None:
        """Keep of these batches what was spent a day, by whom, and nothing of their invocations."""
        ranges = [(number << 32, number + 1 << 32) for number in batches]
        if not ranges or not self._any_cost():
            return
        more = ",".join(f"{name}={name}+excluded.{name}" for name in ("attempts", *LINES))
        self.write(
            f"INSERT INTO spent(day,machine,payer,waste,{_KEPT}) "  # noqa: S608 - ours
            f"SELECT CAST(ended/86400 AS INTEGER) AS day,machine,payer,waste,{SUMS} FROM costs "
            "WHERE root>=? AND root<? GROUP BY day,machine,payer,waste "
            f"ON CONFLICT DO UPDATE SET {more}",
            ranges,
        )
        self.write("DELETE FROM costs WHERE root>=? AND root<?", ranges)
        self.write("DELETE FROM batch_costs WHERE batch=?", [(low >> 32,) for low, _ in ranges])

    def _any_cost(self) -> bool:
        if not self._charged:
            self._charged = self.one("SELECT 1 FROM costs LIMIT 1") is not None
        return self._charged


def _by_batch(rows: Iterable[CostRow]) -> list[tuple[int, int, int, int]]:
    """Batch, nano-dollars, those of waste, millijoules: of what was submitted, and of the parts' batches."""
    sums: dict[int, tuple[int, int, int]] = {}
    for row in rows:
        nano = row.compute + row.requests + row.transfer + row.energy
        for batch in {row.root >> 32, row.invocation >> 32}:
            all_, waste, millijoules = sums.get(batch, (0, 0, 0))
            sums[batch] = all_ + nano, waste + nano * row.waste, millijoules + row.millijoules
    return [(batch, *entry) for batch, entry in sums.items()]
