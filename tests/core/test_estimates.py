"""What was seen is learnt, in bounded memory, and what is not known is admitted."""

from __future__ import annotations

import json
import random
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.estimates import MOST_KEYS, UNKNOWN, Estimates, Prior, Work
from rushes.core.histogram import GROWTH, MOST, LogHistogram

HD = Work("proxy", "ec2/c7i.2xlarge", "h264", 1920, 1080, 240)
SECONDS = st.floats(1e-5, 1e8)


def _quantile(histogram: LogHistogram, part: float) -> float:
    so_far = 0
    for value, count in histogram.values():
        so_far += count
        if so_far >= part * histogram.count:
            return value
    raise AssertionError("an empty histogram has no quantiles")


# -- the histogram ----------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(values=st.lists(SECONDS, min_size=1, max_size=300), part=st.floats(0.01, 1))
def test_every_quantile_is_right_to_four_percent_of_its_value(values: list[float], part: float) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)

    true = next(v for n, v in enumerate(sorted(values), 1) if n >= part * len(values))
    assert abs(log(_quantile(histogram, part) / true)) <= log(GROWTH) / 2 + 1e-9


@settings(max_examples=60)
@given(parts=st.lists(st.lists(SECONDS, max_size=40), max_size=6), order=st.randoms())
def test_merging_in_any_order_is_as_counting_everything_in_one(
    parts: list[list[float]], order: random.Random
) -> None:
    whole, merged = LogHistogram(), LogHistogram()
    for value in [value for part in parts for value in part]:
        whole.add(value)
    order.shuffle(parts)
    for part in parts:
        histogram = LogHistogram()
        for value in part:
            histogram.add(value)
        merged.merge(LogHistogram.from_json(json.loads(json.dumps(histogram.to_json()))))

    assert (merged.counts, merged.count) == (whole.counts, whole.count)


def test_it_stays_small_and_what_was_long_ago_fades() -> None:
    histogram = LogHistogram()
    for _ in range(MOST):
        histogram.add(10.0)
    for index in range(3 * MOST):
        histogram.add(20.0 + 1e-12 * index)

    assert histogram.count <= MOST
    assert len(histogram.counts) <= 2
    assert _quantile(histogram, 0.2) > 19
    extremes = LogHistogram()
    for exponent in range(-300, 300):
        extremes.add(10.0**exponent)
    assert len(extremes.counts) < 460


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_what_is_no_positive_number_is_not_counted(value: float) -> None:
    histogram = LogHistogram()
    histogram.add(value)

    assert histogram.count == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"growth": 2.0, "counts": []}, "grow by 2.0"),
        ({"growth": GROWTH, "counts": [[10**6, 1]]}, "bucket 1000000"),
        ({"growth": GROWTH, "counts": [[1, -1]]}, "count -1"),
        ({}, "no histogram"),
    ],
)
def test_a_histogram_that_is_none_is_refused(data: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LogHistogram.from_json(data)


# -- estimates --------------------------------------------------------------------------------------------


def test_without_any_knowledge_the_prior_speaks_and_says_so() -> None:
    estimate = Estimates().estimate(HD, Prior(12.0, 1.8, "published"))

    assert estimate.basis == "published"
    assert estimate.quantile(0.5) == pytest.approx(12.0, rel=0.05)
    assert estimate.quantile(0.84) == pytest.approx(12.0 * 1.8, rel=0.06)
    low, _, high = estimate.mean_interval
    assert high / low > 1.8**2


def test_with_no_prior_either_it_is_openly_unknown() -> None:
    estimate = Estimates().estimate(Work("mystery", "here"))

    assert (estimate.basis, estimate.runs) == ("unknown", 0)
    assert estimate.quantile(0.5) == pytest.approx(UNKNOWN.seconds, rel=0.05)


def test_what_was_seen_soon_outweighs_the_prior_and_makes_the_interval_narrower() -> None:
    estimates = Estimates()
    widths = []
    for runs in (1, 10, 100, 1000):
        while estimates.estimate(HD).runs < runs:
            estimates.learn(HD, 30.0)
        interval = estimates.estimate(HD, Prior(3.0, 1.8, "published")).mean_interval
        widths.append(log(interval.high / interval.low))

    estimate = estimates.estimate(HD, Prior(3.0, 1.8, "published"))
    assert estimate.basis == "learnt"
    assert estimate.quantile(0.5) == pytest.approx(30.0, rel=0.05)
    assert estimate.mean == pytest.approx(30.0, rel=0.06)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.05


def test_work_twice_as_long_takes_twice_as_long() -> None:
    estimates = Estimates()
    for _ in range(50):
        estimates.learn(HD, 10.0)

    longer = estimates.estimate(HD._replace(frames=480), Prior(20.0, 1.8, "published"))

    assert longer.runs == 0  # nothing of this length was seen: the size and the codec speak
    assert longer.quantile(0.5) == pytest.approx(20.0, rel=0.08)
    assert longer.doubt > estimates.estimate(HD).doubt


def test_another_size_and_another_tier_are_not_mistaken_for_this_one() -> None:
    estimates = Estimates()
    for _ in range(100):
        estimates.learn(HD, 10.0)
        estimates.learn(HD._replace(width=640, height=360), 2.0)
    slower = HD._replace(on="here")

    assert estimates.estimate(HD).quantile(0.5) == pytest.approx(10.0, rel=0.06)
    assert estimates.estimate(HD._replace(width=640, height=360)).quantile(0.5) == pytest.approx(
        2.0, rel=0.06
    )
    assert estimates.estimate(slower, Prior(99.0, 1.8, "published")).basis == "published"


def test_work_without_a_picture_is_counted_by_the_invocation() -> None:
    estimates = Estimates()
    for _ in range(100):
        estimates.learn(Work("inspect", "here"), 0.02)

    assert estimates.estimate(Work("inspect", "here")).mean == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("spread", [0.05, 0.3, 0.6])
def test_a_99th_percentile_is_exceeded_by_about_one_in_a_hundred(spread: float) -> None:
    exceeded = 0
    for seed in range(20):
        draw = random.Random(seed)  # noqa: S311
        estimates = Estimates()
        for _ in range(300):
            estimates.learn(HD, 10.0 * exp(draw.gauss(0, spread)))
        estimate = estimates.estimate(HD, Prior(10.0, 1.8, "published"))
        exceeded += sum(10.0 * exp(draw.gauss(0, spread)) > estimate.at_most(0.99) for _ in range(500))

    assert exceeded <= 0.015 * 20 * 500


@given(runs=st.integers(0, 40), part=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_bounds_of_a_quantile_are_in_order(runs: int, part: float) -> None:
    estimates = Estimates()
    for number in range(runs):
        estimates.learn(HD, 5.0 + number)

    low, likely, high = estimates.estimate(HD).interval(part)

    assert low <= likely <= high


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_after_thirty_runs_estimates_are_nearly_as_good_as_content_that_differs_by_a_tenth_allows(
    seed: int,
) -> None:
    draw = random.Random(seed)  # noqa: S311
    estimates = Estimates()

    def took(work: Work) -> float:
        return (0.3 + 0.004 * work.amount) * exp(draw.gauss(0, 0.1))

    works = [HD._replace(frames=draw.randrange(48, 480)) for _ in range(230)]
    for work in works[:30]:
        estimates.learn(work, took(work))
    errors = sorted(abs(estimates.estimate(work).quantile(0.5) / took(work) - 1) for work in works[30:])

    assert errors[100] <= 0.12
    assert errors[180] <= 0.30


def test_two_workers_knowledge_is_merged_and_survives_being_written_down() -> None:
    one, other = Estimates(), Estimates()
    for _ in range(20):
        one.learn(HD, 10.0)
        other.learn(HD, 10.0)

    one.merge(Estimates.from_json(json.loads(json.dumps(other.to_json()))))

    assert one.estimate(HD).runs == 40


def test_memory_is_bounded_and_what_is_used_stays() -> None:
    estimates = Estimates()
    estimates.learn(HD, 10.0)
    for number in range(MOST_KEYS):
        estimates.learn(Work(f"f{number}", "here"), 1.0)
        if number % 100 == 0:
            estimates.learn(HD, 10.0)

    assert len(estimates._known) == MOST_KEYS
    assert estimates.estimate(HD).runs > 20


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_nonsense_is_not_learnt(seconds: float) -> None:
    estimates = Estimates()
    estimates.learn(HD, seconds)

    assert estimates.estimate(HD).runs == 0


@pytest.mark.parametrize("data", [{"schema": 9}, {}, {"schema": 1, "known": [[["f"], {}]]}])
def test_estimates_that_are_none_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"schema|no estimates|no histogram"):
        Estimates.from_json(data)
