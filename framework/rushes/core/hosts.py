"""A host of a fleet as its fleet sees it, and what a provider refused.

`ordered → starting → idle ⇄ busy → leaving`, with `resting` beside `idle`, and gone from any of them. A host
has its number from the moment that it is ordered, so that no order is counted twice: what is ordered is seen.
This module must not know who orders hosts, nor why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Host", "HostState", "Refusal", "counted_hosts"]


class HostState(StrEnum):
    """Where a host is; not to be confused with the states of a slot or an invocation."""

    ordered = "ordered"
    """The provider has taken the order, and has not given the machine."""
    starting = "starting"
    """The machine is there and billed; its worker does not lease yet."""
    idle = "idle"
    busy = "busy"
    resting = "resting"
    """It does nothing, and takes nothing: it has found that it is not fit for work."""
    leaving = "leaving"
    """It takes no more work, finishes what it has, and goes."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host.

    Args:
        id: the fleet's name for it.
        tier: what kind it is.
        state: where it is.
        since: when it came there, UTC epoch seconds.
    """

    id: str
    tier: str
    state: HostState
    since: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider would not give hosts of a tier.

    Args:
        tier: of which none were to be had.
        at: when, UTC epoch seconds.
        reason: what it said.
    """

    tier: str
    at: float
    reason: str = ""


def counted_hosts(count: int) -> str:
    """``1 host``, ``2 hosts``."""
    return "1 host" if count == 1 else f"{count} hosts"
