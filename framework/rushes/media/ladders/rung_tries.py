"""Which rungs of a ladder one command makes, and what is left to try of each when a command fails.

Each rung has tries of its own, from the same planner as any encode: a card may be the cheapest for the large
ones and the processor for the small ones. One decode is to feed as many as possible, so rungs in software go
along with those on a device where its ffmpeg has their encoders; two devices never share a command. Pure; it
must not run anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rushes.errors import Cancelled, RushesError
from rushes.media.devices.fallback import remaining
from rushes.media.devices.tries import Try

__all__ = ["Group", "PendingRung", "after_failure", "next_group", "one_on"]

# What one command asks too much of, or one of its rungs alone may be at fault of.
_APART: Final = frozenset(
    {"encoder-busy", "encoder-unsupported", "encoder-failed", "bad-encoder-option", "tool-failed", "crashed",
     "stalled", "bad-output", "bad-size"}
)  # fmt: skip
# It may have been the decoder.
_UNKNOWN: Final = frozenset({"tool-failed", "crashed", "stalled", "bad-output"})


@dataclass(frozen=True, slots=True)
class PendingRung:
    """A rung that is not made yet.

    Args:
        name: of the rung.
        tries: those that are left, the next one first.
        apart: it is made by a command of its own: together with others it failed.
    """

    name: str
    tries: tuple[Try, ...]
    apart: bool = False

    @property
    def next(self) -> Try:
        return self.tries[0]

    @property
    def on_device(self) -> bool:
        return self.next.family != "software"


@dataclass(frozen=True, slots=True)
class Group:
    """Rungs that one command makes.

    Args:
        names: of the rungs, in their order.
        lead: the try whose build runs, and whose device decodes if one does.
    """

    names: tuple[str, ...]
    lead: Try


def next_group(pending: Sequence[PendingRung], shares: Collection[str]) -> Group:
    """The rungs that the next command makes.

    Args:
        pending: those that are left, the largest first; one at least.
        shares: families whose ffmpeg has the software encoders of this ladder too.
    """
    first = pending[0]
    if first.apart:
        return Group((first.name,), first.next)
    together = [rung for rung in pending if not rung.apart]
    on_devices = [rung for rung in together if rung.on_device]
    lead = first if first.on_device else next((r for r in on_devices if r.next.family in shares), first)
    kept = [
        rung.name
        for rung in together
        if _same_place(rung.next, lead.next) or (not rung.on_device and lead.next.family in shares)
    ]
    return Group(tuple(kept), lead.next)


def after_failure(
    pending: Sequence[PendingRung], group: Group, error: RushesError
) -> list[PendingRung] | None:
    """What is left to make once a command has failed; None where its error stands.

    A device is to blame before software is. Where several rungs on it may be, or together asked for too much
    of it, each is tried once more by a command of its own.

    Args:
        pending: all that are left, those of the group among them.
        group: what the command was to make.
        error: what came of it.
    """
    if isinstance(error, Cancelled):
        return None
    blamed = [rung for rung in pending if rung.name in group.names and rung.on_device]
    if not blamed:
        return None
    # Nobody knows what failed: without the device's decoder first, all together, before each alone.
    unread = group.lead.spot.decoder == "device" and error.code in _UNKNOWN
    if len(blamed) > 1 and error.code in _APART and not unread and error.details.get("began", True):
        names = {rung.name for rung in blamed}
        return [replace(rung, apart=True) if rung.name in names else rung for rung in pending]
    # A graph that the device's ffmpeg has no filter for is a plan that it refuses.
    ran = error.code != "no-filter"
    moved = {rung.name: one_on(rung, error, ran=ran) for rung in blamed}
    left = [moved.get(rung.name, rung) for rung in pending]
    return None if None in left else [rung for rung in left if rung is not None]


def one_on(rung: PendingRung, error: RushesError, *, ran: bool = True) -> PendingRung | None:
    """The same rung at its next try; None where the error stands.

    Args:
        rung: whose first try failed.
        error: what came of it.
        ran: something had run; else the plan refused it.
    """
    rest = remaining(rung.tries[1:], rung.tries[0], error, ran=ran)
    if not rest:
        return None
    return PendingRung(rung.name, rest, apart=rung.apart and rest[0].family != "software")


def _same_place(one: Try, other: Try) -> bool:
    return (one.device, one.spot.decoder) == (other.device, other.spot.decoder)
