"""What a run on a virtual pool comes to: turnaround by class and show, utilisation, what waited longest.

Percentiles are of the nearest rank: each of them is a value that occurred. Pure; this module must not know
how the run was made, nor how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from rushes.core.swarm import Share
from rushes.simulator.trace import Trace

__all__ = ["Group", "LoadOutcome", "Spread", "outcome_of", "within_targets"]


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in seconds."""

    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of at least one value."""
        ordered = sorted(values)
        p50, p90, p99 = (ordered[max(ceil(len(ordered) * share) - 1, 0)] for share in (0.5, 0.9, 0.99))
        return cls(p50, p90, p99, ordered[-1])


@dataclass(frozen=True, slots=True)
class Group:
    """The invocations of one class and show.

    Args:
        invocations: how many ended.
        turnaround: from submission to the end of each.
        wait: from submission to its start.
        first_s: from the submission of a batch to the end of its first invocation; the longest.
        done_s: from the submission of a batch to the end of its last; the longest; 0 where none ended.
    """

    priority: str
    show: str
    invocations: int
    turnaround: Spread
    wait: Spread
    first_s: float
    done_s: float
    held: int = 0
    """Invocations that never started: their show's money was spent."""
    late: float | None = None
    """Share of those with a deadline that missed it."""


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """A run, added up.

    Args:
        groups: by class and show, in the order in which they arrived.
        until_s: when the last invocation had ended.
        utilisation: share of the pool's core-seconds until then in which something ran.
        media_s: seconds of output that were made.
    """

    groups: tuple[Group, ...]
    until_s: float
    utilisation: float
    media_s: float
    displacement: tuple[tuple[str, Share], ...] = ()
    """For each batch that others stood aside for, and each batch that did: what that one bore."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "until_s": self.until_s,
            "utilisation": self.utilisation,
            "media_s": self.media_s,
            "displacement": [{"for": batch, **asdict(share)} for batch, share in self.displacement],
            "groups": [
                {
                    "priority": group.priority,
                    "show": group.show,
                    "invocations": group.invocations,
                    "turnaround_s": _spread(group.turnaround),
                    "wait_s": _spread(group.wait),
                    "first_s": group.first_s,
                    "done_s": group.done_s,
                    "held": group.held,
                    "late": group.late,
                }
                for group in self.groups
            ],
        }


def outcome_of(trace: Trace) -> LoadOutcome:
    """Add up what happened."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    first = 0
    for arrival in trace.load:
        if arrival.count:
            spans.setdefault((arrival.priority, arrival.show), []).append((first, first + arrival.count))
        first += arrival.count
    core_s = trace.capacity.cpu * trace.until
    return LoadOutcome(
        groups=tuple(found for key, ranges in spans.items() if (found := _group(trace, *key, ranges))),
        until_s=trace.until,
        utilisation=trace.busy_cpu_s / core_s if core_s else 0.0,
        displacement=tuple(
            (arrival.batch, share)
            for arrival in trace.load
            if (swarm := trace.swarms.of(arrival.batch)) is not None
            for share in swarm.report(trace.until)
        ),
        media_s=sum(arrival.media_s * arrival.count for arrival in trace.load),
    )


def within_targets(trace: Trace, targets: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """By class: how many batches were done within its target, of how many that arrived.

    Args:
        trace: a run.
        targets: seconds from the submission of a batch to the end of its last invocation, by class.
    """
    found: dict[str, tuple[int, int]] = {}
    first = 0
    for arrival in trace.load:
        ended, first = trace.ended[first : first + arrival.count], first + arrival.count
        target_s = targets.get(arrival.priority)
        if target_s is not None and ended:
            met, count = found.get(arrival.priority, (0, 0))
            in_time = min(ended) >= 0 and max(ended) - arrival.at <= target_s
            found[arrival.priority] = met + in_time, count + 1
    return found


def _group(trace: Trace, priority: str, show: str, ranges: Sequence[tuple[int, int]]) -> Group | None:
    ids = [id_ for low, high in ranges for id_ in range(low, high) if trace.ended[id_] >= 0]
    held = sum(high - low for low, high in ranges) - len(ids)
    if not ids:
        return None
    whole = [(low, high) for low, high in ranges if min(trace.ended[low:high]) >= 0]
    late, dated = _late(trace, ranges)
    return Group(
        priority,
        show,
        len(ids),
        Spread.of(trace.ended[id_] - trace.submitted[id_] for id_ in ids),
        Spread.of(trace.started[id_] - trace.submitted[id_] for id_ in ids),
        max((min(trace.ended[low:high]) - trace.submitted[low] for low, high in whole), default=0.0),
        max((max(trace.ended[low:high]) - trace.submitted[low] for low, high in whole), default=0.0),
        held,
        late / dated if dated else None,
    )


def _late(trace: Trace, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """How many ended after their deadline, or not at all, of how many that had one."""
    deadlines = {}
    first = 0
    for arrival in trace.load:
        deadlines[first] = arrival.deadline
        first += arrival.count
    late = dated = 0
    for low, high in ranges:
        deadline = deadlines[low]
        if deadline is not None:
            dated += high - low
            late += sum(not 0 <= at <= deadline for at in trace.ended[low:high])
    return late, dated


def _spread(spread: Spread) -> dict[str, float]:
    return {"p50": spread.p50, "p90": spread.p90, "p99": spread.p99, "max": spread.most}
