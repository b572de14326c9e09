"""What was seen is learnt, in bounded memory, and what is not known is admitted."""

from __future__ import annotations

import json
import random
from math import exp, log
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.learning.curves import Seen, at, fitted
from rushes.core.learning.durations import UNKNOWN, Prior
from rushes.core.learning.estimates import MOST_LEVELS, MOST_RUNS, Estimates
from rushes.core.learning.histogram import GROWTH, MOST, LogHistogram
from rushes.core.learning.places import MOST_PLACES, told_apart
from rushes.core.learning.work import Encode, WorkTraits

HD = WorkTraits(
    "proxy", "here", "0a1b", "prores", 1920, 1080, 240, 10.0, 1, 0, "", (Encode("h264", 960, 540, 240),)
)
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
@given(values=st.lists(SECONDS, max_size=80))
def test_it_is_the_same_once_it_was_written_down_and_read(values: list[float]) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)

    read = LogHistogram.from_json(json.loads(json.dumps(histogram.to_json())))

    assert (read.counts, read.count) == (histogram.counts, histogram.count)


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


# -- curves -------------------------------------------------------------------------------------------------

PARTS = st.tuples(st.floats(0, 50), st.floats(0, 50)).map(
    lambda two: (("start", 1.0), ("frames", two[0]), ("decode/h264", two[1]))
)
BEFORE = {"start": 0.5, "frames": 0.1}


@settings(max_examples=30)
@given(
    start=st.floats(0.01, 2), frames=st.floats(0.01, 1), decode=st.floats(0.01, 1), seed=st.integers(0, 999)
)
def test_a_curve_finds_what_made_the_seconds(start: float, frames: float, decode: float, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    true = {"start": start, "frames": frames, "decode/h264": decode}
    works = [
        (("start", 1.0), ("frames", draw.uniform(0, 40)), ("decode/h264", draw.uniform(0, 40)))
        for _ in range(200)
    ]
    curve = fitted([Seen(parts, at(true, parts)) for parts in works], BEFORE)

    errors = sorted(abs(at(curve, parts) / at(true, parts) - 1) for parts in works)
    assert errors[100] < 0.05
    assert errors[180] < 0.12


@settings(max_examples=50)
@given(
    runs=st.lists(st.tuples(PARTS, st.floats(1e-3, 1e4)), min_size=1, max_size=20),
    parts=PARTS,
    factor=st.floats(1, 3),
)
def test_no_part_is_below_nothing_so_more_work_never_takes_less(
    runs: list[tuple[Any, float]], parts: Any, factor: float
) -> None:
    curve = fitted([Seen(*run) for run in runs], BEFORE)
    more = tuple((name, amount * factor) for name, amount in parts)

    assert all(each >= 0.0 for each in curve.values())
    assert at(curve, more) >= at(curve, parts) * (1 - 1e-9)


def test_a_run_that_somebody_else_held_up_bends_the_curve_little() -> None:
    seen = [Seen((("start", 1.0), ("frames", float(frames))), 0.5 + 0.1 * frames) for frames in range(1, 31)]
    held_up = [*seen[:29], seen[29]._replace(seconds=40.0)]

    straight, bent = (at(fitted(runs, BEFORE), seen[29].parts) for runs in (seen, held_up))

    assert bent == pytest.approx(straight, rel=0.1)


def test_what_no_run_had_any_of_is_as_more_general_work_has_it() -> None:
    seen = [Seen((("start", 1.0), ("frames", 0.0)), 1.0)] * 9

    assert fitted(seen, BEFORE)["frames"] > 0.1


def test_a_codec_that_was_never_decoded_costs_what_others_do() -> None:
    curve = {"start": 0.1, "decode/h264": 1.0, "decode/hevc": 3.0, "decode/prores": 2.0}

    assert at(curve, (("decode/av1", 2.0),)) == 4.0


def test_without_runs_the_more_general_curve_is_the_answer() -> None:
    assert fitted([], BEFORE) == BEFORE


# -- estimates ----------------------------------------------------------------------------------------------


def _says(seconds: float, spread: float = 1.8) -> Estimates:
    return Estimates(lambda _work: Prior(seconds, spread, "published"))


def test_without_any_knowledge_the_prior_speaks_and_says_so() -> None:
    estimate = _says(12.0).estimate(HD)

    assert estimate.basis == "published"
    assert estimate.quantile(0.5) == pytest.approx(12.0, rel=0.05)
    assert estimate.quantile(0.84) == pytest.approx(12.0 * 1.8, rel=0.06)
    low, _, high = estimate.mean_interval
    assert high / low > 1.8**2


def test_with_no_prior_either_it_is_openly_unknown() -> None:
    estimate = Estimates().estimate(WorkTraits("mystery", "here"))

    assert (estimate.basis, estimate.runs) == ("unknown", 0)
    assert estimate.quantile(0.5) == pytest.approx(UNKNOWN.seconds, rel=0.05)


def test_what_was_seen_soon_outweighs_the_prior_and_makes_the_interval_narrower() -> None:
    estimates = _says(3.0)
    widths = []
    for more in (1, 9, 90, MOST_RUNS):
        for _ in range(more):
            estimates.learn(HD, 30.0)
        interval = estimates.estimate(HD).mean_interval
        widths.append(log(interval.high / interval.low))

    estimate = estimates.estimate(HD)
    assert estimate.basis == "learnt"
    assert estimate.quantile(0.5) == pytest.approx(30.0, rel=0.05)
    assert estimate.mean == pytest.approx(30.0, rel=0.06)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.05


def test_what_the_catalogue_says_a_hundred_times_too_little_is_corrected_by_a_few_runs() -> None:
    estimates = _says(0.1)
    for _ in range(8):
        estimates.learn(HD, 10.0)

    assert estimates.expects(HD) == pytest.approx(10.0, rel=0.1)


def test_another_function_codec_and_machine_are_not_mistaken_for_this_one() -> None:
    estimates = Estimates()
    for _ in range(100):
        estimates.learn(HD, 10.0)
        estimates.learn(HD._replace(options="ffff"), 2.0)

    assert estimates.estimate(HD).quantile(0.5) == pytest.approx(10.0, rel=0.06)
    assert estimates.estimate(HD._replace(options="ffff")).quantile(0.5) == pytest.approx(2.0, rel=0.06)
    assert estimates.estimate(HD._replace(on="there")).basis == "unknown"
    assert estimates.estimate(HD._replace(function="ladder")).basis == "unknown"


def test_work_without_a_picture_is_learnt_by_the_invocation() -> None:
    estimates = Estimates()
    estimates.learn(WorkTraits("inspect", "here"), 0.002, runs=64)

    assert estimates.expects(WorkTraits("inspect", "here")) == pytest.approx(0.002, rel=0.1)
    seen_closer = WorkTraits("inspect", "here", "", "h264", 1920, 1080, 240, 10.0, 1, 9_000_000)
    assert estimates.expects(seen_closer) == pytest.approx(0.002, rel=0.1)


def test_of_a_clip_that_nobody_looked_at_the_runs_of_its_function_speak() -> None:
    estimates = Estimates()
    for seconds in range(1, 101):
        estimates.learn(HD._replace(frames=24 * seconds), float(seconds))

    found = estimates.of_function("proxy", "here")

    assert found is not None
    assert found.quantile(0.5) == pytest.approx(50, abs=1)
    assert found.quantile(0.99) == pytest.approx(99, abs=1)
    assert estimates.of_function("ladder", "here") is None


def test_clips_of_a_place_whose_clips_took_longer_are_expected_to_take_longer_too() -> None:
    estimates = Estimates()
    for number in range(40):
        frames = 24 + number
        estimates.learn(HD._replace(frames=frames, place="/roll/calm"), 0.10 * frames)
        estimates.learn(HD._replace(frames=frames, place="/roll/busy"), 0.14 * frames)

    calm, busy, new = (
        estimates.expects(HD._replace(frames=50, place=place))
        for place in ("/roll/calm", "/roll/busy", "/new")
    )

    assert calm == pytest.approx(5.0, rel=0.1)
    assert busy == pytest.approx(7.0, rel=0.1)
    assert calm < new < busy


def test_places_of_which_little_was_seen_are_one_and_no_more_than_a_dozen_are_told_apart() -> None:
    runs = [
        Seen((("start", 1.0), (f"place/{place}", 2.0)), 1.0)
        for place in range(20)
        for _ in range(2 if place < 4 else 3 + place)
    ]

    names = [name for one in told_apart(runs) for name, _ in one.parts if name != "start"]

    assert len(set(names) - {"place/"}) == MOST_PLACES
    assert {f"place/{place}" for place in range(4)}.isdisjoint(names)
    assert len(names) == len(runs)


def test_what_is_far_longer_than_all_that_was_seen_is_known_less_well() -> None:
    estimates = Estimates()
    for frames in range(1, 100):
        estimates.learn(HD._replace(frames=frames), 0.1 * frames)

    seen, beyond = (estimates.estimate(HD._replace(frames=frames)) for frames in (50, 100_000))

    assert beyond.mean == pytest.approx(10_000, rel=0.1)
    assert beyond.doubt > 5 * seen.doubt
    assert beyond.mean_interval.high > 2 * beyond.mean


@pytest.mark.parametrize("spread", [0.05, 0.3, 0.6])
def test_a_99th_percentile_is_exceeded_by_about_one_in_a_hundred(spread: float) -> None:
    exceeded = 0
    for seed in range(8):
        draw = random.Random(seed)  # noqa: S311
        estimates = _says(10.0)
        for _ in range(MOST_RUNS):
            estimates.learn(HD, 10.0 * exp(draw.gauss(0, spread)))
        estimate = estimates.estimate(HD)
        exceeded += sum(10.0 * exp(draw.gauss(0, spread)) > estimate.at_most(0.99) for _ in range(500))

    assert exceeded <= 0.018 * 8 * 500


@given(runs=st.integers(0, 40), part=st.floats(0, 1))
@settings(max_examples=30)
def test_bounds_of_a_quantile_are_in_order(runs: int, part: float) -> None:
    estimates = Estimates()
    for number in range(runs):
        estimates.learn(HD, 5.0 + number)

    low, likely, high = estimates.estimate(HD).interval(part)

    assert low <= likely <= high


def test_after_thirty_runs_estimates_are_nearly_as_good_as_content_that_differs_by_a_tenth_allows() -> None:
    errors: list[float] = []
    for seed in range(20):  # of one draw alone, one in some hundred is off by more
        draw = random.Random(seed)  # noqa: S311
        estimates = Estimates()

        def took(work: WorkTraits, draw: random.Random = draw) -> float:
            return (0.3 + 0.01 * work.frames) * exp(draw.gauss(0, 0.1))

        works = [HD._replace(frames=draw.randrange(48, 480)) for _ in range(230)]
        for work in works[:30]:
            estimates.learn(work, took(work))
        errors += [abs(estimates.expects(work) / took(work) - 1) for work in works[30:]]

    errors.sort()

    assert errors[len(errors) // 2] <= 0.10
    assert errors[len(errors) * 9 // 10] <= 0.20


@settings(max_examples=30)
@given(
    learnt=st.lists(st.tuples(st.integers(1, 500), st.floats(0.01, 100)), max_size=30),
    asked=st.lists(st.integers(1, 500), max_size=40),
)
def test_grouped_works_are_all_there_and_take_together_what_each_takes(
    learnt: list[tuple[int, float]], asked: list[int]
) -> None:
    estimates = _says(2.0)
    for frames, seconds in learnt:
        estimates.learn(HD._replace(frames=frames), seconds)
    works = [HD._replace(frames=frames) for frames in asked]

    groups = estimates.grouped(works)

    assert sum(count for count, _ in groups) == len(works)
    together = sum(count * estimate.mean for count, estimate in groups)
    assert together == pytest.approx(sum(estimates.estimate(work).mean for work in works), rel=1e-6)


def test_memory_is_bounded_and_what_is_used_stays() -> None:
    estimates = Estimates()
    estimates.learn(HD, 10.0)
    for number in range(MOST_LEVELS):
        estimates.learn(WorkTraits(f"f{number}", "here"), 1.0)
        if number % 100 == 0:
            estimates.learn(HD, 10.0)

    assert len(estimates._levels) == MOST_LEVELS
    assert estimates.estimate(HD).runs > 20


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_nonsense_is_not_learnt(seconds: float) -> None:
    estimates = Estimates()
    estimates.learn(HD, seconds)

    assert estimates.estimate(HD).runs == 0
