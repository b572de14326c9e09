"""The digital twin's own speed and memory: a million invocations, beside a plain FIFO queue in SimPy."""

from __future__ import annotations

from typing import Any

import measure
from measure import Series
from report import AT_LEAST, AT_MOST, Goal, Options, Row, Section

_CORES = 500
_GOAL = 50_000.0
_MOST_BYTES = 1000.0
_OURS, _PLAIN = "Rushes", "Rushes, without shares and caps"
_PEER = "SimPy: one FIFO queue before 500 servers"


def run(options: Options) -> Section:
    count = options.largest
    section = Section(
        f"The simulator: {count:,} invocations on {_CORES} cores, a deep backlog",
        "50 shows, four classes, displacement, ageing, deadlines, limits of slots and of functions, needs of "
        "cores and memory, reserved and maximum shares, a cap for each show; one process, processor time. "
        "SimPy runs as many customers through one queue, first come first served, and decides nothing else.",
    )
    bytes_each: list[float] = []
    facts: dict[str, str] = {}

    def ours(*features: str) -> float:
        said: dict[str, Any] = measure.script("simulator_ours.py", count, _CORES, *features)
        name = "with shares and caps" if features else "without"
        if features:
            bytes_each.append(said["bytes_each"])
        used, aside = said["utilisation"], said["stood_aside"]
        facts[name] = f"{name}, {used:.1%} of the cores' time was used; {aside:,} stints of displaced work."
        section.facts[:] = [facts[name] for name in sorted(facts)]
        return count / float(said["cpu_s"])

    series, section.left_out = measure.interleave(
        {
            _OURS: lambda: ours("shares", "caps"),
            _PLAIN: ours,
            _PEER: lambda: count / float(measure.script("peer_simpy.py", count, _CORES)["cpu_s"]),
        },
        options.rounds,
    )
    if _OURS not in series:
        return section
    mine = series[_OURS]
    goal = Series((_GOAL,) * len(mine.values))
    ratio = measure.ratios(mine, goal)
    section.rows.append(Row(f"{_GOAL:,.0f} a second", ratio, Goal(AT_LEAST, 1.0), mine, goal, "inv/s"))
    if _PLAIN in series:
        plain = series[_PLAIN]
        name = f"the same without shares and caps: {_GOAL:,.0f} a second"
        section.rows.append(Row(name, measure.ratios(plain, goal), None, plain, goal, "inv/s"))
    if _PEER in series:
        peer = series[_PEER]
        section.rows.append(Row(_PEER, measure.ratios(mine, peer), None, mine, peer, "inv/s"))
    memory, most = Series(tuple(bytes_each)), Series((_MOST_BYTES,) * len(bytes_each))
    section.rows.append(
        Row("memory an invocation, against 1 kB", measure.ratios(memory, most), Goal(AT_MOST, 1.0), memory,
            most, "bytes")
    )  # fmt: skip
    return section
