"""Beyond a soft limit: work goes on one class lower by way of its queue, and gets its class back."""

from __future__ import annotations

from typing import Any

import pytest

from rushes.core.accounts import ORGANISATION, Scope
from rushes.engines.aws.notices.lowering import classes_below, sent_lower
from rushes.engines.aws.notices.sweeping import raise_again
from rushes.ledger import WorkItem
from rushes.notices import Notice, notice_from, notice_text
from rushes.runtime.shared.money.caps import SharedCaps
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import SPEC
from rushes.testing.money import StubMoney
from rushes.testing.money_contract import DUNE, HOUR, NOW
from rushes.testing.queue import StubQueue

ONE = Notice("k7m2qx.1", "urgent", "dune")
LOWERED = Notice("k7m2qx.1", "standard", "dune", lowered=True)


class Place:
    """Queues, a ledger, and caps of which one process knows."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.money, self.ledger = StubMoney(self.clock.now), StubLedger(self.clock.now)
        self.caps = SharedCaps(self.money, "host-a", self.clock.now)
        self.queues: dict[str, Any] = {
            f"hosts/{one}": StubQueue(self.clock) for one in ("urgent", "standard")
        }

    def spend(self, scope: Scope, nano: int, *, by_hour: bool = False) -> None:
        books = self.money.hourly if by_hour else self.money
        assert books.take(scope, "another", nano, nano, NOW + 9_000, first=True)
        books.close(scope, "another", nano)
        self.clock.advance(60)  # until it is heard of

    def lower(self, notice: Notice = ONE) -> str:
        return sent_lower(notice, self.caps, lambda name: self.queues.get(f"hosts/{name}"))

    def told(self, priority: str) -> list[Notice]:
        return [one.notice for one in self.queues[f"hosts/{priority}"].receive(10, 0)]


@pytest.fixture
def place() -> Place:
    return Place()


def test_below_the_last_class_there_is_none() -> None:
    below = [classes_below(one) for one in ("interactive", "urgent", "standard", "background", "ours")]
    assert below == [["urgent"], ["standard"], ["background"], [], []]


def test_a_class_of_a_studios_own_is_lowered_by_its_rank() -> None:
    ranks = {"interactive": 0, "review": 1, "urgent": 1, "dailies": 2, "standard": 2, "background": 3}
    assert classes_below("review", ranks) == ["standard", "dailies"]
    assert classes_below("dailies", ranks) == ["background"]


def test_a_notice_says_that_it_was_lowered_and_an_old_one_that_it_was_not() -> None:
    assert notice_from(notice_text(LOWERED)) == LOWERED
    assert notice_from(notice_text(ONE)) == ONE
    assert "lowered" not in notice_text(ONE)


def test_within_its_limits_work_stays_where_it_is(place: Place) -> None:
    place.money.set_soft(DUNE, 100)
    place.spend(DUNE, 100)
    assert place.lower() == ""
    assert place.told("standard") == []


@pytest.mark.parametrize("scope", [DUNE, ORGANISATION])
@pytest.mark.parametrize("by_hour", [False, True])
def test_beyond_a_soft_limit_it_goes_to_the_queue_of_the_class_below_and_no_further(
    place: Place, scope: Scope, *, by_hour: bool
) -> None:
    (place.money.hourly if by_hour else place.money).set_soft(scope, 100)
    place.spend(scope, 101, by_hour=by_hour)
    assert f"{scope} is beyond its soft limit" in place.lower()
    assert place.told("standard") == [LOWERED]
    assert place.lower(LOWERED) == ""


def test_where_nobody_takes_the_class_below_it_goes_on_as_it_is(place: Place) -> None:
    place.money.set_soft(DUNE, 100)
    place.spend(DUNE, 101)
    assert place.lower(Notice("k7m2qx.1", "standard", "dune")) == ""
    assert place.lower(Notice("k7m2qx.1", "urgent", "arrival")) == ""


@pytest.mark.parametrize("by_hour", [False, True])
def test_it_is_told_of_in_its_own_class_again_once_its_payer_is_beyond_no_more(
    place: Place, *, by_hour: bool
) -> None:
    books = place.money.hourly if by_hour else place.money
    books.set_soft(DUNE, 100)
    place.spend(DUNE, 101, by_hour=by_hour)
    for batch, show in (("k7m2qx", "dune"), ("b2b2b2", "arrival")):
        spec = {**SPEC, "priority": "urgent", "show": show}
        place.ledger.open(batch, spec, NOW)
        place.ledger.add(batch, [WorkItem(f"{batch}.1", "s3://cards/a.mov")])
        place.ledger.seal(batch)
    assert place.lower()
    assert raise_again(place.ledger, place.queues, place.money) == 0
    if by_hour:
        place.clock.advance(HOUR - place.clock.now())
    else:
        place.money.set_soft(DUNE, 1_000)
    assert raise_again(place.ledger, place.queues, place.money) == 1
    assert raise_again(place.ledger, place.queues, place.money) == 0
    assert place.told("urgent") == [ONE]
    place.clock.advance(60)
    assert place.lower() == ""


def test_a_batch_beyond_its_own_soft_limit_goes_on_one_class_lower_and_others_of_its_show_do_not(
    place: Place,
) -> None:
    batch = Scope("batch", "k7m2qx")
    place.money.set_cap(batch, 1000)
    place.money.set_soft(batch, 100)
    assert place.lower() == ""
    place.spend(batch, 101)
    assert place.lower(Notice("b7m2qx.1", "urgent", "dune")) == ""
    assert "batch k7m2qx is beyond its soft limit" in place.lower()
    assert place.told("standard") == [LOWERED]
    place.ledger.open("k7m2qx", {**SPEC, "priority": "urgent"}, NOW)
    place.ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://cards/a.mov")])
    assert raise_again(place.ledger, place.queues, place.money) == 0
    place.money.set_soft(batch, 200)
    assert raise_again(place.ledger, place.queues, place.money) == 1
    assert [one.invocation for one in place.told("urgent")] == ["k7m2qx.1"]
