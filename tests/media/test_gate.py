"""The parity gate: what steps in for another encoder is measured, told, and refused where it is not enough.

The devices are a stand-in's; the pictures and what is measured of them are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, StandIn

from rushes.asset import Asset
from rushes.errors import Cancelled, PlatformError
from rushes.media.describing.inspection import describe
from rushes.media.devices.tries import KnownHost
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.encoding.means import Means, WishSpelling
from rushes.media.measuring.gate import QualityGate, measuring_build, picture_bit_rate
from rushes.media.planning.choice import parse_choice
from rushes.media.profile import Profile
from rushes.media.quality.parity import Delivered, Parity, Promise, falls_short, promise_of_samples
from rushes.media.running.builds import VARIABLE, find_build
from rushes.media.running.process import Supervision

_SMALL = {"codec": "h264", "speed": "ultrafast", "width": 160, "height": 90}

Make = Callable[..., Encoded]


def wish(**video: Any) -> Profile:
    return Profile.model_validate({"video": {**_SMALL, **video}, "audio": {"codec": "none"}})


@pytest.fixture
def make(clip: Callable[[str], Path], tmp_path: Path) -> Make:
    """Encodes a clip through the gate; `values` is the quality that each encoder is given."""

    def run(
        encoder: str,
        fallback: str | float = "allow",
        *,
        promise: Promise = Promise(),  # noqa: B008 - frozen
        values: dict[str, float] | None = None,
        always: bool = False,
        profile: Profile | None = None,
    ) -> Encoded:
        source = Asset.of(clip("faststart.mp4"))
        choice = parse_choice(encoder, fallback)
        values = values or {}

        def spelt(given: Profile, name: str) -> Profile:
            if name not in values:
                return given
            return given.model_copy(
                update={"video": given.video.model_copy(update={"quality": values[name]})}
            )

        return encode(
            source,
            tmp_path / "out.mp4",
            profile or wish(quality=18),
            means=Means(
                choice,
                KnownHost(
                    named=frozenset({"nvenc", "netint"}),
                    quality={"libx264": 99.0, **dict.fromkeys(_NI, 99.0)},
                ),
            ),
            spelling=WishSpelling(
                spelt, QualityGate(source, describe(source), promise, choice, always=always)
            ),
        )

    return run


_NI = ("h264_ni_quadra_enc",)
_BUSY = FakeDevice("nvenc", open_error="sessions")


def test_what_was_meant_to_make_it_is_not_measured(devices: Callable[..., StandIn], make: Make) -> None:
    devices(FakeDevice("nvenc"))

    assert make("nvenc").quality is None


def test_what_steps_in_is_measured_against_the_promise(devices: Callable[..., StandIn], make: Make) -> None:
    devices(_BUSY)

    made = make("nvenc", promise=Promise(vmaf=95.0, vmaf_slack=6.0, basis="curve"))

    assert made.family == "software"
    assert made.quality is not None
    assert made.quality.within is True
    assert made.quality.measured.vmaf is not None
    assert made.quality.measured.vmaf > 89
    assert made.quality.measured.psnr_y_db is not None
    assert made.quality.measured.bit_rate is not None
    assert made.quality.measured.frames == 75
    assert made.quality.least is None


def test_a_promise_that_is_missed_is_told_and_the_result_kept_where_any_fallback_is_allowed(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    devices(_BUSY)

    made = make("nvenc", promise=promise_of_samples(95.0), values={"libx264": 45.0})

    assert made.quality is not None
    assert made.quality.within is False
    assert any("below the 95.0 that was promised" in warning for warning in made.warnings)
    assert (tmp_path / "out.mp4").exists()


def test_a_fallback_below_what_is_asked_of_one_fails_its_try_and_the_next_one_makes_it(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(_BUSY, FakeDevice("netint"))

    made = make("nvenc,netint,software", 90.0, values={"h264_ni_quadra_enc": 51.0, "libx264": 16.0})

    assert made.encoder == "libx264"
    missed = next(one for one in made.tried if one.family == "netint" and one.outcome == "failed")
    assert missed.code == "quality-missed"
    assert "reached a VMAF of" in missed.reason
    assert made.quality is not None
    assert made.quality.least == 90.0


def test_where_no_fallback_is_good_enough_nothing_is_left_behind(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    devices(_BUSY)

    with pytest.raises(PlatformError, match="90 is asked of a fallback") as missed:
        make("nvenc", 90.0, values={"libx264": 51.0})

    assert missed.value.code == "quality-missed"
    assert missed.value.details["quality"]["measured"]["vmaf"] < 80
    assert [one["outcome"] for one in missed.value.details["tried"]] == ["failed", "failed"]
    assert not (tmp_path / "out.mp4").exists()


def test_a_bit_rate_that_was_wished_is_compared_too(devices: Callable[..., StandIn], make: Make) -> None:
    devices(_BUSY)

    made = make("nvenc", promise=Promise(bit_rate=100_000.0), profile=wish(bitrate="400k"))

    assert made.quality is not None
    assert made.quality.within is False
    assert any("the bit rate is" in reason for reason in made.quality.reasons)


def test_a_check_that_is_asked_for_measures_whatever_made_it(make: Make) -> None:
    made = make("software", always=True)

    assert made.quality is not None
    assert made.quality.within is None, "nothing was promised"
    assert made.quality.measured.vmaf is not None


def test_a_promise_made_for_another_encoder_is_checked_though_nothing_failed(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(FakeDevice("nvenc"))

    made = make("nvenc", promise=promise_of_samples(95.0, encoder="libx264"))

    assert made.encoder == "h264_nvenc"
    assert made.quality is not None
    assert made.quality.promised.encoder == "libx264"


def test_frames_that_are_no_pairs_are_not_compared_and_that_is_told(make: Make) -> None:
    made = make("software", always=True, profile=wish(quality=18, frame_rate="12"))

    assert made.quality is not None
    assert made.quality.within is None
    assert made.quality.reasons == ("VMAF was not measured: its frames are not the source's, one by one",)
    assert made.quality.measured.bit_rate is not None


def test_a_result_that_cannot_be_measured_is_kept_and_says_why(make: Make) -> None:
    made = make("software", always=True, profile=wish(quality=18, width=42, height=24))

    assert made.frames == 75
    assert made.quality is not None
    assert made.quality.measured.vmaf is None
    assert "VMAF looks at a picture at a sixteenth of its size too" in made.quality.reasons[0]


def test_a_cancel_while_it_is_measured_is_a_cancel(
    devices: Callable[..., StandIn], clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(_BUSY)
    source, choice = Asset.of(clip("faststart.mp4")), parse_choice("nvenc")
    stopped = QualityGate(
        source, describe(source), Promise(), choice, supervision=Supervision(cancelled=lambda: True)
    )

    with pytest.raises(Cancelled):
        encode(
            source,
            tmp_path / "out.mp4",
            wish(quality=18),
            means=Means(choice),
            spelling=WishSpelling(gate=stopped),
        )

    assert not (tmp_path / "out.mp4").exists()


def test_a_constant_rate_wished_of_a_clip_that_has_one_converts_nothing(make: Make) -> None:
    made = make("software", always=True, profile=wish(quality=18, cfr=True))

    assert made.quality is not None
    assert made.quality.measured.vmaf is not None


@pytest.mark.needs("ffmpeg")
def test_a_build_without_vmaf_is_measured_with_the_bundled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/usr/bin/ffmpeg")

    assert measuring_build() == find_build(environ={})


def test_a_picture_s_bit_rate_leaves_the_sound_out(clip: Callable[[str], Path]) -> None:
    whole = clip("faststart.mp4")

    found = picture_bit_rate(whole)

    assert found is not None
    assert 0 < found < whole.stat().st_size * 8 / 3
    assert picture_bit_rate(clip("sound.wav")) is None


@pytest.mark.parametrize(
    ("vmaf", "least", "short"),
    [(92.4, 93.0, False), (91.9, 93.0, True), (None, 93.0, False), (20.0, None, False)],
)
def test_a_fallback_may_be_a_sample_s_error_below_what_is_asked(
    vmaf: float | None,
    least: float | None,
    short: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert falls_short(Parity.of(Promise(), Delivered(vmaf=vmaf), least=least)) is short


def test_what_the_receipt_says_is_json() -> None:
    found = Parity.of(promise_of_samples(93.0), Delivered(vmaf=91.0, bit_rate=1e6), least=90.0)

    said = json.loads(json.dumps(found.to_dict()))

    assert said["promised"]["vmaf"] == 93.0
    assert (said["promised"]["basis"], said["promised"]["least_vmaf"]) == ("samples", 90.0)
    assert said["measured"]["vmaf"] == 91.0
    assert said["within"] is False
    assert "2.0 below the 93.0" in said["reasons"][0]
