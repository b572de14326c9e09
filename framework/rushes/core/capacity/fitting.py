"""What an invocation needs, and what a tier has against it.

An objection is a reason why a tier is out of the question: a machine that is too small, a time limit that the
work would reach, a class that may not use it, a size that was too small before. This module must not know
prices, queues or clocks, nor which tier is the best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import Any, Final, TypeVar

from rushes.core.classes import ClassPolicy
from rushes.core.tiers import Purchase, Tier
from rushes.units import format_duration, format_size

__all__ = [
    "Allowed",
    "Outgrown",
    "Routable",
    "RoutingPolicy",
    "Size",
    "barred",
    "objection",
    "outgrown",
    "reached",
    "restricted",
    "why_small",
]


class Size(StrEnum):
    """What of a tier an invocation can be too big for."""

    time = "time"
    memory = "memory"
    scratch = "scratch"


T = TypeVar("T")
NOWHERE: Final[frozenset[Any]] = frozenset({""})
"""No tier and no way to buy one has no name."""
SIZES: Final[Mapping[str, Size]] = {
    "timeout": Size.time,
    "time-limit": Size.time,
    "slot-killed": Size.time,
    "memory-limit": Size.memory,
    "out-of-memory": Size.memory,
    "killed": Size.memory,
    "disk-full": Size.scratch,
    "scratch-too-small": Size.scratch,
}
"""By the code of an error: what was too small, where it was the tier's own limit that was reached."""


@dataclass(frozen=True, slots=True)
class Outgrown:
    """An attempt was stopped at a tier's limit: it needs more than `amount`, seconds at speed 1 or bytes."""

    size: Size
    amount: float


@dataclass(frozen=True, slots=True)
class Routable:
    """What is known of an invocation before it runs.

    Args:
        priority: its class.
        cpu, memory_bytes, scratch_bytes: what it takes while it runs.
        device: the family of device that it cannot do without; "" for none.
        run_s: expected run time at speed 1; None where nothing like it was ever measured.
        late_s: time within which nearly all like it are done; None where only `run_s` is known.
        media_s: seconds of media that it works on; None for unknown.
        headers_only: it reads headers, and decodes nothing.
        source_bytes: of all its assets.
        region: where they are; "" where that does not matter.
        out_bytes, out_region: what it makes, and where that has to go.
        outgrew: what it was too big for.
    """

    priority: str = "standard"
    cpu: float = 1.0
    memory_bytes: int = 0
    scratch_bytes: int = 0
    device: str = ""
    run_s: float | None = None
    late_s: float | None = None
    media_s: float | None = None
    headers_only: bool = False
    source_bytes: int = 0
    region: str = ""
    out_bytes: int = 0
    out_region: str = ""
    outgrew: tuple[Outgrown, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where a class may go; an empty set is everything."""

    tiers: frozenset[str] = frozenset()
    purchases: frozenset[Purchase] = frozenset()

    def narrowed(self, tiers: Iterable[str], purchases: Iterable[str]) -> Allowed:
        """What of it is also among these; none of them limits nothing."""
        kinds = (Purchase(one) for one in purchases)
        return Allowed(_both(self.tiers, frozenset(tiers)), _both(self.purchases, frozenset(kinds)))


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """What a person may decide about routes.

    Args:
        short_s, small_bytes: work that is expected to take no longer, from no larger a source, is small.
        preview_s: where no run time is known, work on no more media than this is small.
        tries_unknown: where no run time is known, work goes to a tier that has a machine for each first: what
            is too long for it goes up.
        spread: where only the expected run time is known, a run may take so many times as long.
        worth_nano: by class, nano-dollars that it is worth to end a second sooner.
        allowed: by class; a class that is not named may go anywhere.
        hop_after_s: work that has waited so long may hop.
        hop_gain: only to where it would end so many times sooner, counted from now.
        hop_dearer: and costs at most so many times as much,
        hop_extra_nano: and so many nano-dollars beside, so that work may leave a machine that costs nothing.
        most_hops: so often in all.
    """

    short_s: float = 60.0
    small_bytes: int = 1 << 30
    preview_s: float = 30.0
    tries_unknown: bool = False
    spread: float = 3.0
    worth_nano: Mapping[str, int] = field(default_factory=dict, hash=False)
    allowed: Mapping[str, Allowed] = field(default_factory=dict, hash=False)
    hop_after_s: float = 300.0
    hop_gain: float = 2.0
    hop_dearer: float = 4.0
    hop_extra_nano: int = 0
    most_hops: int = 2


def restricted(policy: RoutingPolicy, classes: Iterable[ClassPolicy]) -> RoutingPolicy:
    """A policy with what the classes themselves say of where they may go: both bind."""
    allowed = dict(policy.allowed)
    for one in classes:
        if one.tiers or one.purchase:
            allowed[one.name] = allowed.get(one.name, Allowed()).narrowed(one.tiers, one.purchase)
    return policy if allowed == policy.allowed else replace(policy, allowed=allowed)


def barred(priority: str, tier: Tier, policy: RoutingPolicy) -> str:
    """Why a class may not use a tier; "" where it may."""
    allowed = policy.allowed.get(priority, Allowed())
    if allowed.tiers and tier.name not in allowed.tiers:
        return f"{priority} work may not use it"
    if allowed.purchases and tier.purchase not in allowed.purchases:
        return f"{priority} work may not use {tier.purchase.value} machines"
    return ""


def objection(work: Routable, tier: Tier, policy: RoutingPolicy) -> str:
    """Why a tier is out of the question; "" when it is not."""
    return next(_objections(work, tier, policy), "")


def why_small(work: Routable, policy: RoutingPolicy) -> str:
    """What makes it short and small; "" when it is not."""
    if work.headers_only:
        return "an inspection"
    if work.run_s is None and policy.tries_unknown:
        return "of unknown length, and what is too long for it goes up"
    if work.source_bytes > policy.small_bytes:
        return ""
    if work.run_s is not None:
        return f"short ({format_duration(work.run_s)}) and small" if work.run_s <= policy.short_s else ""
    if work.media_s is not None and work.media_s <= policy.preview_s:
        return f"a preview of {format_duration(work.media_s)}"
    return ""


def outgrown(code: str, tier: Tier, ran_s: float, *, progressed: bool) -> Outgrown | None:
    """What a failed attempt says about the size that its work needs; None where it says nothing.

    Args:
        code: of the error.
        tier: where it ran.
        ran_s: for how long.
        progressed: it was still getting on when it was stopped: work that hangs is not big.
    """
    size = reached(code, tier.limits.run_s, ran_s, progressed=progressed, own_machine=tier.per_invocation)
    return None if size is None else Outgrown(size, _amount(tier, size))


def reached(
    code: str, limit_s: float | None, ran_s: float, *, progressed: bool, own_machine: bool
) -> Size | None:
    """Which limit of its tier a failed attempt has reached; None for none.

    Args:
        code: of the error.
        limit_s: that an attempt may run there; None for no limit.
        ran_s: how long it ran.
        progressed: it was still getting on when it was stopped.
        own_machine: the tier has a machine for every invocation.
    """
    size = SIZES.get(code)
    if size is Size.time:
        return size if limit_s is not None and progressed and ran_s >= limit_s * 0.9 else None
    # On a host, memory and disk are shared, or limited by what the function declares: not the tier's size.
    return size if own_machine else None


def _objections(work: Routable, tier: Tier, policy: RoutingPolicy) -> Iterator[str]:
    if reason := barred(work.priority, tier, policy):
        yield reason
    yield from _too_small(work, tier)
    for one in work.outgrew:
        if _amount(tier, one.size) <= one.amount:
            yield f"the work was too big for as much {one.size.value} as it has"
    if tier.limits.run_s is not None:
        yield from _too_long(work, tier, tier.limits.run_s, policy)


def _too_small(work: Routable, tier: Tier) -> Iterator[str]:
    machine, limits = tier.machine, tier.limits
    if work.device and work.device not in machine.devices:
        yield f"it has no {work.device}"
    if work.cpu > machine.cpu:
        yield f"it has {machine.cpu:g} cores, and {work.cpu:g} are needed"
    if work.memory_bytes > machine.memory_bytes:
        yield _too_little("memory", machine.memory_bytes, work.memory_bytes)
    if work.scratch_bytes > machine.scratch_bytes:
        yield _too_little("scratch", machine.scratch_bytes, work.scratch_bytes)
    if limits.source_bytes is not None and work.source_bytes > limits.source_bytes:
        yield f"it takes sources up to {format_size(limits.source_bytes)}"


def _too_long(work: Routable, tier: Tier, limit_s: float, policy: RoutingPolicy) -> Iterator[str]:
    limit = format_duration(limit_s)
    if work.run_s is None:
        if not why_small(work, policy):
            yield f"it stops work after {limit}, and nobody knows how long this takes"
        return
    late_s = (work.run_s * policy.spread if work.late_s is None else work.late_s) / tier.speed
    if late_s > limit_s:
        yield f"it stops work after {limit}, and this may take {format_duration(late_s)}"


def _too_little(what: str, there: int, needed: int) -> str:
    return f"it has {format_size(there)} of {what}, and {format_size(needed)} are needed"


def _amount(tier: Tier, size: Size) -> float:
    """How much of something a tier has."""
    if size is Size.memory:
        return tier.machine.memory_bytes
    if size is Size.scratch:
        return tier.machine.scratch_bytes
    return inf if tier.limits.run_s is None else tier.limits.run_s * tier.speed


def _both(one: frozenset[T], other: frozenset[T]) -> frozenset[T]:
    """What is in both; an empty set is everything. Where nothing is in both, nothing is left to choose."""
    if not one or not other:
        return one | other
    return one & other or NOWHERE
