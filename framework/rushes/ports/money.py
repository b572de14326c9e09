"""Caps that many hosts share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState

__all__ = ["Money"]


@runtime_checkable
class Money(Protocol):
    """The caps that many hosts share: each holder spends within tranches (`rushes.core.spending.tranches`).

    Every verb may raise `PlatformError` where the ledger does not answer; whether it was done is then not
    known, and what `take` may have taken comes back when the holder closes its tranche.
    """

    @property
    def hourly(self) -> Money:
        """The same for caps by the hour of the clock (UTC): all of it is of the hour that it is now."""
        ...

    def caps(self) -> Sequence[CapState]:
        """Which shows have a cap or a soft limit, or the organisation, and where it stands; by the hour, too.

        Of batches those with a soft limit: whoever works on one knows from its spec that it was sent with a
        cap.
        """
        ...

    def state(self, scope: Scope) -> CapState | None:
        """Where a cap stands; None where there was never one."""
        ...

    def set_cap(self, scope: Scope, cap: int | None, *, spent: int = 0) -> None:
        """Give a payer a cap in nano-dollars, another one, or none; `spent` before it had any."""
        ...

    def set_soft(self, scope: Scope, soft: int | None) -> None:
        """Give a payer a soft limit in nano-dollars, another one, or none; a batch only beside its cap."""
        ...

    def lower(self, scope: Scope) -> None:
        """Remember that work of this payer went on one class lower."""
        ...

    def raised(self) -> Sequence[Scope]:
        """Payers whose work went on one class lower, and that are beyond no more; each is told to one."""
        ...

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        """Put money into a holder's tranche; gives how much, 0 where not even the least is left.

        None: the tranche is not what the holder takes it for. It was taken back, or is there already.

        Args:
            scope: of whose cap.
            holder: who takes it; nobody else has this name, now or later.
            least: with less nothing is gained.
            most: with more nothing is gained. Of what has no cap it is given without being taken.
            until: when the holder has to have been heard of again, UTC epoch seconds.
            first: it has none yet.
        """
        ...

    def report(self, scope: Scope, holder: str, spent: int, exposed: int, until: float) -> bool:
        """Say what is spent, and what may have been by `until`; False: the tranche was taken back."""
        ...

    def give(self, scope: Scope, holder: str, back: int) -> bool:
        """Put some of a tranche back, which the holder has struck off before; False: there is no such."""
        ...

    def close(self, scope: Scope, holder: str, spent: int) -> bool:
        """Put all that was not spent back; False: the tranche was taken back before."""
        ...

    def reclaim(self, now: float) -> int:
        """Close the tranches of holders that fell silent: what they exposed is spent. Gives how many.

        Those of caps by the hour, too, unless it is asked of `hourly`.
        """
        ...
