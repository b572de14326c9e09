"""What of an environment those have to know who say where work goes: its hosts, and a person's policy. Pure.

Where an environment has Lambdas and hosts, its router and whoever sends work choose between them, by
`rushes.core.capacity.placing`. What they need is in the template: a short text, as a variable and as an
output. Without it, or where it is too long, what goes to hosts is what a Lambda cannot hold, and what it
stopped. This module must not know queues, nor what runs took.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rushes.core.capacity.fitting import Allowed, Routable, RoutingPolicy, restricted
from rushes.core.capacity.placing import LAMBDA, Tiers
from rushes.core.spending.prices import PriceBook, Source, TierPrice
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits
from rushes.engines.aws.access.settings import STOP_S
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.sizing import MB, MB_A_CORE, hour_nano, size_of
from rushes.errors import CallerError
from rushes.units import parse_size

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["CHOICES", "Choices", "choices_from", "choices_text", "routable"]

CHOICES: Final = "Tiers"
"""The output of a stack that says it."""
LONGEST: Final = 1024
"""Characters of an output; of the router's variables, which have 4 KB, a quarter."""
REQUEST_NANO: Final = 200
"""Nano-dollars for a call of a Lambda (https://aws.amazon.com/lambda/pricing/)."""
_SAID: Final = Source("the environment's template", "when it was deployed")


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from.

    Args:
        largest_clip: bytes of the largest clip that a Lambda has room for.
        region: where it all is.
        hosts: tiers that come and go by themselves, by name, each with its group.
        hourly_nano: what one of them costs an hour.
        policy: what a person, and the classes, have decided.
    """

    largest_clip: int
    region: str
    hosts: Mapping[str, tuple[str, Tier]] = field(default_factory=dict, hash=False)
    hourly_nano: Mapping[str, int] = field(default_factory=dict, hash=False)
    policy: RoutingPolicy = field(default_factory=RoutingPolicy)

    def tiers_of(self, function: Function[Any, Any], group: str) -> Tiers | None:
        """What a function may run on, with hosts of a group; None where it is not for Lambda.

        Args:
            function: of which the environment has a Lambda.
            group: of hosts, ``hosts-nvenc``.
        """
        try:
            size = size_of(function, self.largest_clip)
        except CallerError:  # it is here as others than who deployed it have it
            return None
        machine = Machine(size.memory_mb / MB_A_CORE, size.memory_mb * MB, size.scratch_mb * MB)
        # What only describes its clip fetches a little of it, however large that is.
        largest = None if function.describes else self.largest_clip
        own = Tier(
            LAMBDA, machine, Purchase.on_demand, self.region,
            limits=TierLimits(run_s=size.timeout_s - STOP_S, source_bytes=largest), per_invocation=True,
        )  # fmt: skip
        its = {name: tier for name, (its_group, tier) in self.hosts.items() if its_group == group}
        prices = {LAMBDA: _price(LAMBDA, hour_nano(size), REQUEST_NANO)}
        prices |= {name: _price(name, self.hourly_nano[name]) for name in its}
        return Tiers(own, its, PriceBook(prices), self.policy)


def routable(function: Function[Any, Any], priority: str, size_bytes: int) -> Routable:
    """What is known of work of a function before anything was learnt."""
    declared = function.resources
    return Routable(
        priority=priority,
        cpu=declared.cpu,
        memory_bytes=parse_size(declared.memory),
        scratch_bytes=parse_size(declared.scratch),
        headers_only=function.describes,
        source_bytes=size_bytes,
    )


def choices_text(environment: Environment) -> str:
    """The choices of an environment; "" where there are none, or too many to say."""
    if not environment.has_hosts:
        return ""
    tiers = environment.capacity.get("file", {}).get("tiers", {})
    hourly = environment.capacity.get("hourly_nano", {})
    hosts = {
        one.name: [one.group, *_told(tiers[one.name]), hourly[one.name]]
        for one in environment.fleets
        if one.name in tiers and one.name in hourly
    }
    usual, policy = RoutingPolicy(), restricted(environment.routing, environment.policies)
    routing = {
        name: value
        for name in ("short_s", "small_bytes", "spread", "worth_nano")
        if (value := getattr(policy, name)) != getattr(usual, name)
    }
    allowed = {
        name: [sorted(one.tiers), sorted(purchase.value for purchase in one.purchases)]
        for name, one in policy.allowed.items()
    }
    said = {
        "clip": parse_size(environment.largest_clip),
        "region": environment.region,
        **({"hosts": hosts} if hosts else {}),
        **({"routing": routing} if routing else {}),
        **({"allowed": allowed} if allowed else {}),
    }
    text = json.dumps(said, separators=(",", ":"))
    return text if len(text) <= LONGEST else ""


def choices_from(text: str) -> Choices | None:
    """What `choices_text` said; None where it said nothing.

    Raises:
        CallerError: somebody has changed it (``bad-environment``).
    """
    if not text:
        return None
    try:
        return _read(json.loads(text))
    except (LookupError, TypeError, ValueError, AttributeError, CallerError) as error:
        raise CallerError(
            f"what the environment says of its tiers cannot be read: {str(error)[:120]}.",
            code="bad-environment",
            fix="Deploy it again: rushes infra deploy.",
        ) from error


def _read(said: Mapping[str, Any]) -> Choices:
    region = str(said["region"])
    hosts, hourly = dict[str, tuple[str, Tier]](), dict[str, int]()
    for name, (group, cpu, memory, scratch, devices, purchase, start_s, speed, nano) in said.get(
        "hosts", {}
    ).items():
        machine = Machine(float(cpu), int(memory), int(scratch), dict(devices))
        made = Tier(name, machine, Purchase(purchase), region, start_s=float(start_s), speed=float(speed))
        hosts[name], hourly[name] = (str(group), made), int(nano)
    allowed = {
        name: Allowed(frozenset(tiers), frozenset(map(Purchase, purchases)))
        for name, (tiers, purchases) in said.get("allowed", {}).items()
    }
    policy = RoutingPolicy(**said.get("routing", {}), allowed=allowed)
    return Choices(int(said["clip"]), region, hosts, hourly, policy)


def _told(tier: Mapping[str, Any]) -> list[Any]:
    """A tier as `host_tiers` writes it, in the order in which it is read here."""
    names = ("cpu", "memory", "scratch", "devices", "purchase", "start", "speed")
    return [tier[name] for name in names]


def _price(name: str, hour_nano: int, request_nano: int = 0) -> TierPrice:
    return TierPrice(name, Purchase.on_demand, "", hour_nano, _SAID, request_nano)
