"""Quotes of what would run on this machine: what was learnt here, its price, its slots.

A composition root, as `rushes.engines.local`, which asks this only when somebody wants a quote.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from rushes.core.capacity.fitting import RoutingPolicy, barred, restricted
from rushes.core.events import Capacity
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.quote import Offer
from rushes.errors import CallerError
from rushes.journal.estimates import SqliteLearntRuns
from rushes.journal.headers import SqliteHeaders
from rushes.journal.reading import LedgerReader
from rushes.media.devices.known_host import known_host
from rushes.media.priors import prior_of_all
from rushes.runtime.configuration.capacity_file import capacity_file
from rushes.runtime.configuration.class_file import classes_of
from rushes.runtime.configuration.costing import machine_price
from rushes.runtime.configuration.price_files import price_book
from rushes.runtime.records.batches import shape_of
from rushes.runtime.sending.estimating import Estimator
from rushes.runtime.sending.quoting import BatchQuote, Elsewhere, Wishes, quote_batch
from rushes.runtime.sending.submission import invocations
from rushes.runtime.sources.headers import read_headers

if TYPE_CHECKING:
    from rushes.core.classes import ClassPolicy
    from rushes.core.events import Shape
    from rushes.declaration import Params
    from rushes.function import Function, Options
    from rushes.runtime.configuration.settings import Settings
    from rushes.runtime.sources.inputs import Found

__all__ = ["estimator_of", "quote_here"]


def estimator_of(settings: Settings, environ: Mapping[str, str]) -> Estimator:
    """What invocations will take here: learnt from the ledger up to now, else what the catalogue says."""
    curves = known_host(environ, time.time()).curves
    return Estimator(
        SqliteLearntRuns(settings.estimates, settings.journal),
        lambda work: prior_of_all(work.makes, cores=settings.cpu, curves=curves),
    )


def quote_here(
    settings: Settings,
    environ: Mapping[str, str],
    function: Function[Any, Any],
    options: Options,
    params: Params,
    *,
    found: Iterable[Found],
    within_s: float | None = None,
    max_cost: int | None = None,
    tiers: Mapping[str, int] | None = None,
) -> BatchQuote:
    """Quote a batch for this machine.

    Args:
        settings: of this machine.
        environ: names prices and builds.
        function: that would run.
        options: how it would be dispatched.
        params: of the function.
        found: the clips.
        within_s: seconds from now in which all has to be done; None: whenever.
        max_cost: nano-dollars; None: whatever.
        tiers: machines of other tiers that might be used, by their names in the price book.

    Raises:
        CallerError: an option, a price or a tier is wrong; there is nothing to quote.
    """
    shape = shape_of("", {"function": function.ref, "version": "", "resources": function.resources.vector()})
    capacity = Capacity(settings.cpu, float(settings.memory_bytes))
    ledger = LedgerReader(settings.journal)
    classes = classes_of(environ)
    room = _open_to(options.priority, classes, capacity)
    closed = _barred(environ, options.priority, classes, tiers or {})
    open_tiers = {name: count for name, count in (tiers or {}).items() if name not in closed}
    return quote_batch(
        function,
        params,
        invocations(function, options, params, found),
        wishes=Wishes(
            _here(machine_price(settings, environ, capacity), shape, room),
            tuple(_elsewhere(environ, shape, open_tiers)),
            barred=tuple(f"{name} is left out: {why}" for name, why in closed.items()),
            within_s=within_s,
            max_cost=max_cost,
            slots=min((one for one in (options.slots, function.max_concurrency) if one), default=None),
        ),
        estimator=estimator_of(settings, environ),
        headers=partial(read_headers, kept=SqliteHeaders(settings.headers)),
        known=partial(_known, ledger, show=options.show, force=options.force),
    )


def _known(ledger: LedgerReader, keys: Any, *, show: str, force: bool) -> frozenset[str]:
    return frozenset() if force else ledger.succeeded(keys, show)


def _open_to(priority: str, classes: Iterable[ClassPolicy], capacity: Capacity) -> Capacity:
    """What of a machine a class may have at most: no more than its share, and nothing that others keep."""
    kept = sum(one.reserved_share for one in classes if one.name != priority)
    most = next((one.max_share for one in classes if one.name == priority), 1.0)
    return Capacity(capacity.cpu * min(most, 1.0 - kept), capacity.memory * (1.0 - kept))


def _barred(
    environ: Mapping[str, str], priority: str, classes: Iterable[ClassPolicy], tiers: Iterable[str]
) -> dict[str, str]:
    """Which tiers of the price book a class may not use, and why; files of capacity have their own names."""
    file = capacity_file(environ)
    policy = None if file is None else file.read()
    routing = restricted(RoutingPolicy() if policy is None else policy.routing, classes)
    if priority not in routing.allowed:
        return {}
    machines, found = price_book(environ).machines, {}
    described = [] if policy is None else list(policy.tiers.values())
    for name in tiers:
        named = [one for one in described if name in {one.name, one.price}]
        reasons = [barred(priority, one, routing) for one in named or [machines[name]] if name in machines]
        if reasons and all(reasons):
            found[name] = reasons[0]
    return found


def _here(price: MachinePrice, shape: Shape, room: Capacity) -> Offer:
    width = max(_slots_of(shape, room), 1)
    return Offer(price.tier, price.share(shape), most=width, kwh_nano=price.kwh_nano, ready=width)


def _elsewhere(environ: Mapping[str, str], shape: Shape, tiers: Mapping[str, int]) -> Iterable[Elsewhere]:
    book = price_book(environ) if tiers else None
    for name, count in tiers.items():
        if book is None:
            break
        price, machine = book.tier(name), book.machines.get(name)
        if machine is None:
            raise CallerError(
                f"the price book does not say what a machine of {name} has.",
                code="no-price",
                fix=f"Add cpu and memory to tiers.{name} in the file that RUSHES_PRICES names.",
            )
        each = _slots_of(shape, machine.capacity)
        if not each:
            raise CallerError(
                f"one attempt needs {shape.cpu:g} cores and {shape.memory / 2**30:.1f} GiB, more than a"
                f" machine of {name} has.",
                code="bad-tier",
                fix="Name a larger tier.",
            )
        share = MachinePrice(price, machine.capacity).share(shape)
        offer = Offer(
            price,
            share,
            most=each * count,
            kwh_nano=book.energy_nano(price),
            start_s=machine.start_s,
            limit_s=machine.limits.run_s,
        )
        yield Elsewhere(offer, machine.speed)


def _slots_of(shape: Shape, capacity: Capacity) -> int:
    """How many attempts of a shape run side by side."""
    pairs = [(shape.cpu, capacity.cpu), (shape.memory, capacity.memory), (shape.gpu, capacity.gpu)]
    return int(min(has / needs for needs, has in pairs if needs > 0 and isfinite(has)))
