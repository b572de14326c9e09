"""What every keeper of shared caps promises, as tests: mix `MoneyContract` in and say how one is built.

    class TestMyMoney(MoneyContract):
        @pytest.fixture
        def money(self, clock: FakeClock) -> Money: ...

This module must not know which one it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rushes.core.accounts import ORGANISATION, Scope
from rushes.core.spending.tranches import CapState
from rushes.ports import Money
from rushes.testing.clock import FakeClock

__all__ = ["MoneyContract"]

DUNE = Scope("show", "dune")
NOW, UNTIL = 1_000_000.0, 1_000_900.0
HOUR = 1_000_800.0
"""When the hour in which NOW is is over."""


class MoneyContract:
    """Tests that every keeper of caps passes."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock(NOW)

    @pytest.fixture
    def money(self, clock: FakeClock) -> Money:
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

    # -- soft limits -----------------------------------------------------------------------------------------

    def test_beyond_a_soft_limit_is_what_is_spent_or_taken(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.set_soft(DUNE, 100)
        money.take(DUNE, "one", 60, 60, UNTIL, first=True)
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 940, 0, soft=100)
        assert not self.states(money)[DUNE].beyond_soft
        money.close(DUNE, "one", 60)
        money.take(DUNE, "two", 41, 41, UNTIL, first=True)
        assert "show dune is beyond its soft limit" in self.states(money)[DUNE].beyond_soft
        money.set_soft(DUNE, 101)
        assert not self.states(money)[DUNE].beyond_soft
        money.set_soft(DUNE, None)
        assert self.states(money)[DUNE].soft is None

    def test_a_soft_limit_alone_stops_nobody_and_keeps_books(self, money: Money) -> None:
        money.set_soft(DUNE, 100)
        assert self.states(money)[DUNE].free
        assert money.take(DUNE, "one", 70, 560, UNTIL, first=True) == 560
        assert money.close(DUNE, "one", 120)
        assert (self.states(money)[DUNE].spent, self.states(money)[DUNE].held) == (120, 0)
        assert self.states(money)[DUNE].beyond_soft
        money.set_cap(DUNE, 1000)
        assert self.states(money)[DUNE] == CapState(DUNE, 1000, 880, 120, soft=100)
        money.set_cap(DUNE, None)
        money.set_soft(DUNE, None)
        assert list(money.caps()) == []

    def test_that_work_has_its_class_again_is_told_once(self, money: Money) -> None:
        money.lower(DUNE)
        assert list(money.raised()) == []
        money.set_soft(DUNE, 100)
        money.take(DUNE, "one", 101, 101, UNTIL, first=True)
        money.lower(DUNE)
        money.lower(DUNE)
        assert list(money.raised()) == []
        money.set_soft(DUNE, 200)
        assert list(money.raised()) == [DUNE]
        assert list(money.raised()) == []

    def test_a_batch_is_named_while_it_has_a_soft_limit(self, money: Money) -> None:
        batch = Scope("batch", "k7m2qx")
        money.set_cap(batch, 1000)
        assert list(money.caps()) == []
        money.set_soft(batch, 100)
        assert list(money.caps()) == [CapState(batch, 1000, 1000, 0, soft=100)]
        money.take(batch, "one", 101, 101, UNTIL, first=True)
        assert money.caps()[0].beyond_soft
        money.lower(batch)
        assert list(money.raised()) == []
        money.set_soft(batch, 200)
        assert list(money.raised()) == [batch]
        assert list(money.raised()) == []
        money.set_soft(batch, None)
        assert list(money.caps()) == []

    # -- by the hour -----------------------------------------------------------------------------------------

    def hour(self, money: Money) -> CapState:
        return next(one for one in money.caps() if one.by_hour)

    def test_a_cap_by_the_hour_is_kept_apart_from_the_one_in_all(self, money: Money) -> None:
        money.set_cap(DUNE, 1000)
        money.hourly.set_cap(DUNE, 100)
        assert money.hourly.take(DUNE, "one", 60, 60, UNTIL, first=True) == 60
        assert money.take(DUNE, "one", 60, 60, UNTIL, first=True) == 60
        assert money.hourly.take(DUNE, "two", 41, 41, UNTIL, first=True) == 0
        assert {(one.by_hour, one.left) for one in money.caps()} == {(False, 940), (True, 40)}
        assert list(money.hourly.caps()) == [CapState(DUNE, 100, 40, 0, by_hour=True)]
        assert money.state(DUNE) == CapState(DUNE, 1000, 940, 0)
        assert money.hourly.state(DUNE) == CapState(DUNE, 100, 40, 0, by_hour=True)

    def test_what_was_spent_in_an_hour_is_there_again_in_the_next(
        self, money: Money, clock: FakeClock
    ) -> None:
        money.hourly.set_cap(DUNE, 100)
        money.hourly.take(DUNE, "one", 100, 100, UNTIL, first=True)
        money.hourly.close(DUNE, "one", 90)
        assert self.hour(money) == CapState(DUNE, 100, 10, 90, by_hour=True)
        clock.advance(HOUR - NOW)
        assert self.hour(money) == CapState(DUNE, 100, 100, 0, by_hour=True)
        assert money.hourly.take(DUNE, "two", 100, 100, UNTIL + 3600, first=True) == 100

    def test_what_is_in_tranches_when_an_hour_ends_is_out_of_the_next_one(
        self, money: Money, clock: FakeClock
    ) -> None:
        money.hourly.set_cap(DUNE, 100)
        money.hourly.take(DUNE, "one", 70, 70, UNTIL, first=True)
        money.hourly.report(DUNE, "one", 50, 70, UNTIL)
        clock.advance(HOUR - NOW)
        assert self.hour(money) == CapState(DUNE, 100, 30, 0, by_hour=True)
        assert money.hourly.take(DUNE, "two", 31, 31, UNTIL, first=True) == 0
        assert money.hourly.give(DUNE, "one", 40)
        assert money.hourly.take(DUNE, "two", 31, 31, UNTIL, first=True) == 31
        assert money.hourly.close(DUNE, "one", 10)
        assert self.hour(money) == CapState(DUNE, 100, 59, 10, by_hour=True)

    def test_what_a_silent_holder_may_spend_later_counts_in_two_hours(
        self, money: Money, clock: FakeClock
    ) -> None:
        money.hourly.set_cap(DUNE, 100)
        money.hourly.take(DUNE, "silent", 60, 60, NOW + 10, first=True)
        money.hourly.report(DUNE, "silent", 20, 50, NOW + 20)
        clock.advance(20)
        assert money.reclaim(NOW + 20) == 1
        assert self.hour(money) == CapState(DUNE, 100, 50, 50, by_hour=True)
        clock.advance(HOUR - NOW)
        assert self.hour(money) == CapState(DUNE, 100, 70, 30, by_hour=True)
        clock.advance(3600)
        assert self.hour(money) == CapState(DUNE, 100, 100, 0, by_hour=True)

    def test_what_a_holder_spent_before_the_hour_it_is_found_silent_in_is_over(
        self, money: Money, clock: FakeClock
    ) -> None:
        money.hourly.set_cap(DUNE, 100)
        money.hourly.take(DUNE, "idle", 60, 60, HOUR, first=True)
        money.hourly.report(DUNE, "idle", 40, 40, HOUR)
        money.hourly.take(DUNE, "runs", 40, 40, HOUR, first=True)
        money.hourly.report(DUNE, "runs", 10, 25, HOUR)
        clock.advance(HOUR - NOW)
        assert money.hourly.reclaim(HOUR) == 2
        assert self.hour(money) == CapState(DUNE, 100, 85, 15, by_hour=True)

    def test_a_cap_by_the_hour_is_raised_and_lowered_within_it(self, money: Money, clock: FakeClock) -> None:
        money.hourly.set_cap(DUNE, 100)
        money.hourly.take(DUNE, "one", 80, 80, UNTIL, first=True)
        money.hourly.set_cap(DUNE, 50)
        assert self.hour(money).left == -30
        clock.advance(HOUR - NOW)
        money.hourly.set_cap(DUNE, 200)
        assert self.hour(money) == CapState(DUNE, 200, 120, 0, by_hour=True)

    def test_a_soft_limit_by_the_hour_is_over_with_it(self, money: Money, clock: FakeClock) -> None:
        money.hourly.set_soft(DUNE, 30)
        money.hourly.take(DUNE, "one", 40, 40, UNTIL, first=True)
        money.hourly.close(DUNE, "one", 40)
        assert "an hour" in self.hour(money).beyond_soft
        money.hourly.lower(DUNE)
        assert list(money.raised()) == []
        clock.advance(HOUR - NOW)
        assert not self.hour(money).beyond_soft
        assert list(money.raised()) == [DUNE]
