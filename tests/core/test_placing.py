"""Whether work goes to a Lambda or to hosts, by tables: what is known of it, what it costs, its class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.capacity.fitting import Allowed, Routable, RoutingPolicy
from rushes.core.capacity.placing import HOSTS, LAMBDA, Tiers, place
from rushes.core.learning.run_cells import Counted, RunKind, cell
from rushes.core.learning.sized_runs import SizedRuns
from rushes.core.spending.prices import PriceBook, Source, TierPrice
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits
from rushes.ledger import ON_HOSTS, ON_LAMBDA

GIB, MB = 1 << 30, 10**6
USD = 1_000_000_000
LIMIT_S = 880.0
SAID = Source("made up for these tests", "undated")
OWN = Tier(
    LAMBDA, Machine(2, 4 * GIB, 5 * GIB), Purchase.on_demand, "us-east-1",
    limits=TierLimits(run_s=LIMIT_S, source_bytes=4 * GIB), per_invocation=True,
)  # fmt: skip
CPU = Tier("cpu", Machine(8, 16 * GIB, 200 * GIB), Purchase.spot, "us-east-1", start_s=90.0)


def tiers(*hosts: Tier, policy: RoutingPolicy | None = None, **hour_usd: float) -> Tiers:
    prices = {LAMBDA: 0.24, "cpu": 0.34, **hour_usd}
    book = PriceBook(
        {name: TierPrice(name, Purchase.on_demand, "", int(usd * USD), SAID) for name, usd in prices.items()}
    )
    return Tiers(OWN, {one.name: one for one in hosts}, book, policy or RoutingPolicy())


def took(seconds: float, size_bytes: int, runs: int = 30, outcome: RunKind = RunKind.ran) -> SizedRuns:
    """Runs that took about so long on clips of about that size."""
    chance = [seconds * (1 + 0.02 * (number % 7 - 3)) for number in range(runs)]
    counts = Counter(cell(outcome, size_bytes, one) for one in chance)
    return SizedRuns("1", [Counted("1", 2900, counts)], 2900)


def asked(size_bytes: int = 100 * MB, priority: str = "standard", *, headers_only: bool = False) -> Routable:
    return Routable(priority=priority, cpu=2, source_bytes=size_bytes, headers_only=headers_only)


def test_both_sides_are_called_alike_by_who_decides_and_who_remembers() -> None:
    assert (LAMBDA, HOSTS) == (ON_LAMBDA, ON_HOSTS)


@pytest.mark.parametrize("hosts", [(), (CPU,)])
def test_what_nobody_knows_anything_of_goes_to_the_lambda_and_nothing_is_said_of_it(
    hosts: tuple[Tier, ...],
) -> None:
    found = place(asked(), tiers(*hosts), {})

    assert (found.tier, found.reason, found.expected) == (LAMBDA, "", None)


def test_a_clip_that_does_not_fit_goes_to_hosts_even_if_nothing_is_known() -> None:
    found = place(asked(5 * GIB), tiers(), {})

    assert found.tier == HOSTS
    assert found.reason == "hosts: lambda is not for it: it takes sources up to 4.0 GiB."


@pytest.mark.parametrize(
    ("hosts", "seconds", "tier", "says"),
    [
        ((), 10.0, LAMBDA, "lambda: it is short (10 s) and small."),
        ((), 300.0, LAMBDA, "lambda: it is long (5 m 00 s), but no host can take it."),
        ((), 1000.0, HOSTS, "it stops work after 14 m 40 s, and this may take"),
        ((CPU,), 10.0, LAMBDA, "lambda: it is short"),
        ((CPU,), 300.0, HOSTS, "cpu: it is long (5 m 00 s)."),
        ((CPU,), 2000.0, HOSTS, "it stops work after 14 m 40 s, and this may take"),
    ],
)
def test_what_is_known_decides(hosts: tuple[Tier, ...], seconds: float, tier: str, says: str) -> None:
    found = place(asked(), tiers(*hosts), {LAMBDA: took(seconds, 100 * MB)})

    assert found.expected is not None
    assert found.expected.likely_s == pytest.approx(seconds, rel=0.2)
    assert found.limit_s == LIMIT_S
    assert found.tier == tier
    assert says.partition("(")[0].partition("may take")[0] in found.reason


def test_the_size_of_the_clip_decides_not_the_function() -> None:
    runs = {LAMBDA: took(400.0, 1000 * MB)}

    assert place(asked(100 * MB), tiers(CPU), runs).tier == LAMBDA
    assert place(asked(1000 * MB), tiers(), runs).tier == LAMBDA
    assert place(asked(3 * GIB), tiers(), runs).tier == HOSTS


def test_where_hosts_have_no_price_the_lambda_does_what_it_can() -> None:
    unpriced = replace(CPU, name="own", price="nobody-knows")
    runs = {LAMBDA: took(300.0, 100 * MB)}

    assert place(asked(), tiers(unpriced), runs).tier == LAMBDA
    assert place(asked(4 * GIB), tiers(unpriced), runs).tier == HOSTS


def test_a_class_to_which_a_second_is_worth_something_does_not_wait_for_a_host_to_start() -> None:
    policy = RoutingPolicy(worth_nano={"urgent": USD // 100})
    runs = {LAMBDA: took(200.0, 100 * MB)}
    there = tiers(CPU, policy=policy)

    assert place(asked(priority="urgent"), there, runs).tier == LAMBDA
    assert place(asked(priority="standard"), there, runs).tier == HOSTS
    assert (
        place(asked(priority="urgent"), tiers(replace(CPU, start_s=0, speed=4.0), policy=policy), runs).tier
        == HOSTS
    )


def test_a_class_that_may_not_use_the_lambda_goes_to_hosts() -> None:
    policy = RoutingPolicy(allowed={"background": Allowed(purchases=frozenset({Purchase.spot}))})

    assert place(asked(priority="background"), tiers(CPU, policy=policy), {}).tier == HOSTS
    assert place(asked(priority="standard"), tiers(CPU, policy=policy), {}).tier == LAMBDA


def test_an_inspection_goes_to_the_lambda_however_large_its_clip() -> None:
    there = replace(tiers(CPU), own=replace(OWN, limits=TierLimits(run_s=LIMIT_S)))

    assert place(asked(900 * GIB, headers_only=True), there, {LAMBDA: took(2.0, 100 * GIB)}).tier == LAMBDA


@pytest.mark.parametrize("outcome", [RunKind.memory, RunKind.scratch])
def test_what_clips_of_its_size_were_too_big_for_is_not_tried_again(outcome: RunKind) -> None:
    runs = took(1.0, 2000 * MB, runs=3, outcome=outcome)

    assert place(asked(3000 * MB), tiers(CPU), {LAMBDA: runs}).tier == HOSTS
    assert place(asked(100 * MB), tiers(CPU), {LAMBDA: runs}).tier == LAMBDA


def test_a_run_that_was_stopped_sends_the_next_one_of_its_size_to_hosts() -> None:
    runs = {LAMBDA: took(LIMIT_S, 1000 * MB, runs=1, outcome=RunKind.too_long)}

    assert place(asked(1000 * MB), tiers(CPU), runs).tier == HOSTS
    assert place(asked(1000 * MB), tiers(), runs).tier == HOSTS


def test_what_each_tier_has_shown_counts_for_it_alone() -> None:
    opposite: Mapping[str, SizedRuns] = {LAMBDA: took(20.0, 100 * MB), HOSTS: took(3000.0, 100 * MB)}

    assert place(asked(), tiers(CPU), opposite).tier == LAMBDA
    assert (
        place(asked(), tiers(CPU), {LAMBDA: took(3000.0, 100 * MB), HOSTS: took(20.0, 100 * MB)}).tier
        == HOSTS
    )


def test_what_hosts_took_says_when_the_lambda_that_has_shown_nothing_is_out_of_the_question() -> None:
    assert place(asked(), tiers(), {HOSTS: took(3000.0, 100 * MB)}).tier == HOSTS
    assert place(asked(), tiers(), {HOSTS: took(600.0, 100 * MB)}).tier == LAMBDA


@given(
    size=st.integers(1, 10**13),
    seconds=st.floats(0.01, 20_000),
    of=st.integers(1, 10**12),
    runs=st.integers(0, 60),
    hosted=st.booleans(),
)
def test_nothing_goes_to_a_lambda_that_is_likely_to_stop_it(
    size: int, seconds: float, of: int, runs: int, *, hosted: bool
) -> None:
    known = {LAMBDA: took(seconds, of, runs)} if runs else {}
    found = place(asked(size), tiers(*([CPU] if hosted else [])), known)

    if found.tier == LAMBDA:
        assert size <= 4 * GIB
        assert found.expected is None or found.expected.likely_s <= LIMIT_S
        assert found.expected is None or (found.expected.late_s or 0) <= LIMIT_S
