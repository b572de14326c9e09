"""Tiers as data: what a host is, how it is paid for, where it stands, what it cannot do.

A tier is a kind of host. Most have hosts that are ordered, kept and let go (`core/capacity/scaling.py`). Of
some the provider starts a machine for every invocation and bills the run (AWS Lambda): nothing idles there,
nothing is scaled, and every limit is hard. This module must not know prices: `price` names an entry of the
price book.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from rushes.core.file_entry import FileEntry
from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.core.events import Capacity

__all__ = ["Machine", "Purchase", "Tier", "TierLimits", "tiers_from"]


class Purchase(StrEnum):
    """How a host is paid for. A spot host is cheaper, may not be had, and may be taken back."""

    on_demand = "on-demand"
    spot = "spot"
    reserved = "reserved"
    owned = "owned"


@dataclass(frozen=True, slots=True)
class Machine:
    """The shape of one host; where each invocation has a machine of its own, of the largest that it can have.

    Args:
        cpu: cores.
        memory_bytes: memory.
        scratch_bytes: disk for scratch folders.
        devices: encoding devices by family, ``{"nvenc": 2}``.
    """

    cpu: float
    memory_bytes: int
    scratch_bytes: int
    devices: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TierLimits:
    """What a tier refuses beside what its machine lacks; None for no limit.

    Args:
        run_s: one attempt may run for so long, then it is stopped.
        source_bytes: the largest clip that may be brought there.
        at_once: hosts at once, or invocations at once where each has its own machine.
    """

    run_s: float | None = None
    source_bytes: int | None = None
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A kind of host.

    Args:
        name: ``lambda``, ``gpu-spot`` …
        machine: what one host has.
        purchase: how it is paid for.
        region: where it stands; assets of another region are transferred, which costs.
        price: its entry in the price book; the tier's name where nothing else is said.
        watts: that one host draws under load; 0 for unknown.
        start_s: seconds from the order of a host to its first work.
        speed: how fast it runs against the host that expected seconds speak of: 2.0 takes half as long.
        limits: what it refuses.
        per_invocation: every invocation has a machine of its own, started and billed by the run.

    Raises:
        CallerError: a value that cannot be; it names tier and field.
    """

    name: str
    machine: Machine
    purchase: Purchase
    region: str
    price: str = ""
    watts: float = 0.0
    start_s: float = 0.0
    speed: float = 1.0
    limits: TierLimits = TierLimits()
    per_invocation: bool = False

    def __post_init__(self) -> None:
        machine, limits = self.machine, self.limits
        above_zero = {
            "cpu": machine.cpu,
            "memory": machine.memory_bytes,
            "speed": self.speed,
            "limits.run": 1.0 if limits.run_s is None else limits.run_s,
            "limits.source": 1 if limits.source_bytes is None else limits.source_bytes,
            "limits.at_once": 1 if limits.at_once is None else limits.at_once,
            **{f"devices.{family}": count for family, count in machine.devices.items()},
        }
        at_least_zero = {"scratch": machine.scratch_bytes, "watts": self.watts, "start": self.start_s}
        for name, value in above_zero.items():
            if not (isfinite(value) and value > 0):
                raise _refused(self.name, name, value, "more than 0")
        for name, value in at_least_zero.items():
            if not (isfinite(value) and value >= 0):
                raise _refused(self.name, name, value, "0 or more")
        if self.per_invocation and self.purchase not in {Purchase.on_demand, Purchase.reserved}:
            raise _refused(
                self.name, "purchase", self.purchase.value, "on-demand or reserved: it has no hosts"
            )
        if not self.price:
            object.__setattr__(self, "price", self.name)

    @property
    def capacity(self) -> Capacity:
        """What one host gives to a pool: the scheduler's terms."""
        from rushes.core.events import Capacity  # noqa: PLC0415 - who asks for a price has no pool

        machine = self.machine
        return Capacity(
            machine.cpu, machine.memory_bytes, machine.scratch_bytes, float(sum(machine.devices.values()))
        )


def tiers_from(
    data: object, place: str = "tiers", *, known: Mapping[str, Tier] | None = None
) -> dict[str, Tier]:
    """The tiers of a file, by name, in its order.

    Each is a table ``name: {cpu, memory, scratch, devices, purchase, region, price, watts, start, speed,
    limits: {run, source, at_once}, per_invocation}``; cpu, memory, purchase and region must be given, unless
    `known` has the machine that `price` names (`PriceBook.machines`): what is left out is as there.

    Raises:
        CallerError: the data is no such table; the message names the tier and the field.
    """
    tiers = {}
    for name, entry in FileEntry(data, place, code="bad-tier").entries():
        tiers[name] = _tier(name, entry, known or {})
    return tiers


def _tier(name: str, entry: FileEntry, known: Mapping[str, Tier]) -> Tier:
    limits, devices = entry.entry("limits"), entry.entry("devices")
    price = entry.text("price", name)
    usual = known.get(price)
    machine = usual.machine if usual else None
    tier = Tier(
        name,
        Machine(
            entry.number("cpu", machine.cpu if machine else None),
            entry.size("memory", machine.memory_bytes if machine else None),
            entry.size("scratch", machine.scratch_bytes if machine else 0),
            devices.numbers() if entry.has("devices") or not machine else machine.devices,
        ),
        entry.choice(
            "purchase", {one.value: one for one in Purchase}, usual.purchase.value if usual else None
        ),
        entry.text("region", usual.region if usual else None),
        price=price,
        watts=entry.number("watts", usual.watts if usual else 0.0),
        start_s=entry.seconds("start", usual.start_s if usual else 0.0),
        speed=entry.number("speed", 1.0),
        limits=TierLimits(
            run_s=limits.seconds("run") if limits.has("run") else usual.limits.run_s if usual else None,
            source_bytes=limits.size("source") if limits.has("source") else None,
            at_once=limits.whole("at_once") if limits.has("at_once") else None,
        ),
        per_invocation=entry.flag("per_invocation", default=usual.per_invocation if usual else False),
    )
    limits.done()
    entry.done()
    return tier


def _refused(tier: str, name: str, value: float | str, wanted: str) -> CallerError:
    found = value if isinstance(value, str) else f"{value:g}"
    return CallerError(
        f"The tier {tier!r} has {name} = {found}, and it has to be {wanted}.",
        code="bad-tier",
        fix=f"Correct {name} of the tier {tier!r}.",
        details={"tier": tier, "field": name},
    )
