"""What an attempt pays for where the run itself is billed, or its machine's time is counted by somebody else.

On AWS Lambda each run has a machine of its own, billed by its memory and time, in steps, and by the request:
the price of any size follows from that of one. On a host the pool counts what its attempts hold of it. Both
pay for what they ask of a store and carry between regions. This module must not know clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from rushes.core.money import owed
from rushes.core.spending.cost import Cost, Usage, attempt_cost
from rushes.core.spending.machine_time import MachineShare
from rushes.core.spending.prices import PriceBook, TierPrice

__all__ = ["RunPrice", "tier_of_memory"]


def tier_of_memory(book: PriceBook, family: str, region: str, memory_bytes: int) -> TierPrice | None:
    """The tier of a family (``lambda``) whose runs have so much memory, in a region; None: none is priced.

    Of tiers that bill each run, price and memory are proportional, so the nearest one says it for all.
    """
    found = [
        (abs(machine.machine.memory_bytes - memory_bytes), name, machine.machine.memory_bytes)
        for name, machine in book.machines.items()
        if name.startswith(f"{family}/") and machine.per_invocation and machine.region == region
    ]
    if not found or memory_bytes <= 0:
        return None
    _, name, of_bytes = min(found)
    tier = book.tiers[name]
    return replace(tier, hour_nano=owed(tier.hour_nano, memory_bytes, of_bytes))


@dataclass(frozen=True, slots=True)
class RunPrice:
    """The prices of one attempt.

    Args:
        tier: where it runs.
        book: what storage and transfer cost.
        timed: the time of the run is billed; else somebody else says what its machine cost.
    """

    tier: TierPrice
    book: PriceBook
    timed: bool = True

    def cost(self, elapsed_us: int, charged_nano: int, usage: Usage) -> Cost:
        """The lines of an attempt.

        Args:
            elapsed_us: since its run began.
            charged_nano: what others have said of its machine.
            usage: what it asked of a store, and carried.

        Raises:
            CallerError: it used something that has no price (``no-price``).
        """
        compute = charged_nano + (self.tier.cost(elapsed_us) if self.timed else 0)
        return attempt_cost(MachineShare(compute=compute), self.tier, self.book, usage)

    def further(self) -> Self:
        """The prices of what is done within the same request: that has been paid for."""
        return replace(self, tier=replace(self.tier, request_nano=0))
