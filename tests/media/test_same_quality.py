"""One constant quality on the scales of several encoders."""

from __future__ import annotations

import pytest

import make_media
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.profile import Profile, VideoWish
from rushes.media.quality.same_quality import SameQuality
from rushes.media.quality.scale import quality_for


@pytest.fixture
def info(media: make_media.Workshop) -> MediaInfo:
    return describe(media.get("h264.mp4"))


def wish(**video: object) -> Profile:
    return Profile(video=VideoWish.model_validate(video))


def test_the_codecs_software_encoder_gets_the_value_as_it_was_asked_for(info: MediaInfo) -> None:
    profile = wish(codec="h264", quality=21)

    assert SameQuality(profile, info).spelt(profile, "libx264") == profile


@pytest.mark.parametrize("quality", [18.0, 23.0, 28.0])
def test_a_device_gets_the_value_that_is_worth_as_much(info: MediaInfo, quality: float) -> None:
    profile = wish(codec="h264", quality=quality)
    same = SameQuality(profile, info)

    for_device = same.spelt(profile, "h264_nvenc").video.quality

    expected = same.expected(profile)
    assert for_device is not None
    assert expected["h264_nvenc"] == pytest.approx(expected["libx264"], abs=1.5)
    assert for_device == quality_for("h264_nvenc", None, expected["libx264"], 180).value


def test_a_wish_without_a_quality_is_left_alone(info: MediaInfo) -> None:
    profile = wish(codec="h264", bitrate="2M")
    same = SameQuality(profile, info)

    assert same.spelt(profile, "h264_nvenc") == profile
    assert same.expected(profile) == {}


def test_a_codec_without_a_scale_is_left_alone(info: MediaInfo) -> None:
    profile = Profile(container="mov", video=VideoWish(codec="prores"))

    assert SameQuality(profile, info).spelt(profile, "prores_ks") == profile
