"""A priority class, as data: who goes first, what is kept for it, how much it may have, who may use it.

This module must not know how a class is scheduled, nor which file it was read from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["DEFAULT_CLASSES", "REFUSE", "ClassPolicy"]

REFUSE: Final = "refuse"
"""As `beyond`: what a show asks for beyond its hours is refused, and what it has sent waits for tomorrow."""


@dataclass(frozen=True, slots=True)
class ClassPolicy:
    """A priority class, as data. Rank 0 goes first.

    Args:
        name: ``urgent`` …
        rank: lower goes first.
        may_displace: ranks below may be stopped or paused for it.
        may_be_displaced: it may be paused for a higher rank.
        ageing_s: work that has waited this long competes one rank higher.
        weights: share of each show against the others of this class; 1.0 where not named.
        reserved_share: of the pool's cores, memory, scratch and whole gpus; no other class has them, ever.
        max_share: of the pool's cores and gpus; never more, also where all else is idle.
        target_s: how soon its work should be done, for reports and scaling; None for no aim.
        tiers, purchase: where its work may run, and how that may be bought; empty for anywhere, anyhow.
        users, groups: who may use it; None for everybody. Somebody in either may.
        shows: for which shows it may be used; None for all.
        slot_hours: of it a day that each show may use; None for no limit. `slot_hours_of` says it for one.
        beyond: what becomes of the work of a show that has used its hours up: it goes on in the class of
            that name, or ``refuse``.
    """

    name: str
    rank: int
    may_displace: bool = False
    may_be_displaced: bool = True
    ageing_s: float = 3600.0
    weights: Mapping[str, float] = field(default_factory=dict, hash=False)
    reserved_share: float = 0.0
    max_share: float = 1.0
    target_s: float | None = None
    tiers: tuple[str, ...] = ()
    purchase: tuple[str, ...] = ()
    users: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    shows: tuple[str, ...] | None = None
    slot_hours: float | None = None
    slot_hours_of: Mapping[str, float] = field(default_factory=dict, hash=False)
    beyond: str = REFUSE

    def hours_of(self, show: str) -> float | None:
        """The slot-hours a day that a show may use; None for no limit."""
        return self.slot_hours_of.get(show, self.slot_hours)


DEFAULT_CLASSES: Final[tuple[ClassPolicy, ...]] = (
    # A person waits at the screen: nothing may stand before it, nothing stops it.
    ClassPolicy("interactive", 0, may_displace=True, may_be_displaced=False, ageing_s=3600.0),
    ClassPolicy("urgent", 1, may_displace=True, ageing_s=3600.0),
    ClassPolicy("standard", 2, ageing_s=3600.0),
    # Overnight work: it may wait for a working day before it competes with standard work.
    ClassPolicy("background", 3, ageing_s=8 * 3600.0),
)
