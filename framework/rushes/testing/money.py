"""Caps and their tranches in memory, by the same rules as those that hosts share.

The next of a verb can be made to fail, or its answer to be lost once it has been done. This module must not
know any real ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState, found_spent, granted, hour_of, turned
from rushes.testing.failing import Failing

__all__ = ["StubMoney"]


@dataclass(slots=True)
class _Cap:
    cap: int
    left: int
    spent: int
    off: bool = False
    soft: int | None = None
    hour: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Tranche:
    taken: int
    until: float
    spent: int = 0
    exposed: int = 0
    hour: int = 0


class StubMoney(Failing):
    """A `rushes.ports.Money` in memory.

    Args:
        clock: UTC epoch seconds; which hour it is.
        by_hour: it keeps the caps by the hour of another one.
    """

    def __init__(self, clock: Callable[[], float] = lambda: 0.0, *, by_hour: bool = False) -> None:
        super().__init__()
        self._clock = clock
        self._by_hour = by_hour
        self._caps: dict[Scope, _Cap] = {}
        self._lowered: set[Scope] = set()
        self.tranches: dict[tuple[Scope, str], _Tranche] = {}
        self.hourly = self if by_hour else StubMoney(clock, by_hour=True)

    def caps(self) -> Sequence[CapState]:
        with self._called("caps"):
            mine = [
                self._state(scope)
                for scope, cap in self._caps.items()
                if cap.soft is not None or (scope.level != "batch" and not cap.off)
            ]
        return mine if self._by_hour else [*mine, *self.hourly.caps()]

    def state(self, scope: Scope) -> CapState | None:
        with self._called("state"):
            return self._state(scope) if scope in self._caps else None

    def _state(self, scope: Scope) -> CapState:
        one = self._book(scope)
        return CapState(scope, one.cap, one.left, one.spent, one.soft, self._by_hour, one.off)

    def _book(self, scope: Scope) -> _Cap:
        """The books of a payer, of the hour that it is now."""
        one = self._caps[scope]
        hour = hour_of(self._clock())
        if self._by_hour and hour > one.hour:
            one.left, one.spent = turned(one.left, one.spent, one.lost, hour - one.hour)
            one.hour, one.lost = hour, 0
        return one

    def set_cap(self, scope: Scope, cap: int | None, *, spent: int = 0) -> None:
        with self._called("set_cap"):
            if cap is None:
                if scope in self._caps:
                    self._caps[scope].off = True
                return
            known = self._caps.get(scope)
            if known is None:
                self._caps[scope] = _Cap(cap, cap - spent, spent, hour=hour_of(self._clock()))
            else:
                known.cap, known.left, known.off = cap, known.left + cap - known.cap, False

    def set_soft(self, scope: Scope, soft: int | None) -> None:
        with self._called("set_soft"):
            if scope not in self._caps and soft is not None:
                self._caps[scope] = _Cap(0, 0, 0, off=True, hour=hour_of(self._clock()))
            if scope in self._caps:
                self._caps[scope].soft = soft

    def lower(self, scope: Scope) -> None:
        with self._called("lower"):
            if scope in self._caps:
                self._lowered.add(scope)

    def raised(self) -> Sequence[Scope]:
        with self._called("raised"):
            again = [scope for scope in self._lowered if not self._state(scope).beyond_soft]
            self._lowered.difference_update(again)
        return again if self._by_hour else [*again, *self.hourly.raised()]

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        with self._called("take"):
            if first == ((scope, holder) in self.tranches):
                return None
            book = self._book(scope) if scope in self._caps else _Cap(0, 0, 0)
            amount = most if book.off else granted(book.left, least, most)
            if amount:
                book.left -= amount
                tranche = self.tranches.setdefault((scope, holder), _Tranche(0, until))
                tranche.taken, tranche.until = tranche.taken + amount, until
                tranche.hour = hour_of(self._clock())
            return amount

    def report(self, scope: Scope, holder: str, spent: int, exposed: int, until: float) -> bool:
        with self._called("report"):
            tranche = self.tranches.get((scope, holder))
            if tranche is None:
                return False
            tranche.spent, tranche.exposed, tranche.until = spent, exposed, until
            tranche.hour = hour_of(self._clock())
            return True

    def give(self, scope: Scope, holder: str, back: int) -> bool:
        with self._called("give"):
            tranche = self.tranches.get((scope, holder))
            if tranche is None or tranche.taken < back:
                return False
            tranche.taken -= back
            self._account(scope, back, 0)
            return True

    def close(self, scope: Scope, holder: str, spent: int) -> bool:
        with self._called("close"):
            tranche = self.tranches.pop((scope, holder), None)
            if tranche is not None:
                self._account(scope, tranche.taken - spent, spent)
            return tranche is not None

    def reclaim(self, now: float) -> int:
        with self._called("reclaim"):
            silent = [key for key, tranche in self.tranches.items() if tranche.until <= now]
            for key in silent:
                tranche = self.tranches.pop(key)
                spent, lost = max(tranche.spent, tranche.exposed), 0
                if self._by_hour:
                    this_hour = tranche.hour >= self._book(key[0]).hour
                    spent, lost = found_spent(tranche.spent, tranche.exposed, this_hour=this_hour)
                self._account(key[0], tranche.taken - spent, spent, lost)
            more = 0 if self._by_hour else self.hourly.reclaim(now)
            return len(silent) + more

    def _account(self, scope: Scope, back: int, spent: int, lost: int = 0) -> None:
        book = self._book(scope)
        book.left += back
        book.spent += spent
        book.lost += lost
