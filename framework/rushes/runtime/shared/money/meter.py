"""The meter of one attempt of a shared ledger: its time, its requests, what it carried, and what that costs.

Told from the threads of a transfer while the attempt runs. Where nothing has a price it counts all the same
and costs nothing. This module must not know which store it is, nor whose machine.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from rushes.core.money import micros
from rushes.core.spending.cost import Cost, Usage
from rushes.core.spending.run_price import RunPrice
from rushes.errors import CallerError

__all__ = ["Meter"]


class Meter:
    """What one attempt has used, and cost, until now.

    Args:
        price: of it; None where nothing has one.
        clock: UTC epoch seconds.
        since: when its run began.
        region: where it runs.
    """

    def __init__(
        self, price: RunPrice | None, clock: Callable[[], float], since: float, *, region: str = ""
    ) -> None:
        self._price = price
        self._clock = clock
        self._since = since
        self._region = region
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._moved: Counter[tuple[str, str]] = Counter()
        self._storage = ""
        self._charged_nano = 0
        self._until: float | None = None
        self._waived = False
        self.unpriced = ""
        """What it has used that has no price; "" while all of it has."""

    def asked(self, kind: str, region: str) -> None:
        """One request to the storage of a region: a ``put``, or a ``get``."""
        with self._lock:
            self._requests[kind] += 1
            self._storage = region

    def fetched(self, size_bytes: int, region: str) -> None:
        """Bytes came from the storage of a region."""
        self._carried(region, self._region, size_bytes)

    def sent(self, size_bytes: int, region: str) -> None:
        """Bytes went to the storage of a region."""
        self._carried(self._region, region, size_bytes)

    def _carried(self, sender: str, to: str, size_bytes: int) -> None:
        if sender != to and size_bytes > 0:
            with self._lock:
                self._moved[sender, to] += size_bytes

    def charge(self, nano: int) -> None:
        """Somebody has counted what its machine cost."""
        with self._lock:
            self._charged_nano += nano

    def stop(self) -> None:
        """The attempt is over: what is counted from now on is not its own."""
        self._until = self._clock()

    def waive(self) -> None:
        """The machine was at fault: nobody pays for this attempt."""
        self._waived = True

    @property
    def usage(self) -> Usage:
        """What it has used beside its machine's time."""
        with self._lock:
            moved = tuple((*pair, size) for pair, size in self._moved.items())
            return Usage(self._requests["put"], self._requests["get"], self._storage, moved)

    def ahead(self, seconds: float) -> int:
        """What it will have cost in so many seconds, at most: of a machine that others use too, all of it."""
        if self._price is None:
            return 0
        elapsed_us = micros(max(self._clock() + seconds - self._since, 0.0))
        now = self.cost()
        whole = replace(self._price, timed=True).cost(elapsed_us, 0, Usage())
        return max(whole.total, now.compute) + now.requests + now.transfer

    def cost(self) -> Cost:
        """What it has cost until now."""
        if self._price is None or self._waived:
            return Cost()
        until = self._clock() if self._until is None else self._until
        elapsed_us = micros(max(until - self._since, 0.0))
        try:
            return self._price.cost(elapsed_us, self._charged_nano, self.usage)
        except (
            CallerError
        ) as error:  # no work ends for want of a price: the rest is counted, and this is said
            self.unpriced = error.message
            return self._price.cost(elapsed_us, self._charged_nano, Usage())
