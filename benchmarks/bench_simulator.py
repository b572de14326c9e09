"""The digital twin's own speed and memory: a million invocations, beside a plain FIFO queue in SimPy."""

from __future__ import annotations

from typing import Any

import measure
from compiled import compiled
from measure import Series
from report import AT_LEAST, AT_MOST, Goal, Options, Row, Section

_CORES = 500
_GOAL = 50_000.0
_MOST_BYTES = 1000.0
_OURS, _PLAIN = "Rushes", "Rushes, without shares and caps"
_COMPILED, _PLAIN_COMPILED = f"{_OURS}, core compiled", f"{_PLAIN}, core compiled"
_PEER = "SimPy: one FIFO queue before 500 servers"


def run(options: Options) -> Section:
    count = options.largest
    section = Section(
        f"The simulator: {count:,} invocations on {_CORES} cores, a deep backlog",
        "50 shows, four classes, displacement, ageing, deadlines, limits of slots and of functions, needs of "
        "cores and memory, reserved and maximum shares, a cap for each show; one process, processor time. "
        "Compiled: the same with `rushes.core` made machine code by mypyc, as a wheel can have it. "
        "SimPy runs as many customers through one queue, first come first served, and decides nothing else.",
    )
    bytes_each: list[float] = []
    facts: dict[str, str] = {}

    def ours(*features: str, packages: str = "") -> float:
        said: dict[str, Any] = measure.script(
            "simulator_ours.py", count, _CORES, *features, PYTHONPATH=packages
        )
        name = "with shares and caps" if features else "without"
        if features and not packages:
            bytes_each.append(said["bytes_each"])
        used, aside = said["utilisation"], said["stood_aside"]
        facts[name] = f"{name}, {used:.1%} of the cores' time was used; {aside:,} stints of displaced work."
        section.facts[:] = [facts[name] for name in sorted(facts)]
        return count / float(said["cpu_s"])

    def machine_code(*features: str) -> float:
        return ours(*features, packages=str(compiled(options.folder)))

    series, section.left_out = measure.interleave(
        {
            _OURS: lambda: ours("shares", "caps"),
            _COMPILED: lambda: machine_code("shares", "caps"),
            _PLAIN: ours,
            _PLAIN_COMPILED: machine_code,
            _PEER: lambda: count / float(measure.script("peer_simpy.py", count, _CORES)["cpu_s"]),
        },
        options.rounds,
    )
    if _OURS not in series:
        return section
    mine = series[_OURS]
    goal = Series((_GOAL,) * len(mine.values))
    ratio = measure.ratios(mine, goal)
    for name, what, aim in (
        (_OURS, "", Goal(AT_LEAST, 1.0)),
        (_COMPILED, "core compiled: ", Goal(AT_LEAST, 1.0)),
        (_PLAIN, "without shares and caps: ", None),
        (_PLAIN_COMPILED, "without shares and caps, core compiled: ", None),
    ):
        if name in series:
            ratio = measure.ratios(series[name], goal)
            section.rows.append(Row(f"{what}{_GOAL:,.0f} a second", ratio, aim, series[name], goal, "inv/s"))
    if _PEER in series:
        peer = series[_PEER]
        section.rows.append(Row(_PEER, measure.ratios(mine, peer), None, mine, peer, "inv/s"))
    memory, most = Series(tuple(bytes_each)), Series((_MOST_BYTES,) * len(bytes_each))
    section.rows.append(
        Row("memory an invocation, against 1 kB", measure.ratios(memory, most), Goal(AT_MOST, 1.0), memory,
            most, "bytes")
    )  # fmt: skip
    return section
