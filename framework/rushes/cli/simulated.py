"""What a simulation is asked for: the load, the size of the pool, and the policies to try on it.

Loaded by `rushes simulate` alone. This module must not know how anything is shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Final

import click

from rushes.core.capacity.capacity_file import CapacityPolicy
from rushes.core.capacity.elastic import aimed
from rushes.core.capacity.fitting import restricted
from rushes.core.classes import ClassPolicy
from rushes.core.events import Capacity
from rushes.core.money import parse_dollars
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import PriceBook
from rushes.errors import CallerError
from rushes.journal.replay import kept_budgets, ran_batches
from rushes.runtime.configuration.capacity_file import CapacityFile
from rushes.runtime.configuration.class_file import classes_of
from rushes.runtime.configuration.machine import capacity_of
from rushes.runtime.configuration.price_files import price_book
from rushes.runtime.configuration.settings import settings_from
from rushes.simulator.bill import Machines
from rushes.simulator.fleet import FleetPlan
from rushes.simulator.load import Scenario
from rushes.simulator.replay import replayed
from rushes.simulator.routed import Routes
from rushes.simulator.scenarios import Demand, scenario
from rushes.simulator.study import Case, Growth, grown
from rushes.units import parse_size

__all__ = [
    "USUAL_TIER",
    "cases_of",
    "charged_here",
    "growth_of",
    "limited",
    "made_up",
    "replayed_here",
    "size_of",
]

_DAY_S: Final = 86_400.0
USUAL_TIER: Final = "ec2/c7i.2xlarge"
"""What an attempt is charged as where nobody has named a tier."""
_USUAL: Final = Capacity(32.0, 128.0 * 2**30, gpu=4.0)
"""Of a pool whose size nobody has named: what scenarios are made for."""


def made_up(name: str, scale: float, seed: int) -> Scenario:
    """A scenario that ships."""
    return scenario(name, Demand(streams=scale), seed)


def replayed_here(since_days: float | None) -> Scenario:
    """What has run on this machine's pool.

    Raises:
        CallerError: there is no ledger, or nothing in it has run (``no-history``).
    """
    journal = settings_from(os.environ).journal
    since = 0.0 if since_days is None else time() - since_days * _DAY_S
    batches = ran_batches(journal, since=since)
    if not batches:
        raise CallerError(
            f"nothing in the ledger {journal} has run" + (" since then." if since_days is not None else "."),
            code="no-history",
            fix="Run something first, or go further back with --since.",
        )
    return replayed(batches, kept_budgets(journal, since=min(batch.submitted for batch in batches)))


def charged_here() -> str:
    """What this machine is in the price book, where that says what it costs; else what is usual."""
    tier = settings_from(os.environ).tier
    known = price_book(os.environ).tiers.get(tier)
    return tier if known is not None and known.hour_nano else USUAL_TIER


def limited(load: Scenario, caps: Sequence[str], soft: Sequence[str]) -> Scenario:
    """A load with what its shows may spend.

    Raises:
        CallerError: something is no SHOW=USD.
    """
    return replace(
        load,
        caps={**load.caps, **dict(_limit("--cap", text) for text in caps)},
        soft={**load.soft, **dict(_limit("--soft", text) for text in soft)},
    )


def _limit(option: str, text: str) -> tuple[str, int]:
    show, equals, dollars = text.rpartition("=")
    if not show or not equals:
        raise CallerError(
            f"{option} {text}: expected SHOW=USD.", code="bad-value", fix=f"Write {option} dune=400."
        )
    return show, parse_dollars(dollars)


def size_of(cores: float | None, memory: str | None, devices: float | None, *, replay: bool) -> Capacity:
    """The pool that is asked for; what is left out is, for a replay, as on this machine."""
    usual = capacity_of(settings_from(os.environ)) if replay else _USUAL
    return Capacity(
        usual.cpu if cores is None else cores,
        usual.memory if memory is None else float(parse_size(memory)),
        gpu=usual.gpu if devices is None else devices,
    )


def growth_of(  # noqa: PLR0917 - a question, and where it is asked
    name: str, dimension: str, factor: float, scale: float, case: Case, seed: int, limits: Scenario
) -> Growth:
    """What breaks first as one dimension of a scenario grows; what shows may spend stays as in `limits`."""

    def at(size: float) -> Scenario:
        demand = {"streams": scale, dimension: scale * size if dimension == "streams" else size}
        return replace(scenario(name, Demand(**demand), seed), caps=limits.caps, soft=limits.soft)

    return grown(dimension, factor, at, case, seed=seed)


def cases_of(policies: Sequence[Path], whole: Capacity, tier: str | None) -> list[Case]:
    """A pool of one size, or one for each file of capacity.

    Raises:
        CallerError: a file of capacity or of classes cannot be used, or a price is not known.
    """
    environ: Mapping[str, str] = os.environ
    book, classes = price_book(environ), classes_of(environ)
    if not policies:
        price = book.tier(tier or USUAL_TIER)
        shape = book.machines.get(price.name)
        count = whole.cpu / shape.machine.cpu if shape else 1.0
        watts = ((price.idle_milliwatts or 0) * count / 1000, (price.busy_milliwatts or 0) * count / 1000)
        charged = MachinePrice(price, shape.capacity if shape else whole, book.energy_nano(price))
        machines = Machines(price, count) if tier else None
        return [
            Case(
                f"{whole.cpu:g} cores", whole, machines=machines, price=charged, watts=watts, classes=classes
            )
        ]
    cases = []
    for path in policies:
        policy = CapacityFile(path, environ).read()
        first = policy.tiers[policy.scaling.fleets[0].tier] if policy.scaling.fleets else None
        if first is None:
            raise click.BadParameter(f"{path} has no fleets: nothing there grows.", param_hint="--policy")
        names = [name for fleet in policy.scaling.fleets for name in fleet.tiers]
        plan = FleetPlan(
            aimed(policy.scaling, classes), policy.tiers, {n: book.tier(policy.tiers[n].price) for n in names}
        )
        price = plan.prices[first.name]
        charged = MachinePrice(price, first.capacity, book.energy_nano(price))
        cases.append(
            Case(
                path.stem,
                first.capacity,
                plan=plan,
                price=charged,
                classes=classes,
                routes=_routes(policy, book, classes),
                stragglers=policy.stragglers,
            )
        )
    return cases


def _routes(policy: CapacityPolicy, book: PriceBook, classes: Sequence[ClassPolicy]) -> Routes:
    """The tiers whose hosts may be ordered, and those that have none."""
    fleets = {fleet.tier for fleet in policy.scaling.fleets}
    tiers = {name: tier for name, tier in policy.tiers.items() if tier.per_invocation or name in fleets}
    return Routes(tiers, book, restricted(policy.routing, classes))
