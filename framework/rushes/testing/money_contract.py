"""What every keeper of shared caps promises, as tests: mix `MoneyContract` in and say how one is built.

    class TestMyMoney(MoneyContract):
        @pytest.fixture
        def money(self) -> Money: ...

This module must not know which one it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rushes.core.accounts import ORGANISATION, Scope
from rushes.core.spending.tranches import CapState
from rushes.ports import Money

__all__ = ["MoneyContract"]

DUNE = Scope("show", "dune")
NOW, UNTIL = 1_000_000.0, 1_000_900.0


class MoneyContract:
    """Tests that every keeper of caps passes."""

    @pytest.fixture
    def money(self) -> Money:
        raise NotImplementedError

    def states(self, money: Money) -> Mapping[Scope, CapState]:
        return {one.scope: one for one in money.caps()}

    def test_nobody_has_a_cap_at_first(self, money: Money) -> None:
        assert list(money.caps()) == []

    def test_a_cap_is_what_is_left_until_somebody_takes_of_it(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.set_cap(ORGANISATION, 5000, spent=400)
        assert self.states(money) == {
            DUNE: CapState(DUNE, 1000, 1000, 0),
            ORGANISATION: CapState(ORGANISATION, 5000, 4600, 400),
        }

    def test_what_is_taken_is_out_of_what_is_left(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        assert money.take(DUNE, "one", 100, 800, UNTIL, first=True) == 100
        assert money.take(DUNE, "two", 10, 30, UNTIL, first=True) == 30
        assert money.take(DUNE, "two", 10, 30, UNTIL, first=False) == 30
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 840, 0)

    def test_less_than_the_least_is_nothing(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        assert money.take(DUNE, "one", 1000, 8000, UNTIL, first=True) == 1000
        assert money.take(DUNE, "two", 1, 8, UNTIL, first=True) == 0

    def test_a_holder_that_is_not_what_it_takes_itself_for_gets_nothing(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        assert money.take(DUNE, "one", 10, 10, UNTIL, first=False) is None
        assert money.take(DUNE, "one", 10, 10, UNTIL, first=True) == 10
        assert money.take(DUNE, "one", 10, 10, UNTIL, first=True) is None
        assert self.states(money)[DUNE].left == 990

    def test_what_was_not_spent_comes_back(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.take(DUNE, "one", 200, 200, UNTIL, first=True)
        assert money.report(DUNE, "one", 30, 80, UNTIL)
        assert money.give(DUNE, "one", 120)
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 920, 0)
        assert money.close(DUNE, "one", 60)
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 940, 60)
        assert not money.close(DUNE, "one", 60)

    def test_more_than_was_taken_is_not_given_back(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.take(DUNE, "one", 50, 50, UNTIL, first=True)
        assert not money.give(DUNE, "one", 51)
        assert not money.give(DUNE, "two", 1)
        assert self.states(money)[DUNE].left == 950

    def test_what_a_silent_holder_exposed_counts_as_spent_and_the_rest_comes_back(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.take(DUNE, "silent", 200, 200, NOW + 10, first=True)
        money.report(DUNE, "silent", 30, 80, NOW + 20)
        money.take(DUNE, "alive", 100, 100, NOW + 500, first=True)
        assert money.reclaim(NOW + 19) == 0
        assert money.reclaim(NOW + 20) == 1
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 820, 80)
        assert not money.report(DUNE, "silent", 30, 80, UNTIL)
        assert not money.give(DUNE, "silent", 10)
        assert not money.close(DUNE, "silent", 30)
        assert money.report(DUNE, "alive", 0, 50, UNTIL)

    def test_a_cap_is_raised_and_lowered_under_who_has_taken_of_it(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.take(DUNE, "one", 600, 600, UNTIL, first=True)
        money.set_cap(DUNE, 500)
        assert self.states(money)[DUNE] == CapState(DUNE, 500, -100, 0)
        assert money.take(DUNE, "two", 1, 1, UNTIL, first=True) == 0
        money.set_cap(DUNE, 2000)
        assert self.states(money)[DUNE] == CapState(DUNE, 2000, 1400, 0)

    def test_the_cap_of_a_batch_is_kept_apart(self, money: Money) -> None:
        batch = Scope("batch", "k7m2qx")
        assert money.state(batch) is None
        money.set_cap(batch, 100)
        assert list(money.caps()) == []
        assert money.take(batch, "one", 60, 60, UNTIL, first=True) == 60
        assert money.reclaim(UNTIL) == 1
        assert money.state(batch) == CapState(batch, 100, 100, 0)

    def test_a_cap_that_was_taken_away_stops_nobody_and_its_books_go_on(self, money: Money) -> None:
        money.set_cap(DUNE, 100)
        money.take(DUNE, "one", 100, 100, UNTIL, first=True)
        money.set_cap(DUNE, None)
        assert list(money.caps()) == []
        assert money.take(DUNE, "two", 70, 560, UNTIL, first=True) == 560
        money.close(DUNE, "two", 70)
        money.set_cap(DUNE, 1000)
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 830, 70)
