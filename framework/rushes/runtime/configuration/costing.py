"""What work on this machine costs: the tier that it is, with its price from the price book.

`RUSHES_TIER` names the tier, `RUSHES_PRICES` a file of prices. Without either the machine is `here`, and
costs nothing. This module must not know what has run.
"""

from __future__ import annotations

from collections.abc import Mapping

from rushes.core.events import Capacity
from rushes.core.spending.machine_price import MachinePrice
from rushes.runtime.configuration.price_files import price_book
from rushes.runtime.configuration.settings import Settings

__all__ = ["machine_price"]


def machine_price(settings: Settings, environ: Mapping[str, str], capacity: Capacity) -> MachinePrice:
    """The price of the machine whose pool has `capacity`.

    Where the price book says what a machine of the tier has, the price is that of a machine of this shape;
    else it is the price of the pool, whatever that has.

    Raises:
        CallerError: the price file is wrong (``bad-prices``), or has no such tier (``no-price``).
    """
    book = price_book(environ)
    tier = book.tier(settings.tier)
    machine = book.machines.get(settings.tier)
    if machine is not None:
        has = machine.capacity
        scratch = has.scratch or capacity.scratch
        capacity = Capacity(has.cpu, has.memory, scratch, max(has.gpu, capacity.gpu))
    return MachinePrice(tier, capacity, book.energy_nano(tier))
