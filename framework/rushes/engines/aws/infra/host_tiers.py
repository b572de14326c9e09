"""Which tiers of a file of capacity are machines of AWS, and what they are there. Pure.

A tier is Fargate or a type of EC2 by the entry of the price book that it names: ``fargate/8x16``,
``ec2/g6.xlarge``, ``ours/c7i.2xlarge-spot``. What is owned stands in a studio, and is nobody's to order. This
module must not know templates.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rushes.core.capacity.beside import SUFFIX, usual
from rushes.core.capacity.capacity_file import CapacityPolicy
from rushes.core.spending.prices import PriceBook
from rushes.core.tiers import Purchase, Tier
from rushes.errors import CallerError

__all__ = ["PLAIN", "HostTier", "counted_by", "document_of", "host_tiers", "text_of", "types_in"]

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
PLAIN: Final = "hosts"
"""Hosts that take whatever wants no device."""
_TYPE: Final = re.compile(
    r"\b([a-z][a-z0-9-]*\.[a-z0-9-]*?(?:nano|micro|small|medium|large|xlarge|metal(?:-[0-9]+xl)?))\b"
)
_FARGATE_GIB: Final[Mapping[int, tuple[float, float]]] = {
    256: (0.5, 2), 512: (1, 4), 1024: (2, 8), 2048: (4, 16), 4096: (8, 30), 8192: (16, 60), 16384: (32, 120),
}  # fmt: skip
"""Memory that Fargate gives to so many thousandths of a processor, from and to
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html)."""
_FARGATE_SCRATCH: Final = (21, 200)
"""GiB of scratch that a task of Fargate may ask for (as above)."""
MOST_TEXT: Final = 4096
"""Bytes of what the scaler reads, a parameter of Systems Manager (https://docs.aws.amazon.com/systems-manager/
latest/userguide/parameter-store-advanced-parameters.html)."""


@dataclass(frozen=True, slots=True)
class HostTier:
    """One kind of host on AWS.

    Args:
        name: of the tier.
        type: of EC2; "" for Fargate.
        cpu: processors of a task of Fargate, 1,024 for one.
        memory_mib: of one host.
        scratch_gib: of one host.
        family: of encoder devices that it has, ``nvenc``; "" for none.
        devices: how many.
        spot: bought as spot.
        maximum: hosts at most.
        image: AMI of EC2, or "" for the one that AWS recommends.
        price: its entry in the price book.
        tried: its hosts run the new versions of functions that are tried, beside those of another tier.
    """

    name: str
    type: str
    cpu: int
    memory_mib: int
    scratch_gib: int
    family: str
    devices: int
    spot: bool
    maximum: int
    image: str = ""
    price: str = ""
    tried: bool = False

    @property
    def group(self) -> str:
        """Whose queues it works for: ``hosts``, or ``hosts-nvenc``; of what is tried ``hosts-trial``."""
        return (f"{PLAIN}-{self.family}" if self.family else PLAIN) + (SUFFIX if self.tried else "")

    @property
    def machines(self) -> str:
        """The tier whose machines it has: hosts that try a version are on those of the others."""
        return usual(self.name) if self.tried else self.name


def host_tiers(policy: CapacityPolicy, images: Mapping[str, str] | None = None) -> tuple[HostTier, ...]:
    """The tiers of all fleets that AWS has, with those that stand in for them, in the order of the file.

    Args:
        policy: the file.
        images: AMIs, by tier.

    Raises:
        CallerError: a fleet is of a tier that is none of AWS's and not owned, or cannot be had there.
    """
    images = images or {}
    if unknown := set(images) - set(policy.tiers):
        raise _bad(f"names an image for the tier {min(unknown)!r}", "It does not exist; correct --image-of.")
    found: dict[str, HostTier] = {}
    fleet_of: dict[str, str] = {}
    for fleet in policy.scaling.fleets:
        for name in fleet.tiers:
            if policy.tiers[name].purchase is Purchase.owned:
                continue
            tier, most = policy.tiers[name], fleet.maximum
            if tier.limits.at_once is not None and not fleet.fallback:
                most = min(most, tier.limits.at_once)
            made = _host_tier(tier, most, images.get(name, ""))
            other = fleet_of.setdefault(made.group, fleet.tier)
            if other != fleet.tier:
                raise _bad(
                    f"has two fleets that take the same work, {other!r} and {fleet.tier!r}",
                    "Let one stand in for the other: fallback.",
                )
            found[name] = made
    return tuple(found.values())


def counted_by(ships: Container[str], tiers: Iterable[HostTier]) -> tuple[HostTier, ...]:
    """Tiers with prices that a host can look up: it has those that ship with the image, and no others.

    What has none there is not counted by its host, which otherwise would not start its pool.
    """
    return tuple(one if one.price in ships else replace(one, price="") for one in tiers)


def document_of(
    data: Any, policy: CapacityPolicy, book: PriceBook, tiers: Iterable[HostTier]
) -> dict[str, Any]:
    """What the scaler on AWS reads: the file with its machines written out, and what they cost an hour.

    Args:
        data: the file as a reader of JSON, TOML or YAML made it.
        policy: what it says.
        book: with the prices of its tiers.
        tiers: those that are on AWS; fleets of others are left out.

    Raises:
        CallerError: a price is missing.
    """
    there = {one.name for one in tiers}
    hourly = {name: nano for name, nano in policy.hourly(book).items() if name in there}
    file = {
        "tiers": {name: _written(policy.tiers[name]) for name in sorted(there)},
        "fleets": {name: one for name, one in (data.get("fleets") or {}).items() if name in there},
        **({"most_per_hour": data["most_per_hour"]} if "most_per_hour" in data else {}),
    }
    return {"file": file, "hourly_nano": hourly}


def text_of(document: Mapping[str, Any]) -> str:
    """A document as it is kept.

    Raises:
        CallerError: it is too large.
    """
    text = json.dumps(document, separators=(",", ":"))
    if len(text.encode()) > MOST_TEXT:
        raise _bad(
            f"makes {len(text.encode()):,} bytes for the scaler, with queues and functions; it takes "
            f"{MOST_TEXT:,}",
            "Deploy some of the fleets as an environment of their own.",
        )
    return text


def types_in(prices: Iterable[str]) -> list[str]:
    """The types of EC2 that entries of a price book are named after."""
    return [found[1] for one in prices if (found := _TYPE.search(one))]


def _host_tier(tier: Tier, maximum: int, image: str) -> HostTier:
    machine = tier.machine
    memory_mib, scratch_gib = math.floor(machine.memory_bytes / MIB), math.ceil(machine.scratch_bytes / GIB)
    if len(machine.devices) > 1:
        raise _bad(f"has {tier.name!r} with devices of several families", "Make a tier of each.")
    family, devices = next(iter(machine.devices.items()), ("", 0))
    found = _TYPE.search(tier.price)
    if tier.per_invocation or (found is None and "fargate" not in tier.price):
        raise _bad(
            f"has a fleet of {tier.name!r}, whose price is that of {tier.price!r}: no machine of AWS",
            "Let its price name an entry such as ec2/c7i.2xlarge or fargate/8x16, or buy it as owned.",
        )
    made = HostTier(
        tier.name,
        found[1] if found else "",
        round(machine.cpu * 1024),
        memory_mib,
        scratch_gib,
        family,
        devices,
        tier.purchase is Purchase.spot,
        maximum,
        image,
        tier.price,
    )
    if not found:
        _check_fargate(made)
    elif family not in {"", "nvenc"} and not image:
        raise _bad(
            f"has {tier.name!r} with {family}, whose driver is in no image that AWS recommends",
            f"Name an AMI that has ECS and the driver: --image-of {tier.name}=ami-….",
        )
    return made


def _check_fargate(tier: HostTier) -> None:
    if tier.family:
        raise _bad(f"has {tier.name!r} with {tier.family}, and Fargate has no devices", "Take a type of EC2.")
    least, most = _FARGATE_GIB.get(tier.cpu, (0.0, 0.0))
    if not least * 1024 <= tier.memory_mib <= most * 1024:
        sizes = ", ".join(f"{cpu / 1024:g} with {a:g} to {b:g} GiB" for cpu, (a, b) in _FARGATE_GIB.items())
        raise _bad(
            f"has {tier.name!r} with {tier.cpu / 1024:g} cores and {tier.memory_mib / 1024:g} GiB, which "
            "Fargate does not have",
            f"It has {sizes}.",
        )
    if tier.scratch_gib > _FARGATE_SCRATCH[1]:
        raise _bad(
            f"has {tier.name!r} with {tier.scratch_gib} GiB of scratch", "Fargate has 200 GiB at most."
        )


def _written(tier: Tier) -> dict[str, Any]:
    """A tier as a file has it, with nothing left to a price book."""
    machine = tier.machine
    found: dict[str, Any] = {
        "cpu": machine.cpu,
        "memory": machine.memory_bytes,
        "scratch": machine.scratch_bytes,
        "devices": dict(machine.devices),
        "purchase": tier.purchase.value,
        "region": tier.region,
        "start": tier.start_s,
        "speed": tier.speed,
    }
    if tier.limits.at_once is not None:
        found["limits"] = {"at_once": tier.limits.at_once}
    return found


def _bad(what: str, fix: str) -> CallerError:
    return CallerError(f"the file of capacity {what}.", code="bad-capacity", fix=fix)
