"""What things cost, as a value: tiers, storage, transfer and energy, each with its source and date.

A machine costs by the hour that it is there, whether it works or not; a tier may also cost something for
each request. Storage costs for each request and for each GiB-month, transfer for each GiB between two
regions, energy for each kilowatt-hour where it is not part of the machine's price. All of it is integer
nano-dollars, rounded as `money` says. This module must not know where prices come from, nor who pays them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rushes.core.money import GIB, HOUR_US, owed
from rushes.core.tiers import Purchase, Tier
from rushes.errors import CallerError

__all__ = [
    "ANYWHERE",
    "INTERNET",
    "Energy",
    "PriceBook",
    "Source",
    "Storage",
    "TierPrice",
    "Transfer",
]

INTERNET: Final = "internet"
ANYWHERE: Final = "*"
"""A region's transfer to wherever no price of its own is stated."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure comes from.

    Args:
        text: who says so, and where.
        as_of: the day or month for which it is said, as ``2026-01-19``, or ``undated``.
    """

    text: str
    as_of: str


@dataclass(frozen=True, slots=True)
class TierPrice:
    """What a kind of machine costs, bought in one way, in one region.

    Args:
        name: ``ec2/g6.xlarge``.
        purchase: how it is bought.
        region: where it stands.
        hour_nano: nano-dollars for each hour that a machine is there.
        request_nano: nano-dollars for each attempt that is started on it.
        idle_milliwatts, busy_milliwatts: what it draws with nothing to do, and with all of it in use; None
            where nobody has measured it: its energy is then unknown and counted as nothing.
        billed_step_us, billed_least_us: time is billed in such steps, and at least so much of it.
        source: of its price.
    """

    name: str
    purchase: Purchase
    region: str
    hour_nano: int
    source: Source
    request_nano: int = 0
    idle_milliwatts: int | None = None
    busy_milliwatts: int | None = None
    billed_step_us: int = 1
    billed_least_us: int = 0

    @property
    def pays_energy(self) -> bool:
        """Whether energy is bought apart: a rented machine's price holds it already."""
        return self.purchase is Purchase.owned

    def billed_us(self, elapsed_us: int) -> int:
        """The microseconds that are billed when a machine was there for `elapsed_us`."""
        if elapsed_us <= 0:
            return 0
        steps = -(-elapsed_us // self.billed_step_us)
        return max(self.billed_least_us, steps * self.billed_step_us)

    def cost(self, elapsed_us: int) -> int:
        """Nano-dollars for a machine that was there for `elapsed_us`, requests and energy not counted."""
        return owed(self.hour_nano, self.billed_us(elapsed_us), HOUR_US)


@dataclass(frozen=True, slots=True)
class Storage:
    """Object storage of a region: for each write or listing, each read, each GiB kept for a month."""

    put_nano: int
    get_nano: int
    gib_month_nano: int
    source: Source


@dataclass(frozen=True, slots=True)
class Transfer:
    """Moving a GiB from one region to another, or out to the internet."""

    gib_nano: int
    source: Source


@dataclass(frozen=True, slots=True)
class Energy:
    """A kilowatt-hour at a place whose machines are owned."""

    kwh_nano: int
    source: Source


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices that are known; every lookup of one that is not says what is missing.

    Args:
        tiers: by name.
        storage: by region.
        transfer: by region that sends, then by region that receives (`INTERNET`, `ANYWHERE`).
        energy: by region.
        machines: what the machines of `tiers` are like, by the same name, of those whose shape is stated.
    """

    tiers: Mapping[str, TierPrice] = field(default_factory=dict)
    storage: Mapping[str, Storage] = field(default_factory=dict)
    transfer: Mapping[str, Mapping[str, Transfer]] = field(default_factory=dict)
    energy: Mapping[str, Energy] = field(default_factory=dict)
    machines: Mapping[str, Tier] = field(default_factory=dict)

    def tier(self, name: str) -> TierPrice:
        """The tier of this name.

        Raises:
            CallerError: no such tier is known (``no-price``).
        """
        found = self.tiers.get(name)
        if found is None:
            raise _missing(f"tier {name!r}", "tiers", self.tiers)
        return found

    def requests_cost(self, region: str, *, puts: int = 0, gets: int = 0) -> int:
        """Nano-dollars for requests to the storage of `region`.

        Raises:
            CallerError: there are any, and their price is not known (``no-price``).
        """
        if puts <= 0 and gets <= 0:
            return 0
        found = self.storage.get(region)
        if found is None:
            raise _missing(f"storage in {region!r}", "storage", self.storage)
        return owed(found.put_nano, max(puts, 0)) + owed(found.get_nano, max(gets, 0))

    def transfer_cost(self, source: str, target: str, size_bytes: int) -> int:
        """Nano-dollars for moving `size_bytes`; within a region it is free.

        Raises:
            CallerError: the price between these two is not known (``no-price``).
        """
        if source == target or size_bytes <= 0:
            return 0
        known = self.transfer.get(source, {})
        found = known.get(target) or known.get(ANYWHERE)
        if found is None:
            raise _missing(f"transfer from {source!r} to {target!r}", "transfer", known)
        return owed(found.gib_nano, size_bytes, GIB)

    def energy_nano(self, tier: TierPrice) -> int:
        """Nano-dollars a kilowatt-hour that a machine of `tier` costs beside its price; 0 if in it."""
        found = self.energy.get(tier.region) if tier.pays_energy else None
        return found.kwh_nano if found is not None else 0


def _missing(what: str, section: str, known: Mapping[str, object]) -> CallerError:
    names = ", ".join(sorted(known)) or "nothing"
    return CallerError(
        f"the price book has no price for {what}; it has {names}.",
        code="no-price",
        fix=f"Add it to {section!r} in the file that RUSHES_PRICES names.",
        details={"missing": what},
    )
