"""Who would work on what is sent to an environment: its Lambda, hosts that come and go, or a studio's own.

How many of them there may be at once, and what one costs, is in its template and the price book. This module
must not know what is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from rushes.core.events import Capacity
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import PriceBook, Source, TierPrice
from rushes.core.spending.quote import Offer
from rushes.core.spending.stand_in import STAND_IN, lambda_price
from rushes.core.tiers import Purchase
from rushes.engines.aws.fleet.scaling import FleetsPlan, plan_from
from rushes.engines.aws.infra.deployment import Deployment, group_of
from rushes.engines.aws.infra.environment import logical
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.engines.aws.infra.sizing import MB, MB_A_CORE, MOST_S, size_of
from rushes.ledger import ON_HOSTS, ON_LAMBDA
from rushes.runtime.records.batches import shape_of
from rushes.runtime.sending.quoting import Elsewhere

if TYPE_CHECKING:
    from rushes.core.events import Shape
    from rushes.function import Function, Options

__all__ = ["Offered", "hosts_offered", "lambda_offered", "offers_of"]

_AT_ONCE: Final = 50
"""Attempts of a function and class at a time, where the template does not say."""
_ONLY_MEMORY: Final = "1B"
"""Of a clip: scratch is not asked about."""
_STATED: Final = Source("the environment's template", "when it was deployed")


@dataclass(frozen=True, slots=True)
class Offered:
    """Slots that would work on it.

    Args:
        tier: under which its runs are counted: `ON_LAMBDA` or `ON_HOSTS`.
        here: the first of them.
        elsewhere: those that stand in for it.
        cores: of one slot.
        notes: what a person should know of these.
    """

    tier: str
    here: Offer
    elsewhere: tuple[Elsewhere, ...] = ()
    cores: float = 1.0
    notes: tuple[str, ...] = ()


def offers_of(
    there: Deployment,
    function: Function[Any, Any],
    options: Options,
    *,
    template: Mapping[str, Any],
    book: PriceBook,
    region: str,
) -> dict[str, Offered]:
    """Who would work on it, by tier; the first of them where nobody chooses.

    Args:
        there: the environment, which takes such work.
        function: that would run.
        options: how it would be dispatched.
        template: of the environment; empty where it may not be read.
        book: prices.
        region: where it is.
    """
    found, priority = [], options.priority
    if not there.is_for_hosts(function.name, priority):
        found.append(lambda_offered(function, priority, template, book, region))
    group = next((one for one in (group_of(function), PLAIN) if priority in there.of_hosts(one)), "")
    if group:
        found.append(hosts_offered(function, group, template, region, options.slots))
    return {one.tier: one for one in found}


def lambda_offered(
    function: Function[Any, Any], priority: str, template: Mapping[str, Any], book: PriceBook, region: str
) -> Offered:
    """The Lambda of a function, for work of a class.

    Args:
        function: which.
        priority: the class.
        template: of the environment; empty where it may not be read.
        book: prices.
        region: where it runs.
    """
    size = size_of(function, _ONLY_MEMORY)
    price, stood_in = lambda_price(book, region, size.memory_mb * MB)
    resources = template.get("Resources", {})
    mapping = resources.get(logical("Source", function.name, priority), {}).get("Properties", {})
    at_once = int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", _AT_ONCE))
    most = min(at_once, function.max_concurrency or at_once)
    notes = [] if mapping else [f"the template could not be read: {_AT_ONCE} at once are assumed"]
    if stood_in:
        notes.append(f"the price book has none of {region} for {', '.join(stood_in)}: {STAND_IN}'s count")
    tier = TierPrice(ON_LAMBDA, Purchase.on_demand, region, 0, _STATED) if price is None else price.tier
    offer = Offer(tier, most=most, ready=most, limit_s=float(min(size.timeout_s, MOST_S)))
    return Offered(ON_LAMBDA, offer, cores=size.memory_mb / MB_A_CORE, notes=tuple(notes))


def hosts_offered(
    function: Function[Any, Any], group: str, template: Mapping[str, Any], region: str, slots: int | None
) -> Offered:
    """Hosts of a group: those that come by themselves, else a studio's own.

    Args:
        function: which would run.
        group: of hosts.
        template: of the environment; empty where it may not be read.
        region: where they run.
        slots: that a studio's own have, where somebody says so.
    """
    shape = shape_of("", {"function": function.ref, "version": "", "resources": function.resources.vector()})
    said = template.get("Resources", {}).get("Fleets", {}).get("Properties", {}).get("Value")
    plan = plan_from(json.loads(said)) if isinstance(said, str) else None
    found = [] if plan is None else [*_fleets(plan, group, shape)]
    if found:
        (first, *others), cores = found, function.resources.cpu
        relative = tuple(Elsewhere(one.offer, one.speed / first.speed) for one in others)
        return Offered(ON_HOSTS, first.offer, relative, cores)
    price = TierPrice("hosts", Purchase.owned, region, 0, _STATED)
    most = slots or 1
    many = "" if slots else ": one slot is assumed, --slots says how many there are"
    note = f"hosts of your own work on it, and who they are is not known here{many}"
    return Offered(ON_HOSTS, Offer(price, most=most, ready=most), cores=function.resources.cpu, notes=(note,))


def _fleets(plan: FleetsPlan, group: str, shape: Shape) -> Iterator[Elsewhere]:
    """The tiers of the fleet that works for a group, as far as one of them can hold an attempt."""
    fleet = next((one for one in plan.policy.scaling.fleets if plan.groups.get(one.tier) == group), None)
    for name in () if fleet is None else fleet.tiers:
        tier = plan.policy.tiers[name]
        if name not in plan.hourly_nano or fleet is None:
            continue
        machine = tier.machine
        capacity = Capacity(
            machine.cpu, float(machine.memory_bytes), gpu=float(sum(machine.devices.values()))
        )
        each = _slots_of(shape, capacity, tier.limits.at_once)
        if not each:
            continue
        price = TierPrice(name, tier.purchase, tier.region, plan.hourly_nano[name], _STATED)
        share = MachinePrice(price, capacity).share(shape)
        offer = Offer(
            price, share, most=each * fleet.maximum, start_s=tier.start_s, limit_s=tier.limits.run_s
        )
        yield Elsewhere(offer, tier.speed)


def _slots_of(shape: Shape, capacity: Capacity, at_once: int | None) -> int:
    pairs = [(shape.cpu, capacity.cpu), (shape.memory, capacity.memory), (shape.gpu, capacity.gpu)]
    most = int(min(has / needs for needs, has in pairs if needs > 0 and isfinite(has)))
    return most if at_once is None else min(most, at_once)
