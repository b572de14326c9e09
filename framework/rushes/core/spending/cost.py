"""What an attempt cost when it ended, what of that was waste, and what an output minute costs.

The lines of an attempt are compute, requests, transfer and energy. What was made and had to be thrown away
(a failed attempt, work that a displacement had redone) is waste: who keeps the books says which that was.
What machines cost while nobody used them is idle. A statement sums all of it by show and function; its
headline is the cost of a published minute: everything that was spent on a function for a show, waste
included, over the minutes of media that it published. This module must not know clocks, machines or budgets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from rushes.core.money import owed
from rushes.core.spending.machine_time import MachineShare
from rushes.core.spending.prices import PriceBook, TierPrice

__all__ = ["LINES", "Cost", "CostTotal", "Statement", "Usage", "attempt_cost"]

LINES: Final = ("compute", "requests", "transfer", "energy")
_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Amounts in nano-dollars, by line, and the energy drawn."""

    compute: int = 0
    requests: int = 0
    transfer: int = 0
    energy: int = 0
    millijoules: int = 0

    @property
    def total(self) -> int:
        """The sum of the lines, in nano-dollars."""
        return self.compute + self.requests + self.transfer + self.energy

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.compute + other.compute,
            self.requests + other.requests,
            self.transfer + other.transfer,
            self.energy + other.energy,
            self.millijoules + other.millijoules,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used beside its machine's time.

    Args:
        puts, gets: requests to storage that write or list, and that read.
        storage: the region whose storage they went to.
        moved: bytes that went from one region to another: sender, receiver, bytes.
    """

    puts: int = 0
    gets: int = 0
    storage: str = ""
    moved: tuple[tuple[str, str, int], ...] = ()


def attempt_cost(share: MachineShare, tier: TierPrice, book: PriceBook, usage: Usage = Usage()) -> Cost:
    """The lines of an attempt that has ended.

    Raises:
        CallerError: it used something that has no price (``no-price``).
    """
    stored = book.requests_cost(usage.storage, puts=usage.puts, gets=usage.gets)
    return Cost(
        compute=share.compute,
        requests=tier.request_nano + stored,
        transfer=sum(book.transfer_cost(sender, to, size) for sender, to, size in usage.moved),
        energy=share.energy,
        millijoules=share.millijoules,
    )


@dataclass(slots=True)
class CostTotal:
    """What attempts that have something in common have cost: one function's for one show."""

    useful: Cost = field(default_factory=Cost)
    waste: Cost = field(default_factory=Cost)
    attempts: int = 0
    published_us: int = 0

    @property
    def total(self) -> int:
        """Nano-dollars, waste included."""
        return self.useful.total + self.waste.total

    @property
    def minute_nano(self) -> int | None:
        """Nano-dollars a published output minute, or None while nothing was published."""
        return owed(self.total, _MINUTE_US, self.published_us) if self.published_us > 0 else None

    def __iadd__(self, other: CostTotal) -> Self:
        self.useful += other.useful
        self.waste += other.waste
        self.attempts += other.attempts
        self.published_us += other.published_us
        return self


@dataclass(slots=True)
class Statement:
    """What was spent, by show and function, and what machines cost while they were idle.

    Sums only: a row for each pair of show and function, or for whatever else a key is made of (`enter`),
    whatever the number of attempts.
    """

    rows: dict[tuple[str, ...], CostTotal] = field(default_factory=dict)
    idle: dict[str, Cost] = field(default_factory=dict)
    """By tier."""
    running: Cost = field(default_factory=Cost)
    """What attempts that have not ended have cost so far."""

    def enter(self, key: tuple[str, ...], sums: CostTotal) -> None:
        """Enter sums over attempts of one key."""
        row = self.rows.setdefault(key, CostTotal())
        row += sums

    def of(self, *, show: str | None = None, function: str | None = None) -> CostTotal:
        """The sum of all rows of a show, of a function, of both, or of everything; idleness is in none."""
        return _sum_of(
            row
            for key, row in self.rows.items()
            if (show is None or key[0] == show) and (function is None or key[1] == function)
        )

    @property
    def total(self) -> int:
        """Every nano-dollar that was spent: useful, waste, idle, and on what runs."""
        return self.of().total + sum(cost.total for cost in self.idle.values()) + self.running.total

    @property
    def minute_nano(self) -> int | None:
        """Nano-dollars a published output minute of everything together, idleness included."""
        published = self.of().published_us
        return owed(self.total, _MINUTE_US, published) if published > 0 else None


def _sum_of(rows: Iterable[CostTotal]) -> CostTotal:
    out = CostTotal()
    for row in rows:
        out += row
    return out
