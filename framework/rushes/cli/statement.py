"""A statement of what was spent: as a table, as JSON, as CSV for a spreadsheet. Pure.

This module must not know where the figures come from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rushes.cli.show import counted, table
from rushes.core.money import NANO, format_dollars
from rushes.core.spending.cost import LINES, Cost, CostTotal, Statement
from rushes.printing import without_controls
from rushes.runtime.records.cost_records import SpentRow
from rushes.units import format_duration

__all__ = ["KEYS", "Sheet"]

_MINUTE_US: Final = 60_000_000
_NOTHING: Final = (
    "nothing is counted: this machine has no price; RUSHES_PRICES names a file that gives it one"
)
_NONE_ENDED: Final = "no batch that was looked at has ended"
_BILLED: Final = "not in it: what runs now; idle hosts, queues, the ledger and logs, which AWS's bill has"
_NO_TIME: Final = (
    "no machine's time is in it: the hosts that did this have no price; RUSHES_TIER or RUSHES_PRICES,\n"
    "set where a host starts, gives it one"
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
class Sheet:
    """What `rushes cost` shows.

    Args:
        names: the columns of a row's key.
        made: what was spent; without idleness where only a part is asked for: that is nobody's.
        ledger: whether all of it adds up (`rushes.runtime.records.statement.audit`).
        since: UTC epoch seconds; 0: all.
        whole: nothing was left out but by time.
    """

    names: tuple[str, ...]
    made: Statement
    ledger: Mapping[str, Any]
    since: float = 0.0
    whole: bool = True

    @classmethod
    def of(
        cls,
        found: Mapping[str, Any],
        *,
        by: str = "function",
        batch: str | None = None,
        show: str | None = None,
        function: str | None = None,
    ) -> Sheet:
        """Of an engine's answer, with a row for each `by`."""
        names, key_of = KEYS[by]
        made = Statement()
        for line in map(SpentRow._make, found["lines"]):
            its = batch in (None, line.name) and show in (None, line.show)
            if its and function in (None, line.function):
                made.enter(key_of(line), _sums(line))
        whole = batch is None and show is None and function is None and found["idle"] is not None
        if whole:
            compute, requests, energy, millijoules = found["running"]
            made.running = Cost(compute, requests, 0, energy, millijoules)
            made.idle = {row[0]: Cost(row[1], 0, 0, row[2], row[3]) for row in found["idle"]}
        return cls(names, made, found["ledger"], found["since"], whole)

    @property
    def rows(self) -> dict[tuple[str, ...], CostTotal]:
        """By key, the dearest first."""
        return dict(sorted(self.made.rows.items(), key=lambda item: (-item[1].total, item[0])))

    # -- for people --------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """For a person."""
        if not self.ledger.get("machines", 1):
            return _NOTHING
        head = [*self.names, "attempts", "useful", "waste", "total", "published", "a minute"]
        cells = [[*row, *[""] * (len(head) - len(row))] for row in self._cells()]
        if not cells or (not self.whole and not self.rows):
            return f"nothing was spent there\n{self._adds_up()}"
        lines = [table(head, cells, right=frozenset(range(len(self.names), len(head))))]
        all_ = self.made.of()
        both = all_.useful + all_.waste
        parts = [f"{line} {format_dollars(nano)}" for line in LINES if (nano := getattr(both, line))]
        if both.millijoules:
            parts.append(f"{both.millijoules / 1000:,.0f} J")
        if parts:
            lines.append(f"of attempts: {', '.join(parts)}")
        if "batches" in self.ledger and all_.attempts and not both.compute:
            lines.append(_NO_TIME)  # a Lambda's time always has one
        return "\n".join([*lines, self._headline(), self._adds_up()])

    def _cells(self) -> list[list[str]]:
        blank = [""] * (len(self.names) - 1)
        cells = [[*key, *_row_cells(row)] for key, row in self.rows.items()]
        if len(self.rows) > 1:
            cells.append(["sum", *blank, *_row_cells(self.made.of())])
        if self.made.running.total:
            cells.append(["running now", *blank, "", "", "", format_dollars(self.made.running.total)])
        for tier, idle in self.made.idle.items():
            name = ["idle", tier, *blank[1:]] if blank else [f"idle ({tier})"]
            cells.append([*name, "", "", "", format_dollars(idle.total)])
        if self.whole:
            each = "" if self.made.minute_nano is None else format_dollars(self.made.minute_nano)
            cells.append(["all", *blank, "", "", "", format_dollars(self.made.total), "", each])
        return cells

    def _headline(self) -> str:
        each = self.made.of().minute_nano
        if each is None:
            return "nothing was published that has a duration, so no minute has a cost"
        beside = ""
        if self.whole and self.made.minute_nano not in {None, each}:
            beside = f"; {format_dollars(self.made.minute_nano or 0)} with idleness"
        return f"a published minute cost {format_dollars(each)}, waste included{beside}"

    def _adds_up(self) -> str:
        ledger = self.ledger
        if "batches" in ledger:
            return _batches_add_up(ledger)
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
            "idle": {tier: _cost_json(one) for tier, one in self.made.idle.items()},
            "running": _cost_json(self.made.running),
            "total_nano": self.made.total,
            "minute_nano": self.made.minute_nano,
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
        if self.made.running.total:
            writer.writerow(["(running)", *blank, "", "", "", *_cost_cells(self.made.running), "", ""])
        for tier, idle in self.made.idle.items():
            writer.writerow([f"(idle) {tier}", *blank, "", "", "", *_cost_cells(idle), "", ""])
        return text.getvalue()


def _batches_add_up(ledger: Mapping[str, Any]) -> str:
    """Of a ledger that many hosts share: what batches have counted against what their attempts say."""
    lines = [_BILLED]
    if ledger["cut"]:
        lines.append("older batches were not looked at: name one, as in `rushes cost k7m2qx@dev`")
    batches, owed = counted(ledger["batches"], "batch", "batches"), f"${_usd(ledger['owed'])}"
    if not ledger["batches"]:
        lines.append(_NONE_ENDED)
    elif ledger["off"]:
        off = ", ".join(ledger["off"])
        said = f"what {batches} counted is {owed}, their attempts ${_usd(ledger['lines'])}; off in {off}"
        lines.append(f"IT DOES NOT ADD UP: {said}")
    else:
        lines.append(f"it adds up: what {batches} that ended counted is {owed}, and so is the sum of lines")
    return "\n".join(lines)


def _sums(line: SpentRow) -> CostTotal:
    spent = Cost(line.compute, line.requests, line.transfer, line.energy, line.millijoules)
    useful, waste = (Cost(), spent) if line.waste else (spent, Cost())
    return CostTotal(useful, waste, line.attempts, line.published_us)


def _row_cells(row: CostTotal) -> list[str]:
    published = format_duration(row.published_us / 1e6) if row.published_us else ""
    each = "" if row.minute_nano is None else format_dollars(row.minute_nano)
    money = [format_dollars(nano) for nano in (row.useful.total, row.waste.total, row.total)]
    return [f"{row.attempts:,}", *money, published, each]


def _row_json(row: CostTotal) -> dict[str, Any]:
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
    shown = without_controls(text)
    return f"'{shown}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else shown
