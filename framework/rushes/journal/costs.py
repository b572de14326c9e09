"""What attempts and machines cost, in the journal. Of batches that are pruned, sums by day are left.

This module must not know prices, nor how costs come about; it keeps rows and adds them up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rushes.invocation import Spent
from rushes.journal.turns import SqliteTurns
from rushes.runtime.cost_records import CostRow, MachineHour, MachineRow, SpentRow

__all__ = ["SqliteCosts"]

_MARKS: Final = 900
"""Values in one statement; SQLite before 3.32 takes 999."""
_LINES: Final = ("compute", "requests", "transfer", "energy", "millijoules", "published_us")
_SUMS: Final = ",".join(f"sum({line})" for line in ("attempts", *_LINES))
_KEPT: Final = ",".join(("attempts", *_LINES))
_COSTS: Final = ",".join(CostRow._fields)
_HOUR: Final = MachineHour._fields[2:]


class SqliteCosts(SqliteTurns):
    """`rushes.runtime.cost_records.CostRecords`."""

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
            more = ",".join(f"{name}={name}+excluded.{name}" for name in _HOUR)
            self.write(
                f"INSERT INTO machine_hours VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET {more}", [hour]
            )

    def left_machines(self) -> list[MachineRow]:
        """The machines that an earlier worker did not close."""
        return [*map(MachineRow._make, self.db.execute("SELECT * FROM machines WHERE running IS NOT NULL"))]

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
        sums = ",".join(f"sum({name})" for name in _HOUR)
        hours = self.db.execute(f"SELECT machine,0,{sums} FROM machine_hours GROUP BY machine")  # noqa: S608
        return {row[0]: (MachineHour._make(row), *of_attempts.get(row[0], (0, 0))) for row in hours}

    def idle(self, since: float) -> list[tuple[str, int, int, int]]:
        """Tier, compute, energy and millijoules of what nobody used since then, by whole hours."""
        return self.db.execute(
            "SELECT m.tier,sum(h.idle_compute),sum(h.idle_energy),sum(h.idle_millijoules) "
            "FROM machine_hours h JOIN machines m ON m.id=h.machine WHERE h.hour>=? GROUP BY m.tier",
            (int(since // 3600),),
        ).fetchall()

    # -- attempts ----------------------------------------------------------------------------------------

    def charge(self, rows: list[CostRow]) -> None:
        """Enter what attempts cost."""
        self._charged = True
        marks = ",".join("?" * len(CostRow._fields))
        self.write(f"INSERT INTO costs({_COSTS}) VALUES({marks})", rows)

    def spent_on(self, low: int, high: int, *, parts_of: int = 0) -> Spent:
        """What the invocations from `low` to below `high` have come to, their parts with them."""
        if not self._any_cost():
            return Spent()
        where = "root=? AND invocation>=? AND invocation<?" if parts_of else "root>=? AND root<?"
        rows = self.db.execute(
            "SELECT waste,sum(compute+requests+transfer+energy),sum(millijoules) "  # noqa: S608 - ours
            f"FROM costs WHERE {where} GROUP BY waste",
            (parts_of, low, high) if parts_of else (low, high),
        ).fetchall()
        waste = sum(row[1] for row in rows if row[0])
        return Spent(sum(row[1] for row in rows), waste, sum(row[2] for row in rows) / 1000)

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

    def costs_by(self, since: float, *, batches: bool = False) -> list[SpentRow]:
        """All that was spent on attempts that ended since then, by payer, tier and waste, and by batch."""
        name = "coalesce(b.id,'')" if batches else "''"
        joined = "LEFT JOIN batches b ON b.number=c.root>>32" if batches else ""
        kept = self.db.execute(
            f"SELECT {name},p.show,p.function,m.tier,c.waste,{_SUMS} FROM costs c "  # noqa: S608 - ours
            f"JOIN payers p ON p.id=c.payer JOIN machines m ON m.id=c.machine {joined} "
            f"WHERE c.ended>=? GROUP BY {name},c.payer,m.tier,c.waste",
            (since,),
        )
        pruned = self.db.execute(
            f"SELECT '',p.show,p.function,m.tier,c.waste,{_SUMS} FROM spent c "  # noqa: S608 - ours
            "JOIN payers p ON p.id=c.payer JOIN machines m ON m.id=c.machine "
            "WHERE c.day>=? GROUP BY c.payer,m.tier,c.waste",
            (int(since // 86400),),
        )
        return [*map(SpentRow._make, kept), *map(SpentRow._make, pruned)]

    def forget_costs(self, batches: Iterable[int]) -> None:
        """Keep of these batches what was spent a day, by whom, and nothing of their invocations."""
        ranges = [(number << 32, number + 1 << 32) for number in batches]
        if not ranges or not self._any_cost():
            return
        more = ",".join(f"{name}={name}+excluded.{name}" for name in ("attempts", *_LINES))
        self.write(
            f"INSERT INTO spent(day,machine,payer,waste,{_KEPT}) "  # noqa: S608 - ours
            f"SELECT CAST(ended/86400 AS INTEGER) AS day,machine,payer,waste,{_SUMS} FROM costs "
            "WHERE root>=? AND root<? GROUP BY day,machine,payer,waste "
            f"ON CONFLICT DO UPDATE SET {more}",
            ranges,
        )
        self.write("DELETE FROM costs WHERE root>=? AND root<?", ranges)

    def _any_cost(self) -> bool:
        if not self._charged:
            self._charged = self.one("SELECT 1 FROM costs LIMIT 1") is not None
        return self._charged
