"""One scale of quality: interpolation, curves, the search's decisions, samples, the parity gate. All pure."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes import CallerError, Profile
from rushes.media.describing.schema import Container, MediaInfo, VideoStream
from rushes.media.encoders import VIDEO_ENCODERS
from rushes.media.quality.curves import load_curves
from rushes.media.quality.estimates import SCALES, Scale
from rushes.media.quality.interpolation import Falling, falling
from rushes.media.quality.levels import LEVELS, Level
from rushes.media.quality.parity import Delivered, Promise, judge, promise_of_average, promise_of_samples
from rushes.media.quality.sampling import place_samples, to_key_frames
from rushes.media.quality.scale import quality_for, resolve_quality, shown_height
from rushes.media.quality.search import MOST_TRIES, Settled, Try, next_step, prior_over

SOFTWARE = ("libx264", "libx265", "libsvtav1", "libvpx-vp9")
NOISY = st.lists(
    st.tuples(st.integers(0, 60), st.floats(0, 100)), min_size=2, max_size=8, unique_by=lambda p: p[0]
)


def info(width: int, height: int) -> MediaInfo:
    stream = VideoStream(index=0, width=width, height=height)
    return MediaInfo(name="a.mov", container=Container(format="mov", size_bytes=1), video=[stream])


# -- interpolation ------------------------------------------------------------------------------------------


@given(NOISY, st.floats(0, 60), st.floats(0, 60))
def test_a_curve_through_noisy_points_never_rises(
    points: list[tuple[float, float]], a: float, b: float
) -> None:
    curve = falling(points)

    assert curve.at(min(a, b)) >= curve.at(max(a, b)) - 1e-9


@given(NOISY, st.floats(0, 100))
def test_a_curve_read_back_gives_the_largest_value_that_is_good_enough(
    points: list[tuple[float, float]], y: float
) -> None:
    curve = falling(points)

    x = curve.solve(y)

    assert curve.low <= x <= curve.high
    if curve.worst < y <= curve.best:
        assert curve.at(x) >= y - 1e-6
        assert curve.at(min(curve.high, x + 0.01)) <= y + 1e-6 or curve.at(x) == pytest.approx(y, abs=1)


def test_a_curve_goes_through_its_points() -> None:
    points = ((18.0, 96.0), (23.0, 93.0), (28.0, 86.0), (40.0, 50.0))

    assert [Falling(points).at(x) for x, _ in points] == [y for _, y in points]


def test_points_that_rise_are_no_curve() -> None:
    with pytest.raises(ValueError, match="falling y"):
        Falling([(1, 5), (2, 6)])


# -- curves -------------------------------------------------------------------------------------------------


def test_every_curve_that_ships_falls_and_lies_within_its_encoders_scale() -> None:
    for curve in load_curves():
        scale = SCALES[curve.encoder]
        assert scale.low <= curve.vmaf.low < curve.vmaf.high <= scale.high, curve
        assert 0 <= curve.vmaf.worst < curve.vmaf.best <= 100, curve


def test_the_scales_are_those_of_the_encoders() -> None:
    rows = {row.name: row.quality for row in VIDEO_ENCODERS if row.quality is not None and row.inter}

    for name in SOFTWARE:
        quality = rows[name]
        assert quality is not None
        assert (SCALES[name].low, SCALES[name].high) == (quality.low, quality.high), name


@pytest.mark.parametrize("encoder", SOFTWARE)
def test_a_better_level_is_a_lower_value_and_more_bits(encoder: str) -> None:
    levels = [quality_for(encoder, None, level, 720) for level in get_args(Level)]

    assert all(a.value < b.value for a, b in pairwise(levels))
    assert all((a.bits_ratio or 0) > (b.bits_ratio or 0) for a, b in pairwise(levels))
    assert all(level.measured for level in levels)
    for level, found in zip(get_args(Level), levels, strict=True):
        assert found.expected_vmaf == pytest.approx(LEVELS[level], abs=1.0)


@given(st.sampled_from(sorted(SCALES)), st.floats(30, 97), st.integers(90, 4320))
def test_a_value_is_always_within_the_encoders_bounds_and_on_its_grid(
    encoder: str, vmaf: float, height: int
) -> None:
    try:
        found = quality_for(encoder, None, vmaf, height)
    except CallerError as error:
        assert error.code == "unreachable-quality"  # noqa: PT017
        return

    scale = SCALES[encoder]
    assert scale.low <= found.value <= scale.high
    assert (found.value / scale.step) % 1 == 0 or found.value == scale.high


def test_a_preset_that_was_not_measured_is_told_from_one_that_was() -> None:
    measured = quality_for("libx264", "veryfast", "high", 720)
    nearest = quality_for("libx264", "superfast", "high", 720)

    assert measured.measured
    assert not nearest.measured
    assert nearest.value == measured.value


def test_a_size_far_from_what_was_measured_is_an_estimate() -> None:
    assert not quality_for("libx264", "medium", "high", 2160).measured


@pytest.mark.parametrize("encoder", ["h264_nvenc", "av1_nvenc", "h265_ni_quadra_enc", "hevc_qsv", "h264_ama"])
def test_hardware_is_an_estimate_that_names_its_source(encoder: str) -> None:
    found = quality_for(encoder, "p4", 93.0, 1080)

    assert not found.measured
    assert found.source.startswith(("estimate:", "assumption:"))


def test_what_no_value_reaches_is_refused_with_the_best_there_is() -> None:
    with pytest.raises(CallerError, match=r"reaches a VMAF of 9\d\.\d on average") as raised:
        quality_for("libx264", "medium", 100.0, 720)

    assert raised.value.code == "unreachable-quality"
    assert raised.value.fix


@pytest.mark.parametrize("wish", [0.0, 101.0, -3.0, "best"])
def test_a_wish_that_is_no_quality_is_refused(wish: Any) -> None:
    with pytest.raises(CallerError) as raised:
        quality_for("libx264", None, wish, 720)

    assert raised.value.code == "bad-option"


def test_an_encoder_without_a_curve_is_refused() -> None:
    with pytest.raises(CallerError, match="prores_ks"):
        quality_for("prores_ks", None, "high", 720)


def test_a_level_takes_the_place_of_every_other_rate_control() -> None:
    row = next(row for row in VIDEO_ENCODERS if row.name == "libx265")
    profile = Profile.model_validate({"video": {"codec": "hevc", "bitrate": "8M"}})

    resolved = resolve_quality(profile, "high", info(1280, 720), row)

    assert resolved.video.bitrate is None
    assert resolved.video.quality == quality_for("libx265", "medium", "high", 720).value


@pytest.mark.parametrize(
    ("size", "wish", "height"),
    [
        ((1920, 1080), {}, 1080),
        ((1920, 800), {}, 1080),
        ((1080, 1920), {}, 1920),
        ((1920, 1080), {"height": 540}, 540),
        ((1920, 1080), {"width": 1280}, 720),
        ((3840, 2160), {"fraction": "1/4"}, 540),
    ],
)
def test_the_height_that_counts_is_that_of_the_result_as_if_it_were_16_to_9(
    size: tuple[int, int], wish: dict[str, Any], height: int
) -> None:
    profile = Profile.model_validate({"video": wish})

    assert shown_height(profile, info(*size)) == height


def test_a_file_of_curves_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "curves.json").write_text("{}", encoding="utf-8")

    with pytest.raises(CallerError, match="cannot be read") as raised:
        load_curves(tmp_path / "curves.json")

    assert raised.value.code == "bad-curves"


# -- the search ---------------------------------------------------------------------------------------------

CURVE = Falling([(0, 100), (12, 98.5), (18, 96.5), (23, 93), (28, 86), (34, 73), (40, 52), (51, 20)])
SCALE = Scale(0, 51, 0.25)


def run(truth: Falling, target: float, scale: Scale = SCALE) -> tuple[Settled, list[tuple[float, float]]]:
    tried: list[tuple[float, float]] = []
    while True:
        step = next_step(tried, CURVE, target, scale)
        if isinstance(step, Settled):
            return step, tried
        assert isinstance(step, Try)
        tried.append((step.value, truth.at(step.value)))
        assert len(tried) <= MOST_TRIES


@given(NOISY, st.floats(1, 100), st.sampled_from([0.25, 0.5, 1.0]))
def test_a_search_stays_in_bounds_tries_nothing_twice_and_ends(
    points: list[tuple[float, float]], target: float, step: float
) -> None:
    scale = Scale(1, 51, step)

    settled, tried = run(falling(points), target, scale)

    values = [value for value, _ in tried]
    assert len(set(values)) == len(values)
    assert all(1 <= value <= 51 for value in values)
    assert (settled.value, settled.vmaf) in tried
    assert abs(settled.vmaf - target) == min(abs(vmaf - target) for _, vmaf in tried)


@given(st.floats(-7, 7), st.floats(0.75, 1.35), st.floats(80, 96))
def test_a_search_finds_the_value_of_a_clip_that_is_harder_or_easier_than_the_average(
    shift: float, stretch: float, target: float
) -> None:
    truth = falling((23 + (x - 23) * stretch + shift, y) for x, y in CURVE.points)

    settled, _ = run(truth, target)

    assert settled.vmaf == pytest.approx(target, abs=1.0)


def test_a_clip_as_the_average_takes_one_try() -> None:
    settled, tried = run(CURVE, 93.0)

    assert len(tried) == 1
    assert settled.within


def test_a_target_beyond_the_scale_ends_at_its_bound_and_says_which() -> None:
    hard = Falling([(0, 90), (51, 10)])
    easy = Falling([(0, 100), (51, 99)])

    assert (run(hard, 97.0)[0].value, run(hard, 97.0)[0].limit) == (0, "best")
    assert (run(easy, 75.0)[0].value, run(easy, 75.0)[0].limit) == (51, "worst")


def test_steps_that_are_too_coarse_for_the_target_give_the_nearest() -> None:
    cliff = Falling([(1, 99), (31, 96), (32, 90), (51, 60)])

    settled, tried = run(cliff, 93.5, Scale(1, 51, 1))

    assert settled.value in {31, 32}
    assert not settled.within
    assert len(tried) < MOST_TRIES + 1


def test_a_prior_has_a_slope_beyond_what_was_measured() -> None:
    prior = prior_over(Falling([(12, 98), (23, 93), (40, 50)]), SCALE)

    assert prior.at(5) > 98
    assert prior.at(45) < 50
    assert (prior.low, prior.high) == (0, 51)


# -- samples ------------------------------------------------------------------------------------------------


def test_a_short_clip_is_its_own_sample() -> None:
    assert place_samples(250, 25.0) == [(0, 250)]


@given(st.integers(1, 400_000), st.floats(5, 120), st.sampled_from([None, 4]))
def test_samples_lie_within_the_clip_in_order_and_are_few(frames: int, rate: float, most: int | None) -> None:
    samples = place_samples(frames, rate, most=most)

    assert all(0 <= start < stop <= frames for start, stop in samples)
    assert all(a[1] <= b[0] for a, b in pairwise(samples))
    if frames / rate >= 60:
        assert sum(stop - start for start, stop in samples) <= frames * 0.1


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_samples_moved_to_key_frames_stay_apart_and_keep_their_length(keys: list[int]) -> None:
    samples = place_samples(5000, 25.0)

    moved = to_key_frames(samples, sorted(keys))

    assert [b - a for a, b in moved] == [b - a for a, b in samples]
    assert all(new <= old for (new, _), (old, _) in zip(moved, samples, strict=True))
    assert all(a[1] <= b[0] for a, b in pairwise(moved))


def test_a_sample_begins_with_the_key_frame_before_it() -> None:
    assert to_key_frames([(172, 202), (547, 577)], [0, 150, 300, 450, 546]) == [(150, 180), (546, 576)]


# -- parity -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("promise", "delivered", "kept", "said"),
    [
        (promise_of_samples(93, 5e6), Delivered(92.4, 5.2e6), True, []),
        (promise_of_samples(93), Delivered(91.2), False, ["1.8 below"]),
        (promise_of_samples(93), Delivered(95.5), True, ["bits are wasted"]),
        (promise_of_samples(93, 5e6), Delivered(93, 7e6), False, ["140 % of the 5.00 Mbit/s"]),
        (promise_of_samples(93, 5e6), Delivered(93, 3.2e6), True, ["64 % of the 5.00 Mbit/s"]),
        (promise_of_average(93, measured=True), Delivered(88), True, []),
        (promise_of_average(93, measured=True), Delivered(86), False, ["7.0 below"]),
        (promise_of_average(93, measured=False), Delivered(86), True, []),
        (Promise(psnr_y_db=42), Delivered(psnr_y_db=41), False, ["41.0 dB"]),
        (Promise(), Delivered(50, 1), True, []),
        (promise_of_samples(93), Delivered(), True, []),
    ],
)
def test_a_result_is_judged_by_what_was_promised(
    promise: Promise,
    delivered: Delivered,
    kept: bool,  # noqa: FBT001 - a column of the table
    said: list[str],
) -> None:
    verdict = judge(promise, delivered)

    assert verdict.kept is kept
    assert len(verdict.reasons) == len(said)
    assert all(words in reason for words, reason in zip(said, verdict.reasons, strict=True))
