"""Caps and their tranches in memory, by the same rules as those that hosts share.

The next of a verb can be made to fail, or its answer to be lost once it has been done. This module must not
know any real ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState, granted
from rushes.testing.failing import Failing

__all__ = ["StubMoney"]


@dataclass(slots=True)
class _Tranche:
    taken: int
    until: float
    spent: int = 0
    exposed: int = 0


class StubMoney(Failing):
    """A `rushes.ports.Money` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._caps: dict[Scope, list[int]] = {}
        self._off: set[Scope] = set()
        self.tranches: dict[tuple[Scope, str], _Tranche] = {}

    def caps(self) -> Sequence[CapState]:
        with self._called("caps"):
            shown = [one for one in self._caps if one not in self._off and one.level != "batch"]
            return [CapState(scope, *self._caps[scope]) for scope in shown]

    def state(self, scope: Scope) -> CapState | None:
        return CapState(scope, *self._caps[scope]) if scope in self._caps else None

    def set_cap(self, scope: Scope, cap: int | None, *, spent: int = 0) -> None:
        with self._called("set_cap"):
            if cap is None:
                self._off.add(scope)
                return
            self._off.discard(scope)
            if scope in self._caps:
                known = self._caps[scope]
                known[:2] = cap, known[1] + cap - known[0]
            else:
                self._caps[scope] = [cap, cap - spent, spent]

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        with self._called("take"):
            if first == ((scope, holder) in self.tranches):
                return None
            left = self._caps[scope][1] if scope in self._caps else 0
            amount = most if scope in self._off else granted(left, least, most)
            if amount:
                self._caps[scope][1] -= amount
                tranche = self.tranches.setdefault((scope, holder), _Tranche(0, until))
                tranche.taken, tranche.until = tranche.taken + amount, until
            return amount

    def report(self, scope: Scope, holder: str, spent: int, exposed: int, until: float) -> bool:
        with self._called("report"):
            tranche = self.tranches.get((scope, holder))
            if tranche is None:
                return False
            tranche.spent, tranche.exposed, tranche.until = spent, exposed, until
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
                spent = max(tranche.spent, tranche.exposed)
                self._account(key[0], tranche.taken - spent, spent)
            return len(silent)

    def _account(self, scope: Scope, back: int, spent: int) -> None:
        self._caps[scope][1] += back
        self._caps[scope][2] += spent
