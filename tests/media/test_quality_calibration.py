"""What a device's quality values are worth, measured here; and that a measurement beats somebody's word."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from standin.fakes import FakeDevice, MakeStandIn

from rushes.media.describing.inspection import describe
from rushes.media.devices.capability import Capability, Finding, SeenDevice
from rushes.media.devices.known_host import known_host
from rushes.media.devices.probe_cache import keep_quality_curves, probe, quality_curves
from rushes.media.measuring.quality_calibration import calibrate_quality, translated
from rushes.media.profile import Profile
from rushes.media.quality.curves import QualityCurve, load_curves, with_own
from rushes.media.quality.interpolation import falling
from rushes.media.quality.same_quality import SameQuality
from rushes.media.quality.scale import curve_for, quality_for, scale_of
from rushes.media.running.builds import VARIABLE, find_build

_NVENC = Capability(
    (),
    {},
    (SeenDevice("nvenc", 0),),
    (Finding("nvenc", "nvenc:0", "h264_nvenc", "h264", 8, works=True),),
    "key",
    0.0,
)


def own(encoder: str = "h264_nvenc", shift: float = 0.0) -> QualityCurve:
    points = ((15.0, 97.0 + shift), (23.0, 93.0 + shift), (31.0, 84.0 + shift), (39.0, 65.0 + shift))
    return QualityCurve(
        encoder, "", 720, falling(points), ((15.0, 2.0), (39.0, 0.2)), measured=True, source="measured"
    )


def test_two_values_that_look_the_same_are_worth_the_same() -> None:
    average = falling([(18, 96.0), (23, 93.0), (28, 87.0), (34, 74.0)])
    ruler = [(18.0, 90.0, 400), (23.0, 80.0, 200), (28.0, 70.0, 100), (34.0, 55.0, 50)]
    device = [(20.0, 90.0, 500), (30.0, 70.0, 120)]

    found = translated(device, ruler, average)

    assert [value for value, _, _ in found] == [20.0, 30.0]
    assert [vmaf for _, vmaf, _ in found] == pytest.approx([96.0, 87.0], abs=0.01)
    assert [ratio for _, _, ratio in found] == [2.5, 0.6]


def test_what_the_ruler_does_not_reach_tells_nothing() -> None:
    average = falling([(18, 96.0), (28, 87.0)])

    assert translated([(10.0, 99.0, 9), (40.0, 40.0, 1)], [(18.0, 90.0, 4), (28.0, 70.0, 2)], average) == []


def test_a_device_is_measured_beside_software_on_the_same_pictures(
    standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch, clip: Callable[[str], Path]
) -> None:
    fake = standin([FakeDevice("nvenc")])
    monkeypatch.setenv(VARIABLE, fake.setting)

    (curve,) = calibrate_quality(
        _NVENC, find_build, clips=[clip("faststart.mp4")], heights=(180,), day="2026-01-31"
    )

    assert (curve.encoder, curve.height, curve.measured) == ("h264_nvenc", 180, True)
    assert curve.source == "measured on this host (nvenc:0) beside libx264, 2026-01-31 with 1 clip(s)"
    assert curve.vmaf.best > 85
    assert curve.vmaf.best > curve.vmaf.worst
    assert len(curve.bits) == len(curve.vmaf.points)
    assert len(fake.calls()) == 5


def test_an_encoder_that_fails_in_its_trials_has_no_curve(
    standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch, clip: Callable[[str], Path]
) -> None:
    monkeypatch.setenv(VARIABLE, standin([FakeDevice("nvenc", open_error="sessions")]).setting)

    assert calibrate_quality(_NVENC, find_build, clips=[clip("faststart.mp4")], heights=(180,)) == []


def test_a_host_without_devices_has_nothing_to_measure() -> None:
    software = Capability(
        (), {}, (), (Finding("software", "cpu", "libx264", "h264", 8, works=True),), "key", 0.0
    )

    assert calibrate_quality(software, find_build) == []


# -- a measurement beats somebody's word -------------------------------------------------------------------


def test_what_was_measured_here_takes_the_place_of_an_estimate_and_of_nothing_else() -> None:
    curves = with_own([own()])

    assert quality_for("h264_nvenc", None, 93.0, 720, curves=curves).measured
    assert quality_for("h264_nvenc", None, 93.0, 720, curves=curves).value == 23
    assert not quality_for("h264_nvenc", None, 93.0, 720).measured
    assert not quality_for("hevc_nvenc", None, 93.0, 720, curves=curves).measured
    assert [c for c in curves if c.encoder == "libx264"] == [
        c for c in load_curves() if c.encoder == "libx264"
    ]


def test_a_device_is_given_the_value_that_was_measured(clip: Callable[[str], Path]) -> None:
    info = describe(clip("faststart.mp4"))
    profile = Profile.model_validate({"video": {"codec": "h264", "quality": 23}})
    better = SameQuality(profile, info, with_own([own(shift=2.0)]))
    as_told = SameQuality(profile, info)

    value = better.spelt(profile, "h264_nvenc").video.quality

    assert value is not None
    assert value != as_told.spelt(profile, "h264_nvenc").video.quality
    expected = better.expected(profile)
    assert expected["h264_nvenc"] == pytest.approx(expected["libx264"], abs=1.0)


def test_an_encoder_that_nobody_has_said_anything_of_is_usable_once_it_was_measured() -> None:
    curves = with_own([own("av1_qsv")])

    assert (scale_of("av1_qsv").low, scale_of("av1_qsv").high) == (1, 51)
    assert curve_for("av1_qsv", None, 720, curves=curves)[0].measured


def test_curves_are_kept_with_the_probe_that_they_are_of(
    standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, standin([FakeDevice("nvenc")]).setting)
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path))
    found = probe(os.environ, 1000.0)

    keep_quality_curves(os.environ, found.key, [own()])

    (kept,) = known_host(os.environ, 1001.0).worth
    assert kept.to_json() == own().to_json()
    assert quality_curves(os.environ, "another key") == ()


def test_a_curve_that_cannot_be_read_is_none() -> None:
    data = json.loads(json.dumps(own().to_json()))

    assert QualityCurve.from_json(data).to_json() == own().to_json()
    with pytest.raises(ValueError, match="no quality curve"):
        QualityCurve.from_json({key: value for key, value in data.items() if key != "points"})
