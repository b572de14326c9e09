"""What a run cost and drew, how full the pool was, and what of that nobody used.

Money is integer nano-dollars, and the lines add up: used, waste and idle are all of it. Pure; this module
must not know how a run was made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from rushes.core.money import micros, share_out
from rushes.core.spending.prices import TierPrice
from rushes.simulator.changing import SAMPLE_S, Course
from rushes.simulator.fleet import FleetPlan

__all__ = ["Bill", "Machines", "bill_of"]

_HOUR_S: Final = 3600.0
_SCALE: Final = 1000


@dataclass(frozen=True, slots=True)
class Machines:
    """A pool of one size: so many machines of one price, there all the time."""

    price: TierPrice
    count: float = 1.0


@dataclass(frozen=True, slots=True)
class Bill:
    """The account of a run.

    Args:
        total: nano-dollars; `used`, `waste` (work that was done again) and `idle` are its parts.
        by_show: nano-dollars of `used`, by show.
        minute_nano: nano-dollars a minute of output, of the total; None where no media was made.
        peak_kw, kwh: what the machines drew; None where nobody has stated what they draw.
        peak_hosts: hosts that were paid for at once; None for a pool of one size.
        utilisation: share of the cores' time that was paid for in which something ran.
        headroom: share of the cores that may be had which was free in the busiest hour, or did what gives
            way.
        lost: attempts that ended with their host or device.
    """

    total: int
    used: int
    waste: int
    idle: int
    by_show: dict[str, int]
    minute_nano: int | None
    peak_kw: float | None
    kwh: float | None
    peak_hosts: int | None
    utilisation: float
    headroom: float
    lost: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data; money in nano-dollars."""
        return asdict(self)


def bill_of(course: Course, machines: Machines | None = None, *, filler: str = "") -> Bill:
    """Add up what was paid for.

    Args:
        course: a run.
        machines: what a pool of one size is made of.
        filler: the class that fills what others leave and gives way to all of them; "" for none.
    """
    trace, fleet = course.trace, course.fleet
    if fleet is not None:
        total = sum(fleet.cost().values())
        tiers = fleet.plan.tiers
        core_s = sum((one.until - one.since) * tiers[one.tier].machine.cpu for one in fleet.billed)
    else:
        total = round(machines.price.cost(micros(trace.until)) * machines.count) if machines else 0
        core_s = trace.capacity.cpu * trace.until
    useful = max(trace.busy_cpu_s - trace.redone_cpu_s, 0.0)
    parts = (useful, trace.redone_cpu_s, max(core_s - trace.busy_cpu_s, 0.0))
    used, waste, idle = (
        share_out(total, tuple(round(part * _SCALE) for part in parts)) if total else (0, 0, 0)
    )
    wasted = sum(one.wasted_nano for one in course.alone.values())
    alone = sum(one.nano for one in course.alone.values())
    total, used, waste = total + alone, used + alone - wasted, waste + wasted
    media_s = sum(
        arrival.media_s * sum(at >= 0 for at in trace.ended[first : first + arrival.count])
        for arrival, first in _firsts(course)
    )
    watts = [sample.watts for sample in course.samples]
    drawn = any(watts)
    return Bill(
        total=total,
        used=used,
        waste=waste,
        idle=idle,
        by_show=_by_show(course, used),
        minute_nano=round(total * 60 / media_s) if media_s else None,
        peak_kw=max(watts) / 1000 if drawn else None,
        kwh=sum(watts) * SAMPLE_S / 3.6e6 if drawn else None,
        peak_hosts=max((sample.hosts for sample in course.samples), default=0) if fleet else None,
        utilisation=min(trace.busy_cpu_s / core_s, 1.0) if core_s else 0.0,
        headroom=_headroom(course, fleet.plan if fleet else None, filler),
        lost=trace.lost,
    )


def _firsts(course: Course) -> Any:
    first = 0
    for arrival in course.trace.load:
        yield arrival, first
        first += arrival.count


def _by_show(course: Course, used: int) -> dict[str, int]:
    """What each show's work takes of what was used, by core-seconds; exactly."""
    trace, spent = course.trace, dict[str, float]()
    for arrival, first in _firsts(course):
        ids = range(first, first + arrival.count)
        seconds = sum(trace.ended[id_] - trace.started[id_] for id_ in ids if trace.ended[id_] >= 0)
        spent[arrival.show] = spent.get(arrival.show, 0.0) + seconds * arrival.cpu
    weights = tuple(round(core_s * _SCALE) for core_s in spent.values())
    if not used or not any(weights):
        return dict.fromkeys(spent, 0)
    return dict(zip(spent, share_out(used, weights), strict=True))


def _headroom(course: Course, plan: FleetPlan | None, filler: str) -> float:
    """What was free of all that may be had in the hour in which most was in use; the filler is free."""
    samples = course.samples
    if not samples:
        return 1.0
    may = max(sample.cores for sample in samples)
    if plan is not None:
        may = sum(fleet.maximum * plan.tiers[fleet.tier].machine.cpu for fleet in plan.scaling.fleets)
    width = max(int(_HOUR_S / SAMPLE_S), 1)
    busy = [sample.busy - sample.busy_by.get(filler, 0.0) for sample in samples]
    window = busiest = sum(busy[:width])
    for at in range(width, len(busy)):
        window += busy[at] - busy[at - width]
        busiest = max(busiest, window)
    return max(1.0 - busiest / min(width, len(busy)) / may, 0.0) if may else 0.0
