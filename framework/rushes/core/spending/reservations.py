"""Who pays for an attempt, and what a budget answers: money set aside, refused, or settled.

Values only. This module must not know books or limits.
"""

from __future__ import annotations

from typing import NamedTuple

from rushes.core.accounts import ORGANISATION, Scope

__all__ = ["Granted", "Payer", "Refused", "Settled"]


class Payer(NamedTuple):
    """For whom an attempt runs; a machine that is kept warm for nobody is the organisation's alone."""

    show: str | None = None
    batch: str | None = None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Those that pay, the innermost first."""
        batch = (Scope("batch", self.batch),) if self.batch is not None else ()
        show = (Scope("show", self.show),) if self.show is not None else ()
        return (*batch, *show, ORGANISATION)


# Every attempt makes one of each, and a named tuple is made in a third of a frozen dataclass's time.
class Granted(NamedTuple):
    """It may start, or go on.

    Args:
        id: the reservation.
        amount: nano-dollars that it may spend in all.
        demoted: why it is to run one class lower, or "".
    """

    id: int
    amount: int
    demoted: str = ""


class Refused(NamedTuple):
    """It may not; nothing was set aside.

    Args:
        id: the reservation.
        held: only a person or the next hour can help; else it waits for what is reserved.
        sentence: why, and what would free it.
        frees_at: when to ask again at the latest (UTC epoch seconds), or None.
        short: nano-dollars that are missing.
        stale: the number was used before, or is too old to tell: take a new one.
        scope: the payer that lacks them.
    """

    id: int
    held: bool
    sentence: str
    frees_at: float | None = None
    short: int = 0
    stale: bool = False
    scope: Scope | None = None


class Settled(NamedTuple):
    """What became of a reservation.

    Args:
        returned: nano-dollars that are free again.
        overrun: nano-dollars that were spent beyond what was granted: the attempt was not stopped in time.
    """

    returned: int
    overrun: int
