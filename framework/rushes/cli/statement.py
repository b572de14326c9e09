"""A statement of what was spent: as a table, as JSON, as CSV for a spreadsheet. Pure.

This module must not know where the figures come from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rushes.cli.show import counted, table
from rushes.core.cost import LINES, Cost, Row
from rushes.core.money import NANO, format_dollars, owed
from rushes.runtime.cost_records import SpentRow
from rushes.units import format_duration

__all__ = ["KEYS", "Statement"]

_MINUTE_US: Final = 60_000_000
_NOTHING: Final = (
    "nothing is counted: this machine has no price; RUSHES_PRICES names a file that gives it one"
)
_PRUNED: Final = "(pruned)"
KEYS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[SpentRow], tuple[str, ...]]]]] = {
    "function": (("show", "function"), lambda line: (line.show, line.function)),
    "show": (("show",), lambda line: (line.show,)),
    "batch": (("batch", "show", "function"), lambda line: (line.name or _PRUNED, line.show, line.function)),
    "tier": (("tier",), lambda line: (line.tier,)),
}
"""What there may be a row for each of: the columns of its key, and the key of what was spent."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What `rushes cost` shows.

    Args:
        names: the columns of a row's key.
        rows: by key, the dearest first.
        idle: by tier; empty where only a part is asked for: idleness is nobody's.
        running: what runs now has cost so far; nothing where only a part is asked for.
        ledger: whether all of it adds up (`rushes.runtime.statement.audit`).
        since: UTC epoch seconds; 0: all.
        whole: nothing was left out but by time.
        sum: of all rows.
    """

    names: tuple[str, ...]
    rows: Mapping[tuple[str, ...], Row]
    idle: Mapping[str, Cost]
    running: Cost
    ledger: Mapping[str, Any]
    since: float = 0.0
    whole: bool = True
    sum: Row = field(default_factory=Row)

    @classmethod
    def of(
        cls,
        found: Mapping[str, Any],
        *,
        by: str = "function",
        show: str | None = None,
        function: str | None = None,
    ) -> Statement:
        """Of an engine's answer, with a row for each `by`."""
        names, key_of = KEYS[by]
        rows: dict[tuple[str, ...], Row] = {}
        total = Row()
        for line in map(SpentRow._make, found["lines"]):
            if show in (None, line.show) and function in (None, line.function):
                _enter(rows.setdefault(key_of(line), Row()), line)
                _enter(total, line)
        whole = show is None and function is None
        compute, requests, energy, millijoules = found["running"]
        return cls(
            names,
            dict(sorted(rows.items(), key=lambda item: (-item[1].total, item[0]))),
            {row[0]: Cost(row[1], 0, 0, row[2], row[3]) for row in found["idle"]} if whole else {},
            Cost(compute, requests, 0, energy, millijoules) if whole else Cost(),
            found["ledger"],
            found["since"],
            whole,
            total,
        )

    @property
    def total(self) -> int:
        """Nano-dollars, idleness and what runs included."""
        return self.sum.total + sum(one.total for one in self.idle.values()) + self.running.total

    @property
    def minute_nano(self) -> int | None:
        """Nano-dollars a published minute, of all that is in `total`."""
        published = self.sum.published_us
        return owed(self.total, _MINUTE_US, published) if published > 0 else None

    # -- for people --------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """For a person."""
        if not self.ledger["machines"]:
            return _NOTHING
        head = [*self.names, "attempts", "useful", "waste", "total", "published", "a minute"]
        cells = [[*row, *[""] * (len(head) - len(row))] for row in self._cells()]
        lines = [table(head, cells, right=frozenset(range(len(self.names), len(head))))]
        both = self.sum.useful + self.sum.waste
        parts = [f"{line} {format_dollars(nano)}" for line in LINES if (nano := getattr(both, line))]
        if both.millijoules:
            parts.append(f"{both.millijoules / 1000:,.0f} J")
        if parts:
            lines.append(f"of attempts: {', '.join(parts)}")
        return "\n".join([*lines, self._headline(), self._adds_up()])

    def _cells(self) -> list[list[str]]:
        blank = [""] * (len(self.names) - 1)
        cells = [[*key, *_row_cells(row)] for key, row in self.rows.items()]
        if len(self.rows) > 1:
            cells.append(["sum", *blank, *_row_cells(self.sum)])
        if self.running.total:
            cells.append(["running now", *blank, "", "", "", format_dollars(self.running.total)])
        for tier, idle in self.idle.items():
            cells.append([f"idle ({tier})", *blank, "", "", "", format_dollars(idle.total)])
        if self.whole:
            each = "" if self.minute_nano is None else format_dollars(self.minute_nano)
            cells.append(["all", *blank, "", "", "", format_dollars(self.total), "", each])
        return cells

    def _headline(self) -> str:
        each = self.sum.minute_nano
        if each is None:
            return "nothing was published that has a duration, so no minute has a cost"
        beside = ""
        if self.whole and self.minute_nano not in {None, each}:
            beside = f"; {format_dollars(self.minute_nano or 0)} with idleness"
        return f"a published minute cost {format_dollars(each)}, waste included{beside}"

    def _adds_up(self) -> str:
        ledger = self.ledger
        time_ = f"{format_duration(ledger['seconds'])} of {counted(ledger['machines'], 'worker')}"
        due = f"price × time, {time_}, is ${_usd(ledger['owed'])}"
        if not ledger["off"]:
            return f"it adds up: {due}, and so is the sum of all lines"
        off = ", ".join(map(str, ledger["off"]))
        return (
            f"IT DOES NOT ADD UP: {due}, the sum of all lines ${_usd(ledger['lines'])}; off in worker {off}"
        )

    # -- for programs ------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """For a program: money in whole nano-dollars."""
        return {
            "schema": 1,
            "since": self.since or None,
            "rows": [
                dict(zip(self.names, key, strict=True)) | _row_json(row) for key, row in self.rows.items()
            ],
            "idle": {tier: _cost_json(one) for tier, one in self.idle.items()},
            "running": _cost_json(self.running),
            "total_nano": self.total,
            "minute_nano": self.minute_nano,
            "ledger": {**self.ledger, "adds_up": not self.ledger["off"]},
        }

    def to_csv(self) -> str:
        """For a spreadsheet: a row each, then what runs and what was idle; dollars with all their digits."""
        text = io.StringIO()
        writer = csv.writer(text)
        money = [f"{line}_usd" for line in ("useful", "waste", *LINES, "total")]
        writer.writerow([*self.names, "attempts", *money, "joules", "published_minutes", "usd_per_minute"])
        for key, row in self.rows.items():
            minutes = f"{row.published_us / _MINUTE_US:.6f}" if row.published_us else ""
            each = "" if row.minute_nano is None else _usd(row.minute_nano)
            divided = [_usd(row.useful.total), _usd(row.waste.total)]
            lines = _cost_cells(row.useful + row.waste)
            writer.writerow([*map(_name_cell, key), row.attempts, *divided, *lines, minutes, each])
        blank = [""] * (len(self.names) - 1)
        if self.running.total:
            writer.writerow(["(running)", *blank, "", "", "", *_cost_cells(self.running), "", ""])
        for tier, idle in self.idle.items():
            writer.writerow([f"(idle) {tier}", *blank, "", "", "", *_cost_cells(idle), "", ""])
        return text.getvalue()


def _enter(row: Row, line: SpentRow) -> None:
    spent = Cost(line.compute, line.requests, line.transfer, line.energy, line.millijoules)
    if line.waste:
        row.waste += spent
    else:
        row.useful += spent
    row.attempts += line.attempts
    row.published_us += line.published_us


def _row_cells(row: Row) -> list[str]:
    published = format_duration(row.published_us / 1e6) if row.published_us else ""
    each = "" if row.minute_nano is None else format_dollars(row.minute_nano)
    money = [format_dollars(nano) for nano in (row.useful.total, row.waste.total, row.total)]
    return [f"{row.attempts:,}", *money, published, each]


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "attempts": row.attempts,
        "useful": _cost_json(row.useful),
        "waste": _cost_json(row.waste),
        "total_nano": row.total,
        "published_s": row.published_us / 1e6,
        "minute_nano": row.minute_nano,
    }


def _cost_json(one: Cost) -> dict[str, Any]:
    lines = {f"{line}_nano": getattr(one, line) for line in LINES}
    return {**lines, "joules": one.millijoules / 1000}


def _cost_cells(one: Cost) -> list[str]:
    lines = [_usd(getattr(one, line)) for line in LINES]
    return [*lines, _usd(one.total), f"{one.millijoules / 1000:.3f}"]


def _usd(nano: int) -> str:
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    return f"{sign}{nano // NANO}.{nano % NANO:09d}"


def _name_cell(text: str) -> str:
    """A name as a spreadsheet takes it for a name: what begins like a formula would be run as one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
