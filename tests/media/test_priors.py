"""Before anything was run, the encoder catalogue says what an encode will take, and how far to trust it."""

from __future__ import annotations

import pytest

from rushes.core.learning.work import Encode
from rushes.media.devices.capability import Curve
from rushes.media.priors import prior_of, prior_of_all


def _curve(family: str = "software", codec: str = "h264", depth: int = 8) -> Curve:
    return Curve(family, "cpu", "libx264", codec, depth, per_pixel_s=1e-8, per_frame_s=1e-3, points=())


def test_what_was_measured_here_is_believed_before_what_is_published() -> None:
    measured = prior_of("h264", width=1920, height=1080, frames=100, curves=[_curve()])
    published = prior_of("h264", width=1920, height=1080, frames=100)

    assert measured is not None
    assert published is not None
    assert measured.seconds == pytest.approx(1e-8 * 1920 * 1080 * 100 + 0.1)
    assert (measured.basis, published.basis) == ("measured", "published")
    assert measured.spread < published.spread


def test_the_published_rate_of_eight_cores_is_that_of_eight_cores() -> None:
    eight = prior_of("h264", width=1920, height=1080, frames=473)
    two = prior_of("h264", width=1920, height=1080, frames=473, cores=2)

    assert eight is not None
    assert two is not None
    assert eight.seconds == pytest.approx(10, rel=0.1)  # 47.3 frames a second
    assert two.seconds == pytest.approx(4 * eight.seconds)


@pytest.mark.parametrize("curve", [_curve(family="nvenc"), _curve(codec="hevc"), _curve(depth=10)])
def test_a_curve_of_something_else_says_nothing(curve: Curve) -> None:
    prior = prior_of("h264", width=1920, height=1080, frames=100, curves=[curve])

    assert prior is not None
    assert prior.basis == "published"


def test_a_device_speaks_by_what_it_calls_itself() -> None:
    prior = prior_of("hevc", width=1920, height=1080, frames=100, family="nvenc", model="NVIDIA L4")

    assert prior is not None
    assert prior.basis == "second-hand"
    assert prior.spread > 2


@pytest.mark.parametrize(
    ("codec", "frames", "family", "model"),
    [("h264", 0, "software", ""), ("prores", 10, "software", ""), ("h264", 10, "nvenc", "H100")],
)
def test_where_the_catalogue_is_silent_there_is_no_prior(
    codec: str, frames: int, family: str, model: str
) -> None:
    assert prior_of(codec, width=640, height=360, frames=frames, family=family, model=model) is None


def test_several_encodes_take_what_each_takes_and_what_nobody_knows_counts_by_the_pixel() -> None:
    hd, small = Encode("h264", 1920, 1080, 100), Encode("h264", 640, 360, 100)
    both, each = prior_of_all([hd, small], cores=8), [prior_of_all([one], cores=8) for one in (hd, small)]
    with_other = prior_of_all([hd, Encode("cinepak", 1920, 1080, 100)], cores=8)

    assert both is not None
    assert both.seconds == pytest.approx(sum(one.seconds for one in each if one is not None))
    assert with_other is not None
    assert each[0] is not None
    assert with_other.seconds == pytest.approx(2 * each[0].seconds)
    assert prior_of_all([], cores=8) is None
    assert prior_of_all([Encode("cinepak", 64, 64, 1)], cores=8) is None
