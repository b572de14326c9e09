"""All caps of who pays for the attempts of one process, in all and by the hour, and who is beyond a soft one.

One request a minute says which there are; that of a batch is looked at apart, for those that were sent with
one. This module must not know how a cap is shared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from rushes.core.accounts import Scope
from rushes.core.spending.budget import Payer
from rushes.core.spending.tranches import CapState
from rushes.errors import PlatformError, RushesError
from rushes.ports import Money
from rushes.runtime.shared.money.hourly import HourlyMoney
from rushes.runtime.shared.money.tranches import LOOK_S, SharedMoney

__all__ = ["SharedCaps"]

BATCHES_KEPT = 1000
"""Batches whose caps are remembered until they are looked at anew."""


@dataclass
class SharedCaps:
    """The caps that one process keeps to.

    Args:
        money: the caps.
        holder: this process.
        clock: UTC epoch seconds.
    """

    money: Money
    holder: str
    clock: Callable[[], float]
    in_all: SharedMoney = field(init=False)
    by_hour: HourlyMoney = field(init=False)
    _states: Sequence[CapState] = ()
    _looked_at: float | None = None
    _batches: dict[Scope, tuple[float, CapState | None]] = field(default_factory=dict, repr=False)
    # Of a host many attempts ask at a time: between what all learn and what one batch does, none may begin.
    _turn: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        self.in_all = SharedMoney(self.money, self.holder, self.clock)
        self.by_hour = HourlyMoney(self.money.hourly, self.holder, self.clock)

    def concerned(self, payer: Payer, *, capped: bool = False) -> list[SharedMoney]:
        """Of whom money is to be had before an attempt of this payer starts.

        Args:
            payer: who pays.
            capped: the batch was sent with a cap.

        Raises:
            PlatformError: the ledger does not answer.
        """
        with self._turn:
            self._look()
            found = [one for one in (self.in_all,) if one.concerns(payer, capped=capped)]
            if capped and payer.batch is not None:
                self._look_at(Scope("batch", payer.batch))
            return [*found, self.by_hour] if self.by_hour.concerns(payer) else found

    def beyond(self, payer: Payer) -> str:
        """Why work of this payer goes on one class lower, for a person; "" where it does not.

        A ledger that does not answer lowers nothing.
        """
        with suppress(PlatformError), self._turn:
            self._look()
        return next((one.beyond_soft for one in self._beyond(payer)), "")

    def lowered(self, payer: Payer) -> None:
        """Work of this payer went on one class lower: somebody will look whether it is to have its own again.

        Raises:
            PlatformError: the ledger does not answer.
        """
        for one in self._beyond(payer):
            (self.money.hourly if one.by_hour else self.money).lower(one.scope)

    def _beyond(self, payer: Payer) -> list[CapState]:
        return [one for one in self._states if one.scope in payer.scopes and one.beyond_soft]

    def _look(self) -> None:
        if self._looked_at is None or self.clock() - self._looked_at >= LOOK_S:
            self._states = self.money.caps()
            self._looked_at = self.clock()
            for one in (self.in_all, self.by_hour):
                one.learn(self._states)
            for scope, (_, state) in self._batches.items():
                self.by_hour.learn_of(scope, state)

    def _look_at(self, scope: Scope) -> None:
        at, _ = self._batches.get(scope, (float("-inf"), None))
        if self.clock() - at >= LOOK_S:
            if len(self._batches) >= BATCHES_KEPT:
                self._batches.clear()
            state = self.money.hourly.state(scope)
            self._batches[scope] = self.clock(), state
            self.by_hour.learn_of(scope, state)

    def tend(self, *, keep: bool = False) -> None:
        """As `SharedMoney.tend`, of all.

        Raises:
            CallerError: as there.
            PlatformError: the ledger does not answer; it is said again the next time.
        """
        wrong = list[RushesError]()
        for one in (self.in_all, self.by_hour):
            try:
                one.tend(keep=keep)
            except RushesError as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]

    def close(self) -> None:
        """This process ends: all that was not spent goes back.

        Raises:
            PlatformError: the ledger does not answer; it comes back when this process was not heard of.
        """
        for one in (self.in_all, self.by_hour):
            one.close()
