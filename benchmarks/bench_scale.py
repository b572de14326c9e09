"""Scale: what an invocation costs, and what the worker weighs, at ten and at a hundred times as many."""

from __future__ import annotations

from typing import Any

import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_MB = 1_000_000
_ALLOWED = {1: 1.25, 2: 2.0}


def run(options: Options) -> Section:
    base = options.count
    counts = [base, options.large, options.largest]
    section = Section(
        "Scale: cost of an invocation, and memory of the worker",
        f"The no-ops of the row above at {', '.join(f'{c:,}' for c in counts)}; submit → last result. "
        "Memory is the worker's largest resident size.",
    )
    found: dict[int, list[dict[str, Any]]] = {count: [] for count in counts}

    def cost(count: int) -> float:
        said = measure.script("dispatch_ours.py", "throughput", count)
        found[count].append(said)
        return 1e6 * float(said["seconds"]) / count

    series, section.left_out = measure.interleave(
        {f"{count:,}": (lambda count=count: cost(count)) for count in counts},  # type: ignore[misc]
        options.rounds,
    )
    smallest = series.get(f"{base:,}")
    if smallest is None:
        return section
    for step, count in enumerate(counts[1:], start=1):
        ours = series.get(f"{count:,}")
        if ours is not None:
            section.rows.append(
                Row(
                    f"cost at {count:,} against {base:,}",
                    measure.ratios(ours, smallest),
                    Goal(AT_MOST, _ALLOWED[step]),
                    ours,
                    smallest,
                    "µs/inv",
                )
            )
    largest = counts[-1]
    if f"{largest:,}" in series:
        peak, small = _peaks(found[largest]), _peaks(found[base])
        allowed = Series(tuple(2 * value + 100 for value in small.values))
        section.rows.append(
            Row(
                f"worker memory at {largest:,} against 2 × that at {base:,} + 100 MB",
                measure.ratios(peak, allowed),
                Goal(AT_MOST, 1.0),
                peak,
                allowed,
                "MB",
            )
        )
        client = Series(tuple(said["client_peak_bytes"] / _MB for said in found[largest]))
        section.facts.append(
            f"Worker at {base:,}: {small} MB. Submitting client at {largest:,}: {client} MB."
        )
    return section


def _peaks(found: list[dict[str, Any]]) -> Series:
    return Series(tuple(said["worker_peak_bytes"] / _MB for said in found))
