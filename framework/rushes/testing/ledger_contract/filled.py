"""A ledger with a batch in it, as the parts of `LedgerContract` begin; and what is in that batch."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from typing import Any, ClassVar, Final

import pytest

from rushes.core.states import State
from rushes.ledger import Claim, End, WorkItem
from rushes.ports import Ledger

__all__ = ["DONE", "NOW", "SPEC", "FilledLedger", "claimed", "work_item"]

SPEC: Final[dict[str, Any]] = {
    "function": "m:f", "version": "1", "priority": "urgent", "show": "dune", "tags": {"reel": "A001"},
    "deadline": None, "retries": 2,
}  # fmt: skip
NOW: Final = 1_700_000_000.0
DONE: Final = End(State.succeeded, '{"result":{"frames":24}}', 12.5, 4.0, 1_250)


def work_item(n: int, **more: Any) -> WorkItem:
    """One of the batch."""
    return WorkItem(f"k7m2qx.{n}", f"s3://cards/A001C{n:03}.mov", **more)


def claimed(ledger: Ledger, n: int = 1, holder: str = "host-a", now: float = NOW) -> Claim:
    """A claim of one, which must be free."""
    found = ledger.claim(f"k7m2qx.{n}", holder, now, now + 60)
    assert isinstance(found, Claim)
    return found


class FilledLedger:
    """What the tests of a ledger begin with."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``race`` (several may ask at the same moment)."""
    many: ClassVar[int] = 1000
    """Invocations of a large batch; fewer where the ledger is a slow imitation."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        raise NotImplementedError

    @pytest.fixture
    def filled(self, ledger: Ledger) -> Ledger:
        """A ledger with one batch of three."""
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [work_item(n) for n in (1, 2, 3)])
        ledger.seal("k7m2qx")
        return ledger
