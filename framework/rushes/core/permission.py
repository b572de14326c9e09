"""Who may use a class, and what becomes of a show that has used its hours of it up: pure, over values.

This module must not know how people are recognised, nor where hours are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rushes.core.classes import REFUSE, ClassPolicy
from rushes.core.events import QueueKey

__all__ = ["Beyond", "Person", "beyond_hours", "shown_hours", "why_not"]

HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks for a class: the name and the groups that the machine knows."""

    user: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Beyond:
    """A show that has used up its hours of a class today.

    Args:
        queue: the class and the show.
        hours: that it may use a day; `used_s`: slot-seconds of it that it has.
        lower: the class in which its work goes on; None where it has to wait for tomorrow.
    """

    queue: QueueKey
    hours: float
    used_s: float
    lower: str | None

    @property
    def sentence(self) -> str:
        """What has happened, for people, without an end."""
        used = shown_hours(self.used_s / HOUR_S)
        return (
            f"show {self.queue.show} has used {used} of the {self.hours:g} slot-hours "
            f"of {self.queue.priority} that it has a day"
        )


def shown_hours(hours: float) -> str:
    """Slot-hours for people: tenths, or two digits of what is less, so that a little is not nothing."""
    return f"{hours:.1f}" if hours >= 0.1 or not hours else f"{hours:.2g}"


def why_not(policy: ClassPolicy, person: Person, show: str) -> str:
    """Why somebody may not use a class for a show, in a sentence; "" where they may."""
    if policy.shows is not None and show not in policy.shows:
        return f"class {policy.name} is not for show {show}, but for {_listed(policy.shows)}"
    if policy.users is None and policy.groups is None:
        return ""
    if person.user in (policy.users or ()) or person.groups.intersection(policy.groups or ()):
        return ""
    may = [*(policy.users or ()), *(f"the group {one}" for one in policy.groups or ())]
    return f"{person.user} may not use class {policy.name}: it is for {_listed(may)}"


def beyond_hours(classes: Iterable[ClassPolicy], used_s: Mapping[QueueKey, float]) -> dict[QueueKey, Beyond]:
    """The shows that have used up their hours of a class.

    Args:
        classes: all of them.
        used_s: slot-seconds that each show has used of each class today, with what runs.
    """
    by_name = {one.name: one for one in classes}
    found: dict[QueueKey, Beyond] = {}
    for queue, seconds in used_s.items():
        policy = by_name.get(queue.priority)
        hours = policy.hours_of(queue.show) if policy is not None else None
        if policy is not None and hours is not None and seconds >= hours * HOUR_S:
            lower = None if policy.beyond == REFUSE else policy.beyond
            found[queue] = Beyond(queue, hours, seconds, lower)
    return found


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found) if found else "nobody"
