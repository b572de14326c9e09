"""What was spent, from the ledger, and whether the ledger adds up. Reads, and changes nothing.

For every machine that was counted, price × time is worked out anew from its price and its time, and compared
with what is there in lines: those of attempts that have ended, of what runs, and the idle one. A row that was
lost or entered twice would show here. This module must not know how it is printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rushes.core.spending.prices import Source, TierPrice
from rushes.core.tiers import Purchase
from rushes.runtime.records.cost_records import CostRow, CostSumRecords, MachineHour, MachineRow

__all__ = ["audit", "statement"]


def statement(journal: CostSumRecords, *, since: float, batches: bool) -> dict[str, Any]:
    """What attempts that ended since a time cost, and what was idle in the hours since then.

    ``lines``: `SpentRow`s by payer, tier and waste, and by batch where `batches` asks for it. ``idle``: by
    tier. ``running``: what runs now has cost so far. ``ledger``: see `audit`; of all time, whatever `since`.
    """
    machines = journal.machines()
    running = [row for machine in machines for row in _running(machine)]
    return {
        "since": since,
        "lines": journal.costs_by(since, batches=batches),
        "idle": journal.idle(since),
        "running": [
            sum(row.compute for row in running),
            sum(row.requests for row in running),
            sum(row.energy for row in running),
            sum(row.millijoules for row in running),
        ],
        "ledger": audit(machines, journal.machine_sums()),
    }


def audit(machines: Iterable[MachineRow], sums: Mapping[int, tuple[MachineHour, int, int]]) -> dict[str, Any]:
    """Price × time of all machines against the sum of their lines, in nano-dollars, energy with both.

    ``seconds`` is the machines' time; ``owed`` is price × time and energy; ``lines`` what attempts and
    idleness sum to; ``off`` names the machines of which these differ.
    """
    owed = lines = counted_us = 0
    off = []
    count = 0
    for machine in machines:
        count += 1
        hours, compute, energy = sums.get(machine.id, (MachineHour(machine.id, 0, 0, 0, 0, 0, 0, 0), 0, 0))
        running = _running(machine)
        in_compute = compute + hours.idle_compute + sum(row.compute for row in running)
        in_energy = energy + hours.idle_energy + sum(row.energy for row in running)
        price = _price(machine)
        due = price.cost(machine.counted_us)
        if not (due == hours.compute == in_compute and hours.energy == in_energy):
            off.append(machine.id)
        owed += due + hours.energy
        lines += in_compute + in_energy
        counted_us += machine.counted_us
    return {"machines": count, "seconds": counted_us / 1e6, "owed": owed, "lines": lines, "off": off}


def _running(machine: MachineRow) -> list[CostRow]:
    return [CostRow._make(row) for row in json.loads(machine.running or "[]")]


def _price(machine: MachineRow) -> TierPrice:
    """The price that a machine was counted by, which may have changed since."""
    figures = json.loads(machine.price)
    return TierPrice(
        machine.tier,
        Purchase(figures["purchase"]),
        figures["region"],
        figures["hour_nano"],
        Source(**figures["source"]),
        billed_step_us=figures["billed_step_us"],
        billed_least_us=figures["billed_least_us"],
    )
