"""Keeps the claim of an attempt while it runs, and says why it has to stop.

Once the attempt has lasted for a while a thread extends it, asks whether there is money for what comes, and
hears from the ledger that the batch was cancelled or its class changed. Whether the attempt may publish is
asked of the ledger itself, at that moment. This module must not know what the attempt does, nor what becomes
of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

from rushes.core.retry import HOST_CODES
from rushes.errors import Cancelled, PlatformError, RushesError
from rushes.ledger import Claim, Moved
from rushes.ports import Claims
from rushes.runtime.shared.alarms import Alarms
from rushes.runtime.shared.claims.after_failure import Stopped
from rushes.runtime.shared.money.attempt import AttemptMoney
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.money.tranches import Short

__all__ = ["LOOKS", "ClaimWatch"]

LOOKS: Final = 3
"""At an attempt, while its claim holds that nobody extends."""


SILENT_S: Final = 900.0
"""After its claim has lapsed an attempt goes on while the ledger does not answer: a network that was away for
two minutes costs nobody hours of an encode. Another may have begun it; only one publishes."""


class ClaimWatch:
    """Keeps one claim, and knows why its attempt has to stop.

    Args:
        ledger: says whether the claim still holds.
        claim: that is kept.
        clock: UTC epoch seconds.
        lease_s: for how long a claim is extended.
        meter: what the attempt has cost.
        money: what it may spend; None: nobody asks.
        stopping: set once its host has to go.
        ends_at: when this process ends, UTC epoch seconds; None: whenever it is done.
    """

    def __init__(
        self,
        ledger: Claims,
        claim: Claim,
        clock: Callable[[], float],
        lease_s: float,
        meter: Meter,
        *,
        money: AttemptMoney | None,
        stopping: threading.Event,
        ends_at: float | None,
    ) -> None:
        self._ledger, self._claim, self._clock, self._lease_s = ledger, claim, clock, lease_s
        self.meter = meter
        self._money = money
        self._stopping = stopping
        self._ends_at = ends_at
        self._until = claim.until
        self._done = threading.Event()
        self._beginning = threading.Lock()
        self._keeping: threading.Thread | None = None
        self._lost = False
        self.cancelled = False
        """A person has ended its batch."""
        self.priority = claim.priority
        """The class that a person has given it, or ""."""

    def stopped(self) -> bool:
        """Whether the attempt has to stop."""
        return self._over() or self._stopping.is_set() or self._out_of_time()

    def why(self) -> Stopped:
        """Why it has to stop, as it is at this moment."""
        return Stopped(
            lost=self._lost,
            cancelled=self.cancelled,
            short=self._short(),
            going=self._stopping.is_set(),
            out_of_time=self._out_of_time(),
            own_machine=self._ends_at is not None,
        )

    def settle(self) -> None:
        """The attempt has ended: what is counted from now on is not its own."""
        self.meter.stop()
        if self._money is not None:
            self._money.settle()

    def require(self, intent: str) -> None:
        """Go on only where the claim holds at this moment; what is published then is said beforehand.

        Raises:
            Cancelled: the batch was.
            PlatformError: another has it (``superseded``), or the ledger does not say.
        """
        self._extend(intent)
        if self.cancelled:
            raise Cancelled("its batch was cancelled.", code="cancelled")
        if self._lost:
            raise PlatformError(
                "this attempt was overtaken; it publishes nothing.",
                code="superseded",
                fix="Its successor goes on.",
            )
        if self._money is not None:
            self._money.look()
            if self._money.short is not None:
                raise Cancelled(self._money.short.sentence, code="cancelled")

    @contextmanager
    def extending(self, alarms: Alarms) -> Iterator[None]:
        """Extend the claim from time to time while something runs: most is over before it is due."""
        with alarms.set(self._begin):
            try:
                yield
            finally:
                with self._beginning:
                    self._done.set()
                if self._keeping is not None:
                    self._keeping.join()

    def _begin(self) -> None:
        with self._beginning:
            if not self._done.is_set():
                name = f"claim {self._claim.work.invocation}"
                thread = threading.Thread(target=self._keep, name=name, daemon=True)
                thread.start()
                self._keeping = thread

    def _keep(self) -> None:
        while not self._done.is_set():
            if self._money is not None:
                self._money.look()
            try:
                self._extend()
            except RushesError as error:
                # Silence is no verdict: what is made is published by the ledger's word alone, and may be
                # wanted still. Who has no credentials any more may be signed in again.
                patience_s = inf if error.code in HOST_CODES else SILENT_S
                self._lost = self._lost or self._clock() >= self._until + patience_s
            if self._over():
                return
            self._done.wait(self._lease_s / LOOKS)

    def _extend(self, intent: str = "") -> None:
        until = self._clock() + self._lease_s
        kept = self._ledger.extend(self._claim, until, cost_nano=self.meter.cost().total, intent=intent)
        self._lost, self.cancelled = kept == "lost", kept == "stop"
        if isinstance(kept, Moved):
            self.priority = kept.priority
        if not self._lost:
            self._until = until

    def _over(self) -> bool:
        return self._lost or self.cancelled or self._short() is not None

    def _out_of_time(self) -> bool:
        return self._ends_at is not None and self._clock() >= self._ends_at

    def _short(self) -> Short | None:
        return None if self._money is None else self._money.short
