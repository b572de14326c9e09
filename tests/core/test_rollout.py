"""When a new version takes over, and when it goes back."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes import CallerError
from rushes.core.rollout import Figures, RolloutPolicy, judge, judge_all, takes_new

POLICY = RolloutPolicy()
GOOD = Figures(200, 2, 2000.0, 200_000)


def figures(ended: int, failed: int = 0, each_s: float = 10.0, each_nano: int = 1000) -> Figures:
    return Figures(ended, failed, ended * each_s, ended * each_nano)


@pytest.mark.parametrize(
    ("share", "new", "act", "after"),
    [
        (5.0, figures(19), "wait", 5.0),
        (5.0, figures(20), "widen", 25.0),
        (25.0, figures(20), "widen", 50.0),
        (50.0, figures(20), "promote", 100.0),
        (5.0, figures(20, failed=1), "widen", 25.0),  # one of twenty may be chance
        (5.0, figures(40, failed=10), "roll back", 0.0),
        (5.0, figures(5, failed=5), "roll back", 0.0),  # it fails always: no more clips for it
        (5.0, figures(4, failed=4), "wait", 5.0),
        (5.0, figures(20, each_s=12.4), "widen", 25.0),
        (5.0, figures(20, each_s=12.6), "roll back", 0.0),
        (5.0, figures(20, each_nano=1099), "widen", 25.0),
        (5.0, figures(20, each_nano=1101), "roll back", 0.0),
        (5.0, figures(19, each_nano=5000), "wait", 5.0),
    ],
)
def test_a_version_is_judged_by_errors_turnaround_and_cost_once_enough_has_ended(
    share: float, new: Figures, act: str, after: float
) -> None:
    found = judge(POLICY, share, GOOD, new, 600.0)
    assert (found.act, found.share) == (act, after), found.reason


def test_a_night_that_is_bad_for_both_counts_against_neither() -> None:
    bad = figures(100, failed=60, each_s=100.0, each_nano=9000)
    assert judge(POLICY, 5.0, bad, figures(30, failed=18, each_s=100.0, each_nano=9000), 1.0).act == "widen"


def test_what_sees_too_little_work_is_for_a_person_to_decide() -> None:
    assert judge(POLICY, 5.0, GOOD, figures(3), 8 * 86_400.0).act == "ask"


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": ()}, {"shares": (5.0, 5.0)}, {"shares": (0.0,)}, {"shares": (5.0, 100.0)},
        {"least": 0}, {"more_errors": -1.0}, {"slower": 0.9}, {"dearer": 0.0},
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as caught:
        RolloutPolicy(**wrong)
    assert caught.value.code == "bad-rollout"


FIGURES = st.builds(
    lambda ended, failed, each_s, each: figures(ended, min(failed, ended), each_s, each),
    st.integers(0, 400), st.integers(0, 400), st.floats(0.01, 1e4), st.integers(0, 10**9),
)  # fmt: skip


@given(old=FIGURES, new=FIGURES, share=st.sampled_from(POLICY.shares), elapsed=st.floats(0, 1e7))
def test_a_share_only_grows_by_its_steps_and_nothing_is_judged_on_little(
    old: Figures, new: Figures, share: float, elapsed: float
) -> None:
    found = judge(POLICY, share, old, new, elapsed)
    assert found.share in {0.0, share, 100.0, *POLICY.shares}
    if found.act in {"widen", "promote"}:
        assert found.share > share
        assert min(old.ended, new.ended) >= POLICY.least
    if found.act == "roll back":
        assert new.ended >= 5


@given(figures_=FIGURES, share=st.sampled_from(POLICY.shares))
def test_a_version_like_the_old_one_never_goes_back(figures_: Figures, share: float) -> None:
    assert judge(POLICY, share, figures_, figures_, 1.0).act != "roll back"


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_chance_alone_seldom_sends_a_version_back(seed: int) -> None:
    """Both fail 5 % of the time: of 200 samples of 50 no more than a few are judged worse."""
    dice = random.Random(seed)  # noqa: S311 - a sample
    back = 0
    for _ in range(200):
        old, new = (figures(n, sum(dice.random() < 0.05 for _ in range(n))) for n in (400, 50))
        back += judge(POLICY, 5.0, old, new, 1.0).act == "roll back"
    assert back <= 20


@given(share=st.floats(0, 100), wider=st.floats(0, 100), mark=st.integers(0, 10**12))
def test_work_that_went_to_the_new_version_stays_with_it_as_its_share_grows(
    share: float, wider: float, mark: int
) -> None:
    if takes_new(mark, min(share, wider)):
        assert takes_new(mark, max(share, wider))
    assert not takes_new(mark, 0)
    assert takes_new(mark, 100)


def test_a_share_is_that_share_of_much_work() -> None:
    assert sum(takes_new(mark * 7919, 25.0) for mark in range(10_000)) == pytest.approx(2500, abs=5)


@pytest.mark.parametrize(
    ("lambdas", "hosts", "act", "share"),
    [
        ((GOOD, figures(20)), (GOOD, figures(20)), "widen", 25.0),
        ((GOOD, figures(20)), (GOOD, figures(19)), "wait", 5.0),  # the longest are judged, too
        ((GOOD, figures(20)), (GOOD, figures(20, failed=20)), "roll back", 0.0),
        ((GOOD, figures(4)), (GOOD, figures(5, failed=5)), "roll back", 0.0),
        ((GOOD, figures(20)), (figures(40, each_s=7200.0), figures(20, each_s=7200.0)), "widen", 25.0),
        ((GOOD, figures(20)), (figures(40, each_s=7200.0), figures(20, each_s=9900.0)), "roll back", 0.0),
        ((Figures(), Figures()), (GOOD, figures(20)), "widen", 25.0),  # a function that hosts alone do
        ((GOOD, figures(20)), (Figures(), Figures()), "widen", 25.0),
        ((Figures(), Figures()), (Figures(), Figures()), "wait", 5.0),
    ],
)
def test_what_lambdas_and_hosts_do_is_compared_by_itself(
    lambdas: tuple[Figures, Figures], hosts: tuple[Figures, Figures], act: str, share: float
) -> None:
    found = judge_all(POLICY, 5.0, {"lambda": lambdas, "hosts": hosts}, 600.0)
    assert (found.act, found.share) == (act, share), found.reason


def test_a_verdict_says_of_which_it_is_and_where_there_was_nothing_to_compare() -> None:
    nothing = (Figures(), Figures())
    back = judge_all(
        POLICY, 5.0, {"lambda": (GOOD, figures(20)), "hosts": (GOOD, figures(20, failed=20))}, 1.0
    )
    assert back.reason.startswith("hosts: The new version failed 100.0% of 20")
    wide = judge_all(POLICY, 50.0, {"lambda": (GOOD, figures(20)), "hosts": nothing}, 1.0)
    assert wide.act == "promote"
    assert wide.reason.endswith("it takes over. hosts: nothing has ended.")
    few = judge_all(POLICY, 5.0, {"lambda": (GOOD, figures(20)), "hosts": (GOOD, figures(1))}, 8 * 86_400.0)
    assert (few.act, few.share) == ("ask", 5.0)
    assert few.reason.startswith("hosts: After")
