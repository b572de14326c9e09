"""Attempts of a shared ledger under a cap: held before they start, stopped before they overshoot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rushes.core.accounts import Scope
from rushes.core.spending.budget import Payer
from rushes.core.spending.prices import PriceBook, Source, Storage, TierPrice
from rushes.core.spending.run_price import RunPrice
from rushes.core.states import State
from rushes.core.tiers import Purchase
from rushes.engines.aws.laptop.costs import spent
from rushes.errors import PlatformError
from rushes.ledger import WorkItem
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.task import Task
from rushes.runtime.shared.claims.after_failure import HELD_S
from rushes.runtime.shared.claims.run import LEASE_S, ClaimRunner
from rushes.runtime.shared.claims.watch import LOOKS
from rushes.runtime.shared.money.attempt import AttemptMoney, fund
from rushes.runtime.shared.money.caps import SharedCaps
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.money.tranches import Short
from rushes.runtime.shared.objects.marks import mark_of
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.money import StubMoney
from rushes.testing.store import StubStore

CLIP, OUT = "stub://cards/A001.mov", "stub://proxies/dune"
ONE = "k7m2qx.1"
DUNE = Scope("show", "dune")
SECOND_NANO = 100
LOOK_S = LEASE_S / LOOKS
FUNCTIONS = Path(__file__).parents[2] / "claimed.py"
BOOK = PriceBook(
    tiers={
        "lambda/1gib": TierPrice(
            "lambda/1gib", Purchase.on_demand, "us-east-1", 3600 * SECOND_NANO, Source("a test", "undated"), 0
        )
    },
    storage={"us-east-1": Storage(5, 1, 0, Source("a test", "undated"))},
)
TIMED = RunPrice(BOOK.tier("lambda/1gib"), BOOK)


class Place:
    """A host in memory, its ledger, its caps, and one invocation."""

    def __init__(self, scratch: Path) -> None:
        self.clock = FakeClock()
        self.store, self.ledger = StubStore(self.clock), StubLedger()
        self.money = StubMoney(self.clock.now)
        self.shared = SharedCaps(self.money, "host-a", self.clock.now)
        self.store.put(CLIP, b"clip")
        scratch.mkdir()
        self.runner = ClaimRunner(
            self.ledger, self.store, scratch, "host-a", lambda uri: uri.rpartition("/")[2],
            clock=self.clock.now, price=TIMED, region="us-east-1", money=self.shared,
        )  # fmt: skip

    def submit(self, **spec: Any) -> None:
        whole = {
            "function": f"{FUNCTIONS}:write", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": OUT, "name": None,
            "receipts": "beside", "retries": 2, **spec,
        }  # fmt: skip
        self.ledger.open("k7m2qx", whole, self.clock.now())
        mark = mark_of(self.store.look(CLIP))
        self.ledger.add("k7m2qx", [WorkItem(ONE, CLIP, "ab" * 32, fingerprint=mark)])
        self.ledger.seal("k7m2qx")

    def takes(self, seconds: float) -> None:
        """Let attempts take so long, by the clock."""

        def run(task: Task, *rest: Any) -> Any:
            self.clock.advance(seconds)
            return run_attempt(task, *rest)

        self.runner.run_here = run

    def published(self) -> list[str]:
        return [one.uri for one in self.store.listing("stub://proxies/")]

    def spent(self, scope: Scope = DUNE) -> int:
        self.shared.close()
        found = self.money.state(scope)
        assert found is not None
        assert found.held == 0
        return found.spent


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "scratch")


def test_work_of_somebody_without_a_cap_asks_for_nothing(place: Place) -> None:
    place.submit()
    assert place.runner.run(ONE).state is State.succeeded
    assert place.money.tranches == {}


def test_what_an_attempt_cost_is_spent_of_the_cap_and_the_rest_is_left(place: Place) -> None:
    place.money.set_cap(DUNE, 1_000_000)
    place.submit()
    place.takes(10)
    after = place.runner.run(ONE)
    assert after.state is State.succeeded
    assert place.spent() == after.cost_nano >= 10 * SECOND_NANO


def test_what_attempts_cost_is_in_the_statement_line_by_line(place: Place) -> None:
    place.money.set_cap(DUNE, 10)
    place.submit()
    place.takes(10)
    assert place.runner.run(ONE).state is State.held
    place.money.set_cap(DUNE, 1_000_000)
    place.clock.advance(HELD_S)
    after = place.runner.run(ONE)

    found = spent(place.ledger, str)

    (line,) = found["lines"]
    assert (line.show, line.function, line.waste, line.attempts) == ("dune", "write", 0, 1)
    assert (line.compute, line.requests + line.compute) == (10 * SECOND_NANO, after.cost_nano)
    assert found["ledger"]["owed"] == found["ledger"]["lines"] == after.cost_nano


def test_what_does_not_fit_is_held_with_the_reason_and_loses_no_try(place: Place) -> None:
    place.money.set_cap(DUNE, 10)
    place.submit()
    after = place.runner.run(ONE)
    assert (after.state, after.again_s) == (State.held, HELD_S)
    entry = place.ledger.entry(ONE)
    assert entry is not None
    assert "waits for money: show dune" in entry.reason
    assert entry.attempt == 0
    place.money.set_cap(DUNE, 1_000_000)
    place.clock.advance(HELD_S)
    assert place.runner.run(ONE).state is State.succeeded


def test_the_cap_of_a_batch_holds_as_the_one_of_a_show_does(place: Place) -> None:
    batch = Scope("batch", "k7m2qx")
    place.money.set_cap(batch, 10)
    place.submit(max_cost_nano=10)
    assert place.runner.run(ONE).state is State.held
    place.money.set_cap(batch, 100_000)
    place.clock.advance(HELD_S)
    place.takes(10)
    assert place.runner.run(ONE).state is State.succeeded
    assert place.spent(batch) == 10 * SECOND_NANO


def test_what_would_overshoot_its_cap_publishes_nothing(place: Place) -> None:
    """Its money lasted for a minute, and it took an hour: nobody looked at it meanwhile."""
    place.money.set_cap(DUNE, 70 * SECOND_NANO)
    place.submit()
    place.takes(3600)
    after = place.runner.run(ONE)
    assert after.state is State.held
    assert place.published() == []


def test_who_ran_out_of_money_starts_again_when_there_is_as_much_as_it_has_cost(place: Place) -> None:
    place.money.set_cap(DUNE, 1_000 * SECOND_NANO)
    place.submit()
    place.takes(3600)
    first = place.runner.run(ONE)
    assert first.state is State.held
    place.money.set_cap(DUNE, 5_000 * SECOND_NANO)
    place.clock.advance(HELD_S)
    again = place.runner.run(ONE)
    assert (again.state, again.cost_nano) == (State.held, 0)


def test_a_failure_is_paid_for_too(place: Place) -> None:
    place.money.set_cap(DUNE, 1_000_000)
    place.submit(function=f"{FUNCTIONS}:raises", out=None)
    after = place.runner.run(ONE)
    assert after.state is State.failed
    assert place.spent() == after.cost_nano


# -- as it runs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap_s", [61, 100, 500, 5_000])
def test_an_attempt_that_is_looked_at_stops_before_its_cap_and_near_it(place: Place, cap_s: int) -> None:
    place.money.set_cap(DUNE, cap_s * SECOND_NANO)
    meter = Meter(TIMED, place.clock.now, place.clock.now(), region="us-east-1")
    money = fund(place.shared, Payer("dune", "k7m2qx"), meter, LOOK_S, capped=False)
    assert isinstance(money, AttemptMoney)
    while money.short is None:
        place.clock.advance(LOOK_S)
        money.look()
    cost = meter.cost().total
    assert (cap_s - 3 * LOOK_S) * SECOND_NANO <= cost <= cap_s * SECOND_NANO
    meter.stop()
    money.settle()
    assert place.spent() == cost


def test_an_attempt_goes_on_within_its_money_while_the_ledger_does_not_answer(place: Place) -> None:
    place.money.set_cap(DUNE, 10_000 * SECOND_NANO)
    meter = Meter(TIMED, place.clock.now, place.clock.now(), region="us-east-1")
    money = fund(place.shared, Payer("dune", "k7m2qx"), meter, LOOK_S, capped=False)
    assert isinstance(money, AttemptMoney)
    for verb in ("take", "report") * 20:
        place.money.fail_next(verb, PlatformError("it is busy.", code="service-busy"))
    looks = 0
    while money.short is None:
        place.clock.advance(LOOK_S)
        money.look()
        looks += 1
    assert "did not answer" in money.short.sentence
    assert looks >= 2
    reserved = next(iter(place.money.tranches.values())).exposed
    assert meter.cost().total <= reserved


def test_who_is_not_answered_does_not_start(place: Place) -> None:
    place.money.set_cap(DUNE, 10_000)
    place.money.fail_next("caps", PlatformError("it is busy.", code="service-busy"))
    meter = Meter(TIMED, place.clock.now, place.clock.now())
    found = fund(place.shared, Payer("dune", "k7m2qx"), meter, LOOK_S, capped=False)
    assert isinstance(found, Short)
    assert "service-busy" in found.sentence


def test_on_a_machine_that_others_use_too_all_of_it_is_looked_ahead_at(place: Place) -> None:
    """What a pool charges is known when an attempt has ended: until then it is at most the whole machine."""
    shared = RunPrice(BOOK.tier("lambda/1gib"), BOOK, timed=False)
    meter = Meter(shared, place.clock.now, place.clock.now())
    place.clock.advance(10)
    assert (meter.cost().total, meter.ahead(5)) == (0, 15 * SECOND_NANO)
    meter.charge(99 * SECOND_NANO)
    assert meter.ahead(5) == 99 * SECOND_NANO


def test_the_receipt_of_what_was_paid_for_says_what_it_cost(place: Place) -> None:
    place.money.set_cap(DUNE, 1_000_000)
    place.submit()
    place.takes(10)
    place.runner.run(ONE)
    with place.store.reader(f"{OUT}/A001.txt.rushes.json") as file:
        assert json.loads(file.read())["cost_usd"] >= 10 * SECOND_NANO / 1e9
