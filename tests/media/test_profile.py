"""Profiles: what they read, what they refuse by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rushes.media.profile import Profile, VideoWish
from rushes_functions.presets import PRESETS, preset_profile
from rushes_functions.proxy import ProxyParams
from rushes_functions.transcode import TranscodeParams


@pytest.mark.parametrize(
    ("spoken", "exact"),
    [("25", "25"), ("23.976", "24000/1001"), (29.97, "30000/1001"), ("60000/1001", "60000/1001"), (24, "24")],
)
def test_a_spoken_frame_rate_becomes_exact(spoken: Any, exact: str) -> None:
    assert VideoWish(frame_rate=spoken).frame_rate == exact


@pytest.mark.parametrize(
    ("text", "bits"), [("8M", 8_000_000), ("800k", 800_000), (5000, 5000), ("1.5Mbps", 1_500_000)]
)
def test_a_bit_rate_is_read_as_people_write_it(text: Any, bits: int) -> None:
    assert VideoWish(bitrate=text).bitrate == bits


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"video": {"quality": 20, "bitrate": "8M"}}, "quality and bitrate exclude"),
        ({"video": {"quality": 20}, "target_size": "1GB"}, "quality and target_size exclude"),
        ({"video": {"fraction": "1/2", "height": 540}}, "fraction and width or height exclude"),
        ({"video": {"height": 540, "fit": "pad"}}, "needs both width and height"),
        ({"video": {"codec": "copy", "height": 540}}, "copy cannot change height"),
        ({"video": {"codec": "none", "burn_in": ["name"]}}, "none cannot change burn_in"),
        ({"audio": {"codec": "copy", "loudness": -23}}, "copy cannot change loudness"),
        ({"video": {"codec": "none"}, "audio": {"codec": "none"}}, "nothing would be left"),
        ({"video": {"burn_in": ["name", "name"]}}, "twice"),
        ({"video": {"tone_map": "hable", "colour": "bt2020"}}, "excludes colour=bt2020"),
        ({"video": {"frame_rate": "fast"}}, "no frame rate"),
        ({"video": {"frame_rate": "0"}}, "not above 0"),
        ({"video": {"fraction": "3/2"}}, "at most 1"),
        ({"video": {"crop": "10x10"}}, "WIDTH:HEIGHT:X:Y"),
        ({"video": {"bitrate": "lots"}}, "expected a bit rate"),
        ({"video": {"colour_matrix": "x"}}, "Extra inputs"),
    ],
)
def test_a_wish_that_contradicts_itself_is_refused(wishes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Profile.model_validate(wishes)


def test_equal_wishes_are_equal_profiles_in_any_spelling() -> None:
    one = Profile.model_validate({"video": {"bitrate": "8M", "frame_rate": "23.976"}})
    other = Profile.model_validate({"video": {"bitrate": 8_000_000, "frame_rate": "24000/1001"}})

    assert one == other
    assert one.model_dump_json() == other.model_dump_json()


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_a_profile_that_survives_json(preset: str) -> None:
    profile = preset_profile(PRESETS[preset], {})

    assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_an_override_replaces_the_presets_rate_control() -> None:
    profile = TranscodeParams(preset="streaming-h264", bitrate="8M").profile()

    assert profile.video.bitrate == 8_000_000
    assert profile.video.quality is None


def test_another_codec_drops_what_the_preset_said_of_the_old_one() -> None:
    profile = TranscodeParams(preset="prores-422hq", video="dnxhr").profile()

    assert (profile.video.codec, profile.video.variant) == ("dnxhr", None)


def test_overriding_never_changes_the_preset_itself() -> None:
    before = preset_profile(PRESETS["streaming-h264"], {})

    preset_profile(PRESETS["streaming-h264"], {"video.height": 90, "video.quality": 40})

    assert preset_profile(PRESETS["streaming-h264"], {}) == before


def test_lists_and_pairs_are_read_from_a_command_line() -> None:
    params = TranscodeParams.model_validate(
        {"burn_in": "name,timecode", "encoder_options": "tune=film,bf=3", "audio_tracks": "0,2"}
    )

    assert params.burn_in == ("name", "timecode")
    assert params.encoder_options == {"tune": "film", "bf": "3"}
    assert params.audio_tracks == (0, 2)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"height": 540, "fraction": "1/2"}, "exclude each other"),
        ({"codec": "prores_proxy", "container": "mp4"}, "not mp4"),
        ({"codec": "h264", "container": "mxf"}, "not mxf"),
    ],
)
def test_a_proxy_refuses_what_no_clip_can_give(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ProxyParams.model_validate(options)


def test_a_proxy_is_540_lines_high_unless_told() -> None:
    assert ProxyParams().profile().video.height == 540
    assert ProxyParams(fraction="1/4").profile().video.height is None
    assert ProxyParams(height=720).profile().video.height == 720
