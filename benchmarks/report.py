"""What a benchmark says: rows of ratios against a goal, and the page that keeps them.

This module must not know how anything is measured. It writes only figures that it was given.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from measure import Series

__all__ = ["AT_LEAST", "AT_MOST", "Goal", "Options", "Row", "Section", "block", "blocks_of", "page", "shown"]

AT_LEAST, AT_MOST = "≥", "≤"

_MARK: Final = re.compile(r"<!-- row: (\w+) -->\n")
_HEAD: Final = """\
# Benchmark results

Written by `make bench`; nothing here was typed in. A ratio is taken within a round, in which the
methods take turns; shown are its median and [least–most]. Trust the ratios: seconds are of one machine,
maybe a shared one. For each goal, the median counts. Each row says when it was measured.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How much to run."""

    rounds: int
    count: int
    large: int
    largest: int
    slow_count: int
    files: int
    clip_s: int
    peers_python: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Goal:
    """``≥ 20`` or ``≤ 1.02``; the median of the ratio is what is compared."""

    sense: str
    value: float

    def met(self, ratio: Series) -> bool:
        return ratio.median >= self.value if self.sense == AT_LEAST else ratio.median <= self.value

    def __str__(self) -> str:
        return f"{self.sense} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: `ratio` is paired, round by round; `ours` and `other` are in `unit`."""

    against: str
    ratio: Series
    goal: Goal | None
    ours: Series
    other: Series
    unit: str


@dataclass(slots=True)
class Section:
    """What one benchmark found, with what it could not run and why."""

    title: str
    what: str
    rows: list[Row] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)


def shown(section: Section) -> str:
    """The section as Markdown."""
    lines = [f"## {section.title}", "", section.what, ""]
    if section.rows:
        lines += [
            "| against | ratio | goal | | ours | the other | unit |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
    for row in section.rows:
        goal, met = (
            ("", "")
            if row.goal is None
            else (str(row.goal), "met" if row.goal.met(row.ratio) else "**missed**")
        )
        lines.append(
            f"| {row.against} | {row.ratio} | {goal} | {met} | {row.ours} | {row.other} | {row.unit} |"
        )
    lines += ["", *(f"- {fact}" for fact in section.facts)]
    lines += [f"- Left out: {name}: {reason}" for name, reason in section.left_out.items()]
    return "\n".join(lines).rstrip() + "\n"


def block(section: Section, options: Options, versions: Iterable[tuple[str, str]]) -> str:
    """The section with when, where and with what it was measured."""
    told = ", ".join(f"{name} {version}" for name, version in versions)
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = (
        f"{platform.system()} {platform.release().partition('-')[0]}, {os.cpu_count()} CPUs ({_processor()})"
    )
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return (
        f"{shown(section)}\n"
        f"<sub>{when} UTC, {options.rounds} rounds; {machine}, {gib:.0f} GiB, load over the last 15 minutes "
        f"{os.getloadavg()[2]:.1f}{_priority()}; Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, "
        f"{told}</sub>\n"
    )


def _priority() -> str:
    """How it was kept from what else ran: `chrt -r 1` gives a measurement a shared machine to itself."""
    scheduler = getattr(os, "sched_getscheduler", None)  # Linux
    real_time = scheduler is not None and scheduler(0) in {os.SCHED_FIFO, os.SCHED_RR}
    return ", at real-time priority" if real_time else ""


def page(blocks: Mapping[str, str]) -> str:
    """The whole of results.md, from the blocks by the name of their row, in this order."""
    return _HEAD + "".join(f"\n<!-- row: {name} -->\n{text}" for name, text in blocks.items())


def blocks_of(text: str) -> dict[str, str]:
    """The blocks of a page by the name of their row."""
    parts = _MARK.split(text)
    return {name: body.rstrip("\n") + "\n" for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()
