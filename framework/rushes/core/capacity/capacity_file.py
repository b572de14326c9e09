"""The file in which a person writes down capacity: tiers, how fleets scale, where work goes, stragglers.

`capacity_from` takes what a JSON, TOML or YAML reader made of it, and checks all of it at once. The classes
that it makes say what each field means. This module must not open a file, nor know any figure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final, TypeVar

from rushes.core.capacity.elastic import FleetPolicy, ScalingPolicy
from rushes.core.capacity.fitting import Allowed, RoutingPolicy
from rushes.core.capacity.hours import Hours
from rushes.core.capacity.steps import Absolute, Band, Incremental, Step
from rushes.core.file_entry import FileEntry
from rushes.core.money import parse_dollars
from rushes.core.spending.prices import PriceBook
from rushes.core.stragglers import StragglerPolicy
from rushes.core.tiers import Purchase, Tier, tiers_from
from rushes.errors import CallerError

__all__ = ["CapacityPolicy", "capacity_from"]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
T = TypeVar("T")
NEVER: Final = "never"
"""The target of a class for which no host is started."""


@dataclass(frozen=True, slots=True)
class CapacityPolicy:
    """All that a person has decided on capacity."""

    tiers: Mapping[str, Tier]
    scaling: ScalingPolicy
    routing: RoutingPolicy
    stragglers: StragglerPolicy

    def hourly(self, book: PriceBook) -> dict[str, int]:
        """Nano-dollars that one host an hour costs, of each tier whose fleet scales.

        Raises:
            CallerError: the price of one of them is not known (``no-price``).
        """
        named = [name for fleet in self.scaling.fleets for name in fleet.tiers]
        return {name: book.tier(self.tiers[name].price).hour_nano for name in named}


def capacity_from(
    data: object,
    place: str = "capacity",
    *,
    known: Mapping[str, Tier] | None = None,
    classes: Collection[str] | None = None,
) -> CapacityPolicy:
    """The policy that a file holds: ``tiers``, ``fleets``, ``most_per_hour``, ``routing``, ``stragglers``.

    What is left out has its default. Prices are not part of it: tiers name entries of the price book, and are
    of the machines that are `known` there (`PriceBook.machines`) in what they do not say of themselves. Where
    the names of the `classes` are given, it may name no others.

    Raises:
        CallerError: a field that does not exist, is missing, or cannot be; the message names its place.
    """
    file = FileEntry(data, place, code="bad-capacity")
    tiers = tiers_from(file.raw("tiers"), file.below("tiers"), known=known)
    fleets = tuple(_fleet(name, entry) for name, entry in file.entry("fleets").entries())
    most = _dollars(file, "most_per_hour") if file.has("most_per_hour") else None
    policy = CapacityPolicy(
        tiers,
        ScalingPolicy(fleets, most),
        _routing(file.entry("routing")),
        _stragglers(file.entry("stragglers")),
    )
    file.done()
    ScalingPolicy(fleets).check(tiers, {})
    if classes is not None:
        _check_classes(file, policy, classes)
    for priority, allowed in policy.routing.allowed.items():
        for name in sorted(allowed.tiers - set(tiers)):
            raise file.refuse(f"routing.allowed.{priority}", f"names the tier {name!r}", "It does not exist.")
    return policy


def _check_classes(file: FileEntry, policy: CapacityPolicy, classes: Collection[str]) -> None:
    routing = policy.routing
    named: dict[str, Iterable[str]] = {
        **{f"fleets.{one.tier}.drain": one.drain_s for one in policy.scaling.fleets},
        "routing.worth_per_second": routing.worth_nano,
        "routing.allowed": routing.allowed,
    }
    for place, names in named.items():
        for name in names:
            if name not in classes:
                raise file.refuse(place, f"names the class {name!r}", f"There are {', '.join(classes)}.")


def _fleet(tier: str, entry: FileEntry) -> FleetPolicy:
    usual = FleetPolicy(tier, 0)
    policy = FleetPolicy(
        tier,
        maximum=entry.whole("maximum"),
        minimum=entry.whole("minimum", usual.minimum),
        fallback=entry.text("fallback") if entry.has("fallback") else "",
        steps=_named(entry, "steps", _steps),
        drain_s={name: _target_s(entry.entry("drain"), name) for name in entry.entry("drain").names()},
        other_drain_s=_target_s(entry, "other_drain", usual.other_drain_s),
        at_once=entry.number("at_once", usual.at_once),
        idle_s=entry.seconds("idle", usual.idle_s),
        calm_s=entry.seconds("calm", usual.calm_s),
        tolerance=entry.number("tolerance", usual.tolerance),
        overdue_s=entry.seconds("overdue", usual.overdue_s),
        fallback_after_s=entry.seconds("fallback_after", usual.fallback_after_s),
        retry_s=entry.seconds("retry", usual.retry_s),
        again_s=entry.seconds("again", usual.again_s),
        schedule=_named(entry, "schedule", lambda e: tuple(_hours(row) for row in e.rows("schedule"))),
    )
    entry.done()
    return policy


def _named(entry: FileEntry, name: str, read: Callable[[FileEntry], T]) -> T:
    """What `read` makes of a field; what it makes is refused by the field's place."""
    try:
        return read(entry)
    except CallerError as error:
        if "place" in error.details:
            raise
        raise entry.refuse(name, f"cannot be used: {error.message.rstrip('.')}", error.fix) from error


def _steps(entry: FileEntry) -> Absolute | Incremental | None:
    """``[{from, to, hosts: 1 or [2, 5]}, …]``, or ``[{above, add}, …]`` with ``step_every`` beside it."""
    rows = list(entry.rows("steps"))
    every_s = entry.seconds("step_every", Incremental((Step(0, 1),)).every_s)
    if not rows:
        return None
    if rows[0].has("above"):
        steps = tuple(Step(row.whole("above"), row.whole("add", least=1)) for row in rows)
        table: Absolute | Incremental = Incremental(steps, every_s)
    else:
        table = Absolute(tuple(_band(row) for row in rows))
    for row in rows:
        row.done()
    return table


def _band(row: FileEntry) -> Band:
    hosts = row.raw("hosts")
    ends = hosts if isinstance(hosts, list) else [hosts, hosts]
    if len(ends) != 2 or not all(isinstance(end, int) and not isinstance(end, bool) for end in ends):
        raise row.refuse("hosts", f"is {hosts!r}", "Write a number of hosts, or two: [2, 5].")
    return Band(
        row.whole("from", least=1), row.whole("to", least=1) if row.has("to") else None, ends[0], ends[1]
    )


def _hours(row: FileEntry) -> Hours:
    """``{from: 17.5, to: 20, days: [mon, tue], minimum, maximum}``."""
    days = row.items("days")
    if not all(day in DAYS for day in days):
        raise row.refuse("days", f"is {days!r}", f"Write some of {', '.join(DAYS)}.")
    hours = Hours(
        row.number("from"),
        row.number("to"),
        row.whole("minimum") if row.has("minimum") else None,
        row.whole("maximum") if row.has("maximum") else None,
        frozenset(DAYS.index(day) for day in days),
    )
    row.done()
    return hours


def _routing(entry: FileEntry) -> RoutingPolicy:
    usual = RoutingPolicy()
    worth, allowed = entry.entry("worth_per_second"), entry.entry("allowed")
    policy = RoutingPolicy(
        short_s=entry.seconds("short", usual.short_s),
        small_bytes=entry.size("small", usual.small_bytes),
        preview_s=entry.seconds("preview", usual.preview_s),
        spread=entry.number("spread", usual.spread, least=1.0),
        worth_nano={name: _dollars(worth, name) for name in worth.names()},
        allowed={name: _allowed(row) for name, row in allowed.entries()},
        hop_after_s=entry.seconds("hop_after", usual.hop_after_s),
        hop_gain=entry.number("hop_gain", usual.hop_gain, least=1.0),
        hop_dearer=entry.number("hop_dearer", usual.hop_dearer),
        hop_extra_nano=_dollars(entry, "hop_extra") if entry.has("hop_extra") else usual.hop_extra_nano,
        most_hops=entry.whole("most_hops", usual.most_hops),
    )
    entry.done()
    return policy


def _allowed(row: FileEntry) -> Allowed:
    purchases = {one.value: one for one in Purchase}
    named = row.items("purchases")
    if not all(name in purchases for name in named):
        raise row.refuse("purchases", f"is {named!r}", f"Write some of {', '.join(purchases)}.")
    allowed = Allowed(frozenset(map(str, row.items("tiers"))), frozenset(purchases[name] for name in named))
    row.done()
    return allowed


def _stragglers(entry: FileEntry) -> StragglerPolicy:
    usual = StragglerPolicy()
    policy = StragglerPolicy(
        stall_s=entry.seconds("stall", usual.stall_s),
        far=entry.number("far", usual.far, least=1.0),
        least_s=entry.seconds("least", usual.least_s),
        most_share=entry.number("most_share", usual.most_share),
        hedge=entry.flag("hedge", default=usual.hedge),
        most_nano=_dollars(entry, "most_cost") if entry.has("most_cost") else usual.most_nano,
    )
    entry.done()
    return policy


def _target_s(entry: FileEntry, name: str, default: float | None = None) -> float:
    found: Any = entry.raw(name)
    return inf if found == NEVER else entry.seconds(name, default)


def _dollars(entry: FileEntry, name: str) -> int:
    found = entry.raw(name)
    try:
        return parse_dollars(found if isinstance(found, int) and not isinstance(found, bool) else str(found))
    except CallerError as error:
        raise entry.refuse(name, f"is {found!r}", error.fix) from error
