"""Attempts that hang are killed, those that crawl are hedged once, within bounds."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.stragglers import (
    Expectation,
    Hedge,
    Hedges,
    Kill,
    Leave,
    Progress,
    StragglerPolicy,
    judge,
)

POLICY = StragglerPolicy(stall_s=120.0, far=3.0, least_s=60.0, most_share=0.05)
USUAL = Expectation(run_s=100.0, late_s=200.0, start_s=10.0, cost_nano=1000)

# -- progress ---------------------------------------------------------------------------------------------


def test_progress_remembers_when_it_last_rose() -> None:
    progress = Progress().seen(5.0, 0.1).seen(10.0, 0.2).seen(15.0, 0.2).seen(20.0)

    assert progress == Progress(ran_s=20.0, fraction=0.2, rose_s=10.0)


@pytest.mark.parametrize("fraction", [0.1, 0.2, -1.0, 1.5, float("nan")])
def test_a_sample_that_goes_back_or_cannot_be_is_no_progress(fraction: float) -> None:
    assert Progress(10.0, 0.2, 10.0).seen(15.0, fraction) == Progress(15.0, 0.2, 10.0)


def test_a_sample_that_comes_late_does_not_turn_the_time_back() -> None:
    assert Progress(10.0, 0.2, 10.0).seen(8.0, 0.3) == Progress(10.0, 0.3, 10.0)


@pytest.mark.parametrize(("fraction", "left_s"), [(0.0, inf), (0.25, 300.0), (0.5, 100.0), (1.0, 0.0)])
def test_what_is_left_follows_from_what_is_done(fraction: float, left_s: float) -> None:
    assert Progress(100.0, fraction, 100.0).left_s == left_s


# -- hanging ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ran_s", "killed"), [(219.0, False), (220.0, True)])
def test_an_attempt_without_progress_for_so_long_is_killed(
    ran_s: float,
    killed: bool,  # noqa: FBT001 - a table's column
) -> None:
    found = judge(Progress(ran_s, 0.4, 100.0), Expectation(), Hedges(), POLICY)

    assert isinstance(found, Kill) is killed


def test_a_kill_says_for_how_long_and_where() -> None:
    found = judge(Progress(300.0, 0.4, 100.0), USUAL, Hedges(), POLICY)

    assert found == Kill("it has made no progress for 3 m 20 s, at 40%")


def test_an_attempt_that_never_moved_is_killed_like_any_other() -> None:
    assert isinstance(judge(Progress().seen(120.0, 0.0), Expectation(), Hedges(), POLICY), Kill)


# -- crawling ---------------------------------------------------------------------------------------------


def test_an_attempt_within_its_time_is_left_alone_until_that_is_over() -> None:
    assert judge(Progress(150.0, 0.5, 149.0), USUAL, Hedges(), POLICY) == Leave(
        50.0, "it makes progress, and is within its time"
    )


def test_an_attempt_far_beyond_its_time_is_hedged() -> None:
    found = judge(Progress(200.0, 0.5, 199.0), USUAL, Hedges(), POLICY)

    assert found == Hedge(
        1000,
        "it has run 3 m 20 s, and nearly all like it are done in 3 m 20 s; "
        "a second one should take 1 m 50 s from now",
    )


@pytest.mark.parametrize(
    ("ran_s", "fraction", "hedged"),
    [
        (300.0, 0.5, True),
        (300.0, 0.73, True),
        (300.0, 0.74, False),
        (300.0, 0.99, False),
        (300.0, 0.01, True),
    ],
)
def test_a_second_one_is_started_only_where_it_should_end_first(
    ran_s: float,
    fraction: float,
    hedged: bool,  # noqa: FBT001 - a table's column
) -> None:
    found = judge(Progress(ran_s, fraction, ran_s), USUAL, Hedges(), POLICY)

    assert isinstance(found, Hedge) is hedged


@pytest.mark.parametrize(
    ("expectation", "from_s"),
    [
        (Expectation(run_s=100.0), 300.0),  # three times, where nothing better is known
        (Expectation(run_s=100.0, late_s=150.0), 150.0),
        (Expectation(run_s=1.0, late_s=2.0), 60.0),  # short work is not worth it
        (Expectation(run_s=100.0, late_s=50.0), 100.0),  # never below what is expected
    ],
)
def test_far_beyond_is_what_nearly_all_are_done_in(expectation: Expectation, from_s: float) -> None:
    assert isinstance(judge(Progress(from_s - 1, 0.1, from_s - 1), expectation, Hedges(), POLICY), Leave)
    assert isinstance(judge(Progress(from_s, 0.1, from_s), expectation, Hedges(), POLICY), Hedge)


def test_what_was_never_measured_is_never_hedged() -> None:
    assert isinstance(judge(Progress(1e6, 0.01, 1e6), Expectation(), Hedges(), POLICY), Leave)


@pytest.mark.parametrize(
    ("hedges", "says"),
    [
        (Hedges(allowed=False), "its function or class is not hedged"),
        (Hedges(own=1), "it has had its hedge"),
        (Hedges(most_nano=500), "a hedge may cost $0.00000050, and would cost $0.0000010"),
        (Hedges(running=39, hedged=1), "1 of 39 running attempts are hedges already"),
        (Hedges(running=59, hedged=2), "2 of 59 running attempts are hedges already"),
    ],
)
def test_what_stands_in_the_way_of_a_hedge_is_said(hedges: Hedges, says: str) -> None:
    found = judge(Progress(300.0, 0.1, 300.0), USUAL, hedges, POLICY)

    assert isinstance(found, Leave)
    assert found.reason.endswith(says)


@pytest.mark.parametrize("hedges", [Hedges(most_nano=1000), Hedges(running=40, hedged=1), Hedges(running=1)])
def test_within_its_bounds_there_is_a_hedge(hedges: Hedges) -> None:
    assert isinstance(judge(Progress(300.0, 0.1, 300.0), USUAL, hedges, POLICY), Hedge)


# -- whatever comes ---------------------------------------------------------------------------------------

samples = st.lists(st.tuples(st.floats(0.1, 60.0), st.none() | st.floats(0.0, 1.0)), max_size=60)
expectations = st.builds(
    Expectation,
    st.none() | st.floats(0.1, 500.0),
    st.none() | st.floats(0.1, 900.0),
    st.floats(0.0, 100.0),
    st.integers(0, 2000),
)


@settings(max_examples=80)
@given(samples, expectations, st.integers(0, 2000))
def test_an_attempt_has_at_most_one_hedge_within_its_bound_and_is_killed_only_when_it_stalls(
    steps: Any, expectation: Expectation, most_nano: int
) -> None:
    progress, own, ran_s, rose_s, best = Progress(), 0, 0.0, 0.0, 0.0
    for step_s, fraction in steps:
        ran_s += step_s
        if fraction is not None and fraction > best:
            best, rose_s = fraction, ran_s
        progress = progress.seen(ran_s, fraction)

        found = judge(progress, expectation, Hedges(own=own, most_nano=most_nano), POLICY)

        assert isinstance(found, Kill) == (ran_s - rose_s >= POLICY.stall_s)
        if isinstance(found, Hedge):
            own += 1
            assert found.cost_nano <= most_nano
        assert own <= 1


@settings(max_examples=80)
@given(samples, expectations)
def test_nothing_happens_before_the_time_that_was_said(steps: Any, expectation: Expectation) -> None:
    progress = Progress()
    for step_s, fraction in steps:
        progress = progress.seen(progress.ran_s + step_s, fraction)
    found = judge(progress, expectation, Hedges(), POLICY)
    if isinstance(found, Leave):
        assert found.for_s > 0

        sooner = progress.seen(progress.ran_s + found.for_s * 0.99)

        # What is left may be the last digit of a second: then rounding alone decides whether it is over.
        if found.for_s > 1e-6:
            assert not isinstance(judge(sooner, expectation, Hedges(), POLICY), Kill)
