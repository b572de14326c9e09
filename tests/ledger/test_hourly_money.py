"""One cap by the hour for many hosts: it is kept in every hour of the clock, whoever dies or falls silent."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushes.core.accounts import HOUR_S, ORGANISATION, Scope
from rushes.core.spending.budget import Payer
from rushes.core.spending.tranches import CapState, hour_of, turned
from rushes.errors import PlatformError
from rushes.runtime.shared.money.caps import SharedCaps
from rushes.runtime.shared.money.hourly import HourlyMoney
from rushes.runtime.shared.money.tranches import Funds, Short
from rushes.testing.clock import FakeClock
from rushes.testing.money import StubMoney
from rushes.testing.money_contract import DUNE, HOUR, NOW

PAYER = Payer("dune", "k7m2qx")
LOOKED_S = 60.0
"""After so long without a look an attempt has lost its claim."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def money(clock: FakeClock) -> StubMoney:
    made = StubMoney(clock.now)
    made.hourly.set_cap(DUNE, 10_000)
    return made


@pytest.fixture
def host(money: StubMoney, clock: FakeClock) -> HourlyMoney:
    return a_host(money, clock)


def a_host(money: StubMoney, clock: FakeClock, name: str = "host-1") -> HourlyMoney:
    made = HourlyMoney(money.hourly, name, clock.now)
    assert made.concerns(PAYER)
    return made


def funds_of(host: HourlyMoney, amount: int) -> Funds:
    found = host.reserve(PAYER, amount)
    assert isinstance(found, Funds), found
    return found


def standing(money: StubMoney) -> CapState:
    found = money.hourly.state(DUNE)
    assert found is not None
    return found


def test_what_an_hour_had_is_there_again_when_it_is_over(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    host.settle(funds_of(host, 10_000), 10_000)
    short = host.reserve(PAYER, 1)
    assert isinstance(short, Short)
    assert short.frees_at == HOUR
    assert "show dune may spend" in short.sentence
    assert "goes on at" in short.sentence
    clock.advance(HOUR - NOW)
    funds_of(host, 10_000)
    assert standing(money).held == 10_000


def test_what_alone_may_cost_more_than_an_hour_has_waits_for_a_person(host: HourlyMoney) -> None:
    short = host.reserve(PAYER, 10_001)
    assert isinstance(short, Short)
    assert short.frees_at is None
    assert "this alone may cost" in short.sentence


def test_who_runs_when_an_hour_ends_has_of_the_next_what_it_had_not_spent(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    funds = funds_of(host, 9_000)
    assert host.spends(funds, 8_000, 8_500) is None
    clock.advance(HOUR - NOW)
    other = a_host(money, clock, "host-2")
    assert isinstance(other.reserve(PAYER, 9_001), Short)
    assert host.spends(funds, 8_100, 8_600) is None
    assert (funds.origin, funds.amount) == (8_000, 1_000)
    host.settle(funds, 8_500)
    host.tend()
    funds_of(other, 9_000)
    assert isinstance(other.reserve(PAYER, 1), Short)
    host.close()
    assert standing(money).spent == 1_000


def test_an_attempt_of_many_hours_goes_on_within_what_each_of_them_has(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    """It costs two thirds of an hour's cap an hour, and more than the cap in all."""
    funds, spent = funds_of(host, 120), 0
    for _ in range(5 * 180):
        clock.advance(20)
        spent += 37
        assert host.spends(funds, spent, spent + 2 * 37) is None
        host.tend()
        money.reclaim(clock.now())
    host.settle(funds, spent)
    assert spent > 30_000
    assert standing(money).held + standing(money).spent < 8_000


def test_what_lies_idle_at_the_end_of_an_hour_is_given_up_by_who_needs_it(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    """A Lambda is frozen with what it has, and nobody knows whether it is woken again."""
    host.settle(funds_of(host, 9_500), 9_000)
    host.tend(keep=True)
    other = a_host(money, clock, "host-2")
    assert isinstance(other.reserve(PAYER, 600), Short)
    clock.advance(HOUR - NOW)
    funds_of(other, 9_900)
    found = host.reserve(PAYER, 200)
    assert isinstance(found, Short)
    funds_of(host, 100)


def test_an_attempt_whose_tranche_was_taken_back_stops(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    funds = funds_of(host, 1_000)
    clock.advance(1_000)
    assert money.reclaim(clock.now()) == 1
    assert isinstance(host.spends(funds, 100, 200), Short)
    host.settle(funds, 200)
    assert isinstance(funds_of(host, 10), Funds)


def test_what_was_given_up_while_nobody_looked_is_not_spent_in_a_later_hour(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    """It had said in advance what it would spend, and then did nothing for two hours."""
    host.settle(funds_of(host, 9_000), 0)
    clock.advance(1_000)
    assert money.reclaim(clock.now()) == 1
    clock.advance(2 * HOUR_S)
    funds_of(a_host(money, clock, "host-2"), 9_900)
    assert isinstance(host.reserve(PAYER, 9_000), Short)


def test_a_cap_that_comes_later_stops_nobody_that_runs(
    host: HourlyMoney, money: StubMoney, clock: FakeClock
) -> None:
    funds = funds_of(host, 1_000)
    money.hourly.set_cap(ORGANISATION, 5_000)
    clock.advance(60)
    assert host.concerns(PAYER)
    funds_of(host, 500)
    assert host.spends(funds, 900, 1_200) is None


def test_caps_in_all_and_by_the_hour_are_asked_for_at_once(money: StubMoney, clock: FakeClock) -> None:
    caps = SharedCaps(money, "host-1", clock.now)
    asked: list[str] = []
    plain = money.caps
    money.caps = lambda: asked.append("caps") or plain()  # type: ignore[method-assign,func-returns-value]
    assert caps.concerned(PAYER) == [caps.by_hour]
    money.set_cap(DUNE, 1)
    clock.advance(60)
    assert caps.concerned(PAYER) == [caps.in_all, caps.by_hour]
    assert caps.concerned(Payer("arrival", "b1")) == []
    assert asked == ["caps", "caps"]


def test_a_batch_that_was_sent_with_a_cap_may_have_one_by_the_hour(
    money: StubMoney, clock: FakeClock
) -> None:
    caps, batch = SharedCaps(money, "host-1", clock.now), Scope("batch", "b1")
    assert caps.concerned(Payer("arrival", "b1"), capped=True) == [caps.in_all]
    money.hourly.set_cap(batch, 50)
    clock.advance(60)
    assert caps.concerned(Payer("arrival", "b1"), capped=True) == [caps.in_all, caps.by_hour]
    assert isinstance(caps.by_hour.reserve(Payer("arrival", "b1"), 51), Short)


class Looking(StubMoney):
    """While it is asked for the caps, another attempt asks whether it may begin."""

    other: list[str]
    caps_of: SharedCaps
    thread: threading.Thread
    looks = 0

    def caps(self) -> Any:
        self.looks += 1
        begun = threading.Event()

        def asks() -> None:
            begun.set()
            self.other += [type(one).__name__ for one in self.caps_of.concerned(BATCH, capped=True)]

        self.thread = threading.Thread(target=asks)
        self.thread.start()
        begun.wait()
        return super().caps()


BATCH = Payer("arrival", "b1")


def test_who_asks_while_the_caps_are_looked_at_is_held_to_them_all(clock: FakeClock) -> None:
    money = Looking(clock.now)
    money.other = []
    money.hourly.set_cap(Scope("batch", "b1"), 50)
    caps = money.caps_of = SharedCaps(money, "host-1", clock.now)

    caps.concerned(BATCH, capped=True)
    money.thread.join()

    assert money.other == ["SharedMoney", "HourlyMoney"]
    assert money.looks == 1


def test_beyond_a_soft_limit_work_goes_on_one_class_lower_until_it_is_raised(
    money: StubMoney, clock: FakeClock
) -> None:
    caps = SharedCaps(money, "host-1", clock.now)
    money.set_soft(DUNE, 1_000)
    (in_all, _) = caps.concerned(PAYER)
    assert caps.beyond(PAYER) == ""
    in_all.settle(in_all.reserve(PAYER, 1_001), 1_001)  # type: ignore[arg-type]  # it is granted
    clock.advance(60)
    assert "show dune is beyond its soft limit" in caps.beyond(PAYER)
    assert caps.beyond(Payer("arrival", "b1")) == ""
    caps.lowered(PAYER)
    assert list(money.raised()) == []
    money.set_soft(DUNE, 20_000)
    assert list(money.raised()) == [DUNE]
    clock.advance(60)
    assert caps.beyond(PAYER) == ""


def test_hours_that_are_over_carry_what_may_be_spent_later_into_the_next_one_alone() -> None:
    assert turned(40, 50, 10, 0) == (40, 50)
    assert turned(40, 50, 10, 1) == (80, 10)
    assert turned(40, 50, 10, 2) == (90, 0)


class Attempt:
    """One that runs, and what it may spend until it is looked at again."""

    def __init__(self, host: HourlyMoney, funds: Funds, now: float) -> None:
        self.host: HourlyMoney | None = host
        self.funds = funds
        self.spent = 0
        self.looked_at = now
        self.may = funds.amount
        self.stopped = False


class Hours(RuleBasedStateMachine):
    """Hosts whose attempts run from one hour into the next, under two caps by the hour."""

    @initialize(
        show=st.sampled_from([0, 400, 1_000, 1_900]), organisation=st.sampled_from([300, 1_200, 4_000])
    )
    def begin(self, show: int, organisation: int) -> None:
        self.clock = FakeClock(NOW)
        self.money = StubMoney(self.clock.now)
        self.caps = {DUNE: show, ORGANISATION: organisation}
        for scope, cap in self.caps.items():
            self.money.hourly.set_cap(scope, cap)
        self.made = 0
        self.hosts: list[HourlyMoney] = []
        self.running: list[Attempt] = []
        self.spent: dict[tuple[Scope, int], int] = {}
        for _ in range(2):
            self.comes()

    def _asked(self, act: Any) -> Any:
        try:
            return act()
        except PlatformError:
            return Short("it did not answer")

    def _spend(self, one: Attempt, more: int) -> None:
        """It spends no more than it was told, and nothing once it has lost its claim."""
        if one.stopped or self.clock.now() - one.looked_at > LOOKED_S:
            return
        nano = min(more, one.may - one.spent)
        one.spent += nano
        for scope in one.funds.payer.scopes:
            if scope in self.caps:
                key = scope, hour_of(self.clock.now())
                self.spent[key] = self.spent.get(key, 0) + nano

    @rule()
    def comes(self) -> None:
        self.made += 1
        host = HourlyMoney(self.money.hourly, f"host-{self.made}", self.clock.now)
        host.concerns(PAYER)
        self.hosts.append(host)

    @rule(
        verb=st.sampled_from(["take", "report", "give", "close"]),
        when=st.sampled_from(["before", "after"]),
    )
    def does_not_answer(self, verb: str, when: str) -> None:
        error = PlatformError("it is busy.", code="service-busy")
        self.money.hourly.fail_next(verb, error, after=when == "after")

    @precondition(lambda self: self.hosts)
    @rule(
        which=st.integers(0),
        amount=st.sampled_from([7, 100, 400, 900]),
        show=st.sampled_from(["dune", "arrival"]),
    )
    def starts(self, which: int, amount: int, show: str) -> None:
        host = self.hosts[which % len(self.hosts)]
        found = self._asked(lambda: host.reserve(Payer(show, "k7m2qx"), amount))
        if isinstance(found, Funds):
            self.running.append(Attempt(host, found, self.clock.now()))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0), more=st.sampled_from([0, 20, 300]))
    def is_looked_at(self, which: int, more: int) -> None:
        one = self.running[which % len(self.running)]
        if one.host is None or one.stopped:
            return
        short = self._asked(lambda: one.host.spends(one.funds, one.spent, one.spent + more))
        one.looked_at = self.clock.now()
        # Who is given no more spends what it has; whose tranche was taken back, nothing.
        one.stopped = one.funds.ends_here
        one.may = one.spent if short is not None and one.stopped else one.funds.origin + one.funds.amount

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0), more=st.sampled_from([5, 100, 900]))
    def spends(self, which: int, more: int) -> None:
        self._spend(self.running[which % len(self.running)], more)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0))
    def ends(self, which: int) -> None:
        one = self.running.pop(which % len(self.running))
        if one.host is not None:
            one.host.settle(one.funds, one.spent)

    @precondition(lambda self: self.hosts)
    @rule(which=st.integers(0), how=st.sampled_from(["keep", "give", "close"]))
    def tends(self, which: int, how: str) -> None:
        host = self.hosts[which % len(self.hosts)]
        self._asked(host.close if how == "close" else lambda: host.tend(keep=how == "keep"))

    @precondition(lambda self: self.hosts)
    @rule(which=st.integers(0))
    def loses_its_host(self, which: int) -> None:
        dead = self.hosts.pop(which % len(self.hosts))
        for one in self.running:
            if one.host is dead:
                one.host = None

    @rule(seconds=st.sampled_from([10.0, 50.0, 500.0, 1_000.0, float(HOUR_S)]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.running)
    @rule()
    def all_spend_what_they_have(self) -> None:
        for one in self.running:
            self._spend(one, 900)

    @precondition(lambda self: self.running)
    @rule()
    def the_hour_ends(self) -> None:
        self.clock.advance(HOUR_S - self.clock.now() % HOUR_S - 5.0)
        for one in self.running:
            if self.clock.now() - one.looked_at <= HOUR_S and one.host is not None:
                self._asked(lambda one=one: one.host.spends(one.funds, one.spent, one.spent + 1))
                one.looked_at, one.stopped = self.clock.now(), one.funds.ends_here
                one.may = one.funds.origin + one.funds.amount
        self.clock.advance(10.0)

    @rule()
    def sweeps(self) -> None:
        self._asked(lambda: self.money.reclaim(self.clock.now()))

    @invariant()
    def no_hour_is_overshot(self) -> None:
        for (scope, hour), spent in getattr(self, "spent", {}).items():
            assert spent <= self.caps[scope], hour

    @invariant()
    def the_books_add_up(self) -> None:
        for scope in getattr(self, "caps", {}):
            state = self.money.hourly.state(scope)
            assert state is not None
            held = sum(one.taken for (whose, _), one in self.money.hourly.tranches.items() if whose == scope)
            assert state.held == held

    def teardown(self) -> None:
        """When all have gone, the whole of an hour is there again."""
        if not hasattr(self, "money"):
            return
        self.clock.advance(100_000)
        for _ in range(20):
            self._asked(lambda: self.money.reclaim(self.clock.now()))
        self.clock.advance(3 * HOUR_S)
        for scope, cap in self.caps.items():
            state = self.money.hourly.state(scope)
            assert state is not None
            assert (state.left, state.spent) == (cap, 0)


def run_hours(examples: int) -> None:
    long = settings(max_examples=examples, stateful_step_count=40)
    run_state_machine_as_test(Hours, settings=long)


def play_hours(seed: int) -> None:  # noqa: C901, PLR0912 - one branch for each thing that may happen
    """The same at random, and denser: Hypothesis keeps its histories short."""
    chance = random.Random(seed)  # noqa: S311 - of a test
    hours: Any = Hours()
    hours.begin(chance.choice([0, 400, 1_000, 1_900]), chance.choice([300, 1_200, 4_000]))
    for _ in range(60):
        which, more = chance.randrange(1_000), chance.choice([0, 5, 20, 100, 300, 900])
        kinds = ["running"] * 2 * bool(hours.running) + ["hosts"] * 2 * bool(hours.hosts) + ["around"]
        kind, act = chance.choice(kinds), chance.randrange(5)
        if kind == "running":
            if act == 0:
                hours.is_looked_at(which, more)
            elif act == 1:
                hours.spends(which, more)
            elif act == 2:
                hours.all_spend_what_they_have()
            elif act == 3:
                hours.the_hour_ends()
            else:
                hours.ends(which)
        elif kind == "hosts" and act < 3:
            hours.starts(which, chance.choice([7, 100, 400, 900]), chance.choice(["dune", "arrival"]))
        elif kind == "hosts":
            hours.tends(which, chance.choice(["keep", "give", "close"]))
        elif act == 0:
            hours.comes()
        elif act == 1:
            verb, when = (
                chance.choice(["take", "report", "give", "close"]),
                chance.choice(["before", "after"]),
            )
            hours.does_not_answer(verb, when)
        elif act == 2:
            hours.time_passes(chance.choice([10.0, 50.0, 500.0, 1_000.0, 3_600.0]))
        elif act == 3 and hours.hosts:
            hours.loses_its_host(which)
        else:
            hours.sweeps()
        hours.no_hour_is_overshot()
        hours.the_books_add_up()
    hours.teardown()


def test_no_hour_is_overshot_whatever_becomes_of_hosts() -> None:
    run_hours(60)
    for seed in range(200):
        play_hours(seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_hour_is_overshot_whatever_becomes_of_hosts_at_length() -> None:
    run_hours(5000)
    for seed in range(50_000):
        play_hours(seed)
