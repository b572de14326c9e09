"""What this machine is, and which classes may not use it: of an environment's files, before any work comes.

The worker of a machine asks its pool instead, which reads the files again when they change; a host of shared
queues asks here, so that it takes nothing that it would have to refuse. This module must not know queues.
"""

from __future__ import annotations

from collections.abc import Mapping

from rushes.core.capacity.fitting import RoutingPolicy, barred, restricted
from rushes.core.tiers import Machine, Purchase, Tier
from rushes.runtime.configuration.capacity_file import capacity_file
from rushes.runtime.configuration.class_file import classes_of
from rushes.runtime.configuration.price_files import price_book

__all__ = ["barred_here"]


def barred_here(environ: Mapping[str, str]) -> dict[str, str]:
    """By class, why it may not use this machine; classes that may are not named.

    Raises:
        CallerError: a file of classes, of capacity or of prices cannot be used.
    """
    name, classes = environ.get("RUSHES_TIER") or "here", classes_of(environ)
    file = capacity_file(environ)
    policy = None if file is None else file.read()
    routing = restricted(RoutingPolicy() if policy is None else policy.routing, classes)
    described = None if policy is None else policy.tiers.get(name)
    price = price_book(environ).tiers.get(name)
    purchase = Purchase.owned if price is None else price.purchase
    tier = described or Tier(name, Machine(1.0, 1, 0), purchase, "here")  # its size is not asked for
    found = {one: barred(one, tier, routing) for one in routing.allowed}
    return {one: f"this machine is of the tier {name}: {why}" for one, why in found.items() if why}
