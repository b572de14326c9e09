"""How well a mixed load is packed: its makespan, and the longest urgent turnaround, against their bounds."""

from __future__ import annotations

from typing import Any

import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section


def run(options: Options) -> Section:
    section = Section(
        "Makespan: 3,494 invocations of seven shapes and 120 urgent ones, on six nodes",
        "Six nodes of 16 cores, 64 GiB and 500 million pixels a second, each under a scheduler of its own, "
        "on a virtual clock; what an invocation takes is wrong by up to a half against what is expected. The "
        "bound is that of the configuration linear program: no schedule is shorter. First come first served "
        "has one line for all, in the order in which batches were submitted. A seed a round.",
    )
    said: list[dict[str, Any]] = []

    def once() -> float:
        said.append(measure.script("makespan_ours.py", len(said) + 1))
        return float(said[-1]["ours_s"] / said[-1]["bound_s"])

    _, section.left_out = measure.interleave({"makespan": once}, options.rounds)
    if not said:
        return section
    for who, what, key, goal in (
        ("ours", "makespan against its bound", "", Goal(AT_MOST, 1.2)),
        ("ours", "urgent maximum against its bound", "urgent_", Goal(AT_MOST, 1.35)),
        ("fifo", "first come first served: makespan against its bound", "", None),
        ("fifo", "first come first served: urgent maximum against its bound", "urgent_", None),
    ):
        mine, bound = (
            Series(tuple(run[name] for run in said)) for name in (f"{who}_{key}s", f"{key}bound_s")
        )
        section.rows.append(Row(what, measure.ratios(mine, bound), goal, mine, bound, "s"))
    return section
