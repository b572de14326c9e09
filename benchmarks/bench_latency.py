"""Idle latency: one invocation at a time, submit → result, with the pool warm and nothing else to do."""

from __future__ import annotations

import statistics
from typing import Any

import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_EACH = 200
_OURS = "Rushes"
_REFERENCE = "bare SQLite worker that leases one row at a time, polling every 0.5 ms, synchronous=FULL"


def run(options: Options) -> Section:
    section = Section(
        "Idle latency",
        f"`noop.remote(clip, n=…)` with the pool warm; the median of {_EACH} in each round, in milliseconds.",
    )
    highest: dict[str, list[float]] = {_OURS: [], _REFERENCE: []}

    def median_ms(name: str, script: str) -> float:
        said: dict[str, Any] = measure.script(script, "latency", _EACH)
        taken = sorted(1000 * seconds for seconds in said["latencies_s"])
        highest[name].append(taken[int(0.99 * len(taken))])
        return float(statistics.median(taken))

    series, section.left_out = measure.interleave(
        {
            _OURS: lambda: median_ms(_OURS, "dispatch_ours.py"),
            _REFERENCE: lambda: median_ms(_REFERENCE, "reference_sqlite.py"),
        },
        options.rounds,
    )
    if len(series) == 2:
        ours, other = series[_OURS], series[_REFERENCE]
        ratio = measure.ratios(ours, other)
        section.rows.append(Row(_REFERENCE, ratio, Goal(AT_MOST, 2.0), ours, other, "ms, p50"))
        ours, other = Series(tuple(highest[_OURS])), Series(tuple(highest[_REFERENCE]))
        section.facts.append(f"p99: ours {ours} ms, the other {other} ms.")
    return section
