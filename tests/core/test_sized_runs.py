"""What is expected of a run by the size of its clip, from counts: curves, what is far off, stopped runs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from math import exp, isfinite, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.learning.run_cells import Counted, RunKind, cell
from rushes.core.learning.sized_runs import SizedRuns

MB, GB = 10**6, 10**9
WEEK = 2900


def plain(size_bytes: float) -> float:
    """A start of 2 s, and 0.1 s for each megabyte."""
    return 2.0 + size_bytes / MB * 0.1


def counts_of(
    seconds: Callable[[float], float],
    runs: int,
    sizes: tuple[float, float] = (MB, 10 * GB),
    *,
    limit_s: float | None = None,
    seed: int = 1,
) -> Counter[str]:
    """What so many runs leave, 15 % off what they should take, and stopped at a limit."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    found: Counter[str] = Counter()
    for _ in range(runs):
        size = int(exp(chance.uniform(log(sizes[0]), log(sizes[1]))))
        took = seconds(size) * exp(chance.gauss(0, 0.15))
        stopped = limit_s is not None and took > limit_s
        outcome = RunKind.too_long if stopped else RunKind.ran
        found[cell(outcome, size, min(took, limit_s or took))] += 1
    return found


def runs_of(counts: Counter[str], version: str = "1", week: int = WEEK) -> SizedRuns:
    return SizedRuns(version, [Counted("1", WEEK, counts)], week)


def likely_s(runs: SizedRuns, size_bytes: float) -> float:
    found = runs.expected(int(size_bytes))
    assert found is not None
    return found.likely_s


@pytest.mark.parametrize("size", [2 * MB, 50 * MB, GB, 9 * GB])
def test_seconds_follow_the_size(size: int) -> None:
    runs = runs_of(counts_of(plain, 300))

    assert likely_s(runs, size) == pytest.approx(plain(size), rel=0.15)


@pytest.mark.parametrize("size", [2 * MB, GB, 9 * GB])
def test_one_that_takes_its_time_whatever_its_clip_is_known_as_that(size: int) -> None:
    assert likely_s(runs_of(counts_of(lambda _: 30.0, 200)), size) == pytest.approx(30, rel=0.2)


@pytest.mark.parametrize("size", [100 * MB, GB, 9 * GB])
def test_work_that_grows_faster_than_its_clips_is_known_where_it_was_seen(size: int) -> None:
    def steep(x: float) -> float:
        return float((x / (100 * MB)) ** 1.5 * 10)

    assert likely_s(runs_of(counts_of(steep, 300)), size) == pytest.approx(steep(size), rel=0.3)


def test_nearly_all_are_done_within_what_is_expected_at_the_latest() -> None:
    runs = runs_of(counts_of(plain, 400))
    chance = random.Random(2)  # noqa: S311 - as above
    late = 0
    for _ in range(1000):
        size = int(exp(chance.uniform(log(2 * MB), log(8 * GB))))
        found = runs.expected(size)
        assert found is not None
        assert found.late_s is not None
        late += plain(size) * exp(chance.gauss(0, 0.15)) > found.late_s
    assert late < 50


def test_where_nothing_like_it_was_seen_nobody_says_how_long_one_takes_at_the_latest() -> None:
    found = runs_of(counts_of(plain, 300, (MB, 20 * MB))).expected(10 * GB)

    assert found is not None
    assert found.late_s is None
    assert found.likely_s == pytest.approx(plain(10 * GB), rel=0.4)


def test_few_runs_say_nothing() -> None:
    assert runs_of(counts_of(plain, 3)).expected(GB) is None
    assert runs_of(Counter()).expected(GB) is None


def test_few_runs_of_one_size_say_something_of_others() -> None:
    runs = runs_of(counts_of(plain, 5, (100 * MB, 120 * MB)))

    assert likely_s(runs, GB) == pytest.approx(plain(GB), rel=0.3)


# -- what is far off ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [cell(RunKind.too_long, 10 * MB, 840), cell(RunKind.ran, GB, 0.01)])
def test_one_run_that_is_far_off_changes_nothing(odd: str) -> None:
    counts = counts_of(plain, 300)
    known = runs_of(counts)
    with_it = runs_of(counts + Counter([odd]))
    for size in (10 * MB, GB):
        one, other = known.expected(size), with_it.expected(size)
        assert one is not None
        assert other is not None
        assert other.likely_s == pytest.approx(one.likely_s, rel=0.1)
        assert (other.late_s or 0) < 100 + 2 * one.likely_s


@given(
    st.dictionaries(
        st.one_of(
            st.text(max_size=8),
            st.from_regex(r"[rtmdx]\d{1,4}(\.-?\d{1,4})?", fullmatch=True),
        ),
        st.one_of(st.integers(), st.floats(), st.none(), st.text(max_size=2)),
        max_size=8,
    ),
    st.integers(0, 2**70),
)
def test_whatever_stands_there_what_is_expected_is_a_time(counts: dict[str, float], size: int) -> None:
    runs = SizedRuns("1", [Counted("1", WEEK, counts)], WEEK)
    found = runs.expected(size)
    runs.too_big_for(size)

    assert found is None or (isfinite(found.likely_s) and found.likely_s > 0)
    assert found is None or found.late_s is None or found.late_s >= found.likely_s


@given(
    st.lists(st.tuples(st.integers(1, 10**12), st.floats(0.01, 10_000)), min_size=4, max_size=40),
    st.randoms(use_true_random=False),
)
def test_neither_the_order_nor_who_counted_matters(
    seen: list[tuple[int, float]], chance: random.Random
) -> None:
    names = [cell(RunKind.ran, size, seconds) for size, seconds in seen]
    chance.shuffle(names)
    half = len(names) // 2
    together = SizedRuns("1", [Counted("1", WEEK, Counter(names))], WEEK)
    apart = SizedRuns(
        "1", [Counted("1", WEEK, Counter(names[half:])), Counted("1", WEEK, Counter(names[:half]))], WEEK
    )

    assert likely_s(apart, GB) == pytest.approx(likely_s(together, GB), rel=0.02)


@given(st.integers(-5, 2**80), st.floats(), st.sampled_from(RunKind))
def test_every_run_has_a_cell_or_says_nothing(size: int, seconds: float, outcome: RunKind) -> None:
    name = cell(outcome, size, seconds)
    known = bool(name) and SizedRuns("1", [Counted("1", WEEK, {name: 9})], WEEK)

    assert bool(name) == (size >= 0 and isfinite(seconds) and seconds >= 0)
    if known and outcome is RunKind.ran:
        assert known.expected(max(size, 1)) is not None


# -- what was stopped, and what was too big ----------------------------------------------------------------


def test_a_run_that_was_stopped_teaches_at_once() -> None:
    runs = runs_of(Counter([cell(RunKind.too_long, 4 * GB, 840)]))

    assert likely_s(runs, 4 * GB) > 840
    assert likely_s(runs, 20 * GB) > 840
    assert runs.expected(40 * MB) is None


def test_runs_that_were_stopped_say_that_larger_ones_take_longer() -> None:
    runs = runs_of(counts_of(plain, 200, limit_s=840))

    assert likely_s(runs, 10 * GB) > 840
    assert likely_s(runs, 2 * GB) == pytest.approx(plain(2 * GB), rel=0.25)


def test_what_clips_of_a_size_were_mostly_too_big_for_is_known() -> None:
    counts = counts_of(plain, 50, (MB, 100 * MB))
    counts[cell(RunKind.memory, 4 * GB, 1)] += 2
    counts[cell(RunKind.scratch, 60 * GB, 1)] += 3
    runs = runs_of(counts)

    assert runs.too_big_for(50 * MB) is None
    assert runs.too_big_for(5 * GB) is RunKind.memory
    assert runs_of(counts_of(plain, 50)).too_big_for(5 * GB) is None


def test_one_clip_that_was_too_big_is_no_rule() -> None:
    counts = counts_of(plain, 50)
    counts[cell(RunKind.memory, GB, 1)] += 1

    assert runs_of(counts).too_big_for(2 * GB) is None


# -- versions and weeks ------------------------------------------------------------------------------------


def slow(size_bytes: float) -> float:
    return 20 * plain(size_bytes)


def test_a_new_version_is_expected_to_be_like_the_old_one_until_it_has_shown_otherwise() -> None:
    old = Counted("1", WEEK, counts_of(plain, 300))
    begun = SizedRuns("2", [old], WEEK)
    shown = SizedRuns("2", [old, Counted("2", WEEK, counts_of(slow, 30))], WEEK)

    assert likely_s(begun, GB) == pytest.approx(plain(GB), rel=0.3)
    assert likely_s(shown, GB) == pytest.approx(slow(GB), rel=0.35)


def test_what_was_long_ago_fades() -> None:
    before = Counted("1", WEEK - 6, counts_of(slow, 200))
    now = Counted("1", WEEK, counts_of(plain, 40))

    assert likely_s(SizedRuns("1", [before, now], WEEK), GB) == pytest.approx(plain(GB), rel=0.35)
