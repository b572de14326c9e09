"""A device fails in the middle of real encodes, and another encoder makes the file: never silently.

The devices are a stand-in's; the failures are texts of real drivers and cards, the files are real.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from standin.fakes import FakeDevice, StandIn

from rushes.asset import Asset
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.media.devices.known_host import known_host
from rushes.media.devices.probe_cache import probe
from rushes.media.devices.tries import KnownHost
from rushes.media.encoders import FAMILIES
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.encoding.means import Means, WishSpelling
from rushes.media.planning.choice import EncoderChoice, parse_choice
from rushes.media.profile import Profile
from rushes.media.running.builds import VARIABLE, bundled_ffmpeg

_SMALL = {"codec": "h264", "speed": "ultrafast", "width": 256, "height": 144}
_PROFILE = Profile.model_validate({"video": _SMALL, "audio": {"codec": "none"}})

Make = Callable[..., Encoded]


@pytest.fixture
def make(clip: Callable[[str], Path], tmp_path: Path) -> Make:
    """Encodes a clip of 75 frames, by the families that are chosen."""

    def run(choice: EncoderChoice, profile: Profile = _PROFILE, source: str = "faststart.mp4") -> Encoded:
        return encode(Asset.of(clip(source)), tmp_path / "out.mp4", profile, means=Means(choice))

    return run


def told(made: Encoded) -> list[tuple[str, str, str, str]]:
    return [(one.device, one.encoder, one.outcome, one.code) for one in made.tried]


@pytest.mark.parametrize(
    ("family", "encoder"),
    [("nvenc", "h264_nvenc"), ("netint", "h264_ni_quadra_enc"), ("ama", "h264_ama"), ("qsv", "h264_qsv")],
)
def test_each_family_makes_the_same_frames(
    devices: Callable[..., StandIn], make: Make, family: str, encoder: str
) -> None:
    fake = devices(FakeDevice(family))

    made = make(parse_choice(family, "forbid"))

    assert (made.family, made.encoder, made.frames) == (family, encoder, 75)
    assert len(fake.calls()) == 1, "the device made it, at its first try"
    assert told(made) == [(f"{family}:0", encoder, "made", "")]
    assert made.warnings == ()


@pytest.mark.parametrize(
    "case",
    [
        ("nvenc", "sessions", "encoder-busy", "The GPU has no free encoder session or memory"),
        ("nvenc", "no-codec", "encoder-unsupported", "The GPU's encoder cannot do this format"),
        ("nvenc", "no-driver", "no-device", "This machine has no NVIDIA driver"),
        ("nvenc", "gpu-lost", "device-sick", "The GPU cannot be reached"),
        ("netint", "ni-busy", "encoder-busy", "The encoder card has no free session"),
        ("netint", "ni-sick", "device-sick", "The encoder card reported a fault"),
        ("netint", "ni-unsupported", "encoder-unsupported", "The encoder card cannot do this format"),
        ("qsv", "mfx", "no-device", "This machine has no such hardware encoder"),
        ("vaapi", "no-display", "no-device", "This machine has no such hardware encoder"),
    ],
    ids=lambda case: f"{case[0]}-{case[1]}",
)
def test_software_makes_what_a_device_refuses_and_the_result_says_why(
    devices: Callable[..., StandIn], make: Make, case: tuple[str, str, str, str]
) -> None:
    family, says, code, reason = case
    devices(FakeDevice(family, open_error=says))
    # VA-API has no presets: a wish for one is refused before anything has run.
    video = {key: value for key, value in _SMALL.items() if key != "speed"}
    profile = Profile.model_validate({"video": video, "audio": {"codec": "none"}})

    made = make(parse_choice(family), profile)

    assert (made.family, made.encoder, made.frames) == ("software", "libx264", 75)
    assert made.tried[0].family == family
    assert (made.tried[0].outcome, made.tried[0].code) == ("failed", code)
    assert made.tried[0].reason.startswith(reason)
    assert made.tried[-1].outcome == "made"
    assert reason in made.warnings[0]


def test_a_card_that_is_lost_in_the_middle_leaves_no_half_and_software_starts_over(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    devices(FakeDevice("netint", fault="ni-recovery", after=20))

    made = make(parse_choice("netint"))

    assert (made.encoder, made.frames) == ("libx264", 75)
    assert made.tried[0].code == "device-sick"
    assert len(made.commands) == 2, "what was run in vain is told and counted too"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".mp4") == ["out.mp4"]


def test_one_family_after_another_is_tried_in_the_callers_order(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions"), FakeDevice("netint"))

    made = make(parse_choice("nvenc,netint,software"))

    assert made.family == "netint"
    assert [one.family for one in made.tried if one.outcome != "made"] == ["nvenc"]


def test_a_source_that_the_device_cannot_decode_is_decoded_in_software_for_the_same_device(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(FakeDevice("nvenc", open_error="cuvid", open_error_times=1))

    made = make(parse_choice("nvenc", "forbid"))

    assert made.family == "nvenc"
    assert [(one.decoder, one.outcome, one.code) for one in made.tried] == [
        ("device", "failed", "device-decode"),
        ("software", "made", ""),
    ]
    assert made.warnings == (), "no other encoder stepped in"


@pytest.mark.parametrize("family", ["nvenc", "netint", "ama", "qsv", "vaapi"])
def test_each_family_decodes_and_scales_on_its_device_where_it_reads_the_source(
    devices: Callable[..., StandIn], make: Make, family: str
) -> None:
    fake = devices(FakeDevice(family))
    profile = Profile.model_validate(
        {"video": {"codec": "h264", "width": 256, "height": 144}, "audio": {"codec": "none"}}
    )

    made = make(parse_choice(family, "forbid"), profile)

    scaler = FAMILIES[family].decode.scale  # type: ignore[union-attr]
    assert (made.frames, made.tried[-1].decoder) == (75, "device")
    (call,) = fake.calls()
    assert any(f"{scaler}=" in word for word in call["argv"])


@pytest.mark.parametrize("family", ["nvenc", "netint", "ama", "qsv", "vaapi"])
def test_each_family_tries_again_with_the_processor_decoding(
    devices: Callable[..., StandIn], make: Make, family: str
) -> None:
    fake = devices(FakeDevice(family, open_error="cuvid", open_error_times=1))
    profile = Profile.model_validate(
        {"video": {"codec": "h264", "width": 256, "height": 144}, "audio": {"codec": "none"}}
    )

    made = make(parse_choice(family, "forbid"), profile)

    assert [(one.decoder, one.outcome) for one in made.tried] == [("device", "failed"), ("software", "made")]
    (call,) = fake.calls()
    assert "-hwaccel" not in call["argv"]


def test_where_falling_back_is_forbidden_the_devices_error_stands_with_what_was_tried(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions"))

    with pytest.raises(PlatformError) as failed:
        make(parse_choice("nvenc", "forbid"))

    assert failed.value.code == "encoder-busy"
    assert [one["outcome"] for one in failed.value.details["tried"]] == ["failed"]
    assert not (tmp_path / "out.mp4").exists()


def test_a_device_that_nobody_named_is_not_tried(make: Make) -> None:
    with pytest.raises(PlatformError, match="this host was not probed") as failed:
        make(parse_choice("netint", "forbid"))

    assert failed.value.code == "no-encoder"


def test_a_wish_that_a_device_cannot_take_is_made_in_software_before_anything_ran(
    devices: Callable[..., StandIn], make: Make
) -> None:
    fake = devices(FakeDevice("nvenc"))
    profile = Profile.model_validate(
        {"video": {**_SMALL, "encoder_options": {"rc-lookahead": "5", "deblock": "1,1"}}}
    )

    made = make(parse_choice("nvenc"), profile)

    assert made.encoder == "libx264"
    assert fake.calls() == []
    assert {one.outcome for one in made.tried if one.family == "nvenc"} == {"refused"}
    assert "has no allowed option 'deblock'" in made.tried[0].reason


def test_a_wish_that_nothing_can_take_is_the_callers_error(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(FakeDevice("nvenc"))

    with pytest.raises(CallerError, match=r"libx264.*has no speed 'warp'"):
        make(parse_choice("nvenc"), Profile.model_validate({"video": {**_SMALL, "speed": "warp"}}))


def test_a_profile_may_be_spelt_anew_for_each_encoder(
    devices: Callable[..., StandIn], clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions"))
    asked = []

    def spelt(profile: Profile, encoder: str) -> Profile:
        asked.append(encoder)
        quality = {"h264_nvenc": 27, "libx264": 24}[encoder]
        return profile.model_copy(update={"video": profile.video.model_copy(update={"quality": quality})})

    made = encode(
        Asset.of(clip("prores.mov")),
        tmp_path / "out.mp4",
        _PROFILE,
        means=Means(parse_choice("nvenc")),
        spelling=WishSpelling(spelt),
    )

    assert asked == ["h264_nvenc", "libx264"]
    assert made.argv[made.argv.index("-crf") + 1] == "24"


# -- what a probe has found ----------------------------------------------------------------------------------


def test_once_a_probe_has_found_a_device_an_encode_by_any_encoder_uses_it(
    devices: Callable[..., StandIn],
    clip: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = devices(FakeDevice("nvenc"))
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path / "home"))
    before = known_host(os.environ, 1000.0)
    probe(os.environ, 1000.0)
    trials = len(fake.calls())

    host = known_host(os.environ, 1001.0)
    made = encode(Asset.of(clip("prores.mov")), tmp_path / "out.mp4", _PROFILE, means=Means(host=host))

    assert before.capability is None
    assert host.capability is not None
    assert (made.family, made.encoder, made.frames) == ("nvenc", "h264_nvenc", 75)
    assert len(fake.calls()) == trials + 1


def test_a_probe_of_another_build_is_forgotten(
    devices: Callable[..., StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices(FakeDevice("nvenc"))
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path / "home"))
    probe(os.environ, 1000.0)
    monkeypatch.delenv(VARIABLE)

    assert known_host(os.environ, 1001.0) == KnownHost()


# -- the real thing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "driver", "says"),
    [
        ("nvenc", "/proc/driver/nvidia", "This machine has no NVIDIA driver."),
        ("qsv", "/dev/dri", "This machine has no such hardware encoder: "),
        ("vaapi", "/dev/dri", "This machine has no such hardware encoder: "),
    ],
)
def test_a_real_build_that_lists_an_encoder_falls_back_honestly_where_no_device_is(
    make: Make, monkeypatch: pytest.MonkeyPatch, family: str, driver: str, says: str
) -> None:
    if Path(driver).exists():
        pytest.skip(f"this machine has {driver}")
    monkeypatch.setenv(VARIABLE, f"{family}={bundled_ffmpeg()}")
    profile = Profile.model_validate({"video": {"codec": "h264", "height": 144}, "audio": {"codec": "none"}})

    made = make(parse_choice(family), profile, "long-gop.mkv")

    assert (made.family, made.encoder, made.frames) == ("software", "libx264", 75)
    assert [one.outcome for one in made.tried[-2:]] == ["failed", "made"]
    assert made.tried[-2].reason.startswith(says)
    assert made.warnings[0].endswith("; libx264 did")


def test_software_alone_never_looks_for_a_device(devices: Callable[..., StandIn], make: Make) -> None:
    fake = devices(FakeDevice("nvenc"))

    made = make(parse_choice("software"))

    assert told(made) == [("cpu", "libx264", "made", "")]
    assert fake.calls() == []


def test_an_error_of_a_source_never_falls_back(devices: Callable[..., StandIn], tmp_path: Path) -> None:
    fake = devices(FakeDevice("nvenc"))
    hollow = tmp_path / "hollow.mp4"
    hollow.write_bytes(b"\0" * 4096)

    with pytest.raises(RushesError) as failed:
        encode(Asset.of(hollow), tmp_path / "out.mp4", _PROFILE, means=Means(parse_choice("nvenc")))

    assert failed.value.code == "not-media"
    assert fake.calls() == []
