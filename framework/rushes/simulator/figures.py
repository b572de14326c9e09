"""The figures of a run that people compare, in words and with what is better; and several runs side by side.

Pure. This module must not know how they are laid out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rushes.core.money import format_dollars
from rushes.simulator.outcome import Group
from rushes.simulator.study import Finding
from rushes.units import format_digits, format_duration

__all__ = ["Figure", "beside", "figures_of", "in_rank"]

MOST_GROUPS: Final = 12
"""Of classes and shows, as many as somebody reads."""


class Figure(NamedTuple):
    """One figure of a run.

    Args:
        name: in words.
        shown: its value for people; "" where there is none.
        less: a value of which less is better; None: neither is.
    """

    name: str
    shown: str
    less: float | None


def figures_of(finding: Finding) -> list[Figure]:
    """The figures of a pool: time, money, use, what was missed."""
    bill, groups = finding.bill, finding.outcome.groups
    late = [group.late for group in groups if group.late is not None]
    held = sum(group.held for group in groups)
    shown = [
        ("until all is done", format_duration(finding.outcome.until_s), finding.outcome.until_s),
        ("cost", format_dollars(bill.total) if bill.total else "", bill.total),
        (
            "a minute of output",
            format_dollars(bill.minute_nano) if bill.minute_nano else "",
            bill.minute_nano,
        ),
        ("work done again", format_dollars(bill.waste) if bill.waste else "", bill.waste),
        ("paid for and idle", format_dollars(bill.idle) if bill.idle else "", bill.idle),
        ("of the cores' time used", f"{bill.utilisation:.0%}", -bill.utilisation),
        ("free in the busiest hour", f"{bill.headroom:.0%}", None),
        ("deadlines missed", f"{max(late):.0%}" if late else "", max(late) if late else None),
        ("hosts at most", str(bill.peak_hosts) if bill.peak_hosts is not None else "", bill.peak_hosts),
        ("at most", f"{format_digits(bill.peak_kw)} kW" if bill.peak_kw else "", bill.peak_kw),
        ("drawn", f"{format_digits(bill.kwh, 3)} kWh" if bill.kwh else "", bill.kwh),
        ("held for want of money", f"{held:,}" if held else "", float(held)),
        ("attempts lost with their host", f"{bill.lost:,}" if bill.lost else "", float(bill.lost)),
    ]
    return [Figure(name, value, None if less is None else float(less)) for name, value, less in shown]


def beside(findings: Sequence[Finding]) -> list[list[Figure]]:
    """A row for each figure that any run has, with a figure of each run: first how soon work is done."""
    rows = _turnarounds(findings)
    rows += [list(row) for row in zip(*map(figures_of, findings), strict=True)]
    return [row for row in rows if any(one.shown for one in row)]


def in_rank(finding: Finding) -> list[Group]:
    """Its classes and shows, the best class first; of a class the slowest show first."""
    ranks = {one.name: one.rank for one in finding.case.classes}
    last = len(ranks)
    return sorted(
        finding.outcome.groups, key=lambda g: (ranks.get(g.priority, last), g.priority, -g.turnaround.p90)
    )


def _turnarounds(findings: Sequence[Finding]) -> list[list[Figure]]:
    """By class and show: within what time nine of ten were done."""
    keys = list(dict.fromkeys((g.priority, g.show) for finding in findings for g in in_rank(finding)))
    found = [{(g.priority, g.show): g.turnaround.p90 for g in one.outcome.groups} for one in findings]
    return [
        [_turnaround(f"{key[0]}, {key[1]}: nine of ten within", one.get(key)) for one in found]
        for key in keys[:MOST_GROUPS]
    ]


def _turnaround(name: str, p90_s: float | None) -> Figure:
    return Figure(name, "" if p90_s is None else format_duration(p90_s), p90_s)
