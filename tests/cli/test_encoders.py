"""`rushes encoders`: a table that fits a terminal, and why the rest does not work."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from standin.fakes import FakeDevice, MakeStandIn, standin

from rushes.core.turns import Option
from rushes.media.devices.capability import SeenDevice
from rushes.media.devices.device_figures import card_device
from rushes.media.devices.ledger import open_ledger
from rushes.media.encoders.cards import card_of

Rushes = Callable[..., Result]
__all__ = ["standin"]


@pytest.fixture
def cards(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that cannot do AV1, and a card that is ill."""
    fake = standin([FakeDevice(codecs=("h264", "hevc")), FakeDevice("netint", open_error="ni-recovery")])
    monkeypatch.setenv("RUSHES_FFMPEG", fake.setting)


def test_the_table_fits_eighty_columns_and_says_each_reason(rushes: Rushes, cards: None) -> None:
    result = rushes("encoders")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines]
    assert ["software", "cpu", "libx264", "h264", "8/10"] in rows
    assert ["nvenc", "nvenc:0", "h264_nvenc", "h264", "8"] in rows
    assert ["nvenc", "nvenc:0", "hevc_nvenc", "hevc", "8/10"] in rows
    assert "nvenc:0  av1_nvenc (8/10 bits)" in lines
    assert "  The GPU's encoder cannot do this format: Codec not supported." in lines
    assert any("The encoder card reported a fault: VPU_RECOVERY" in line for line in lines)
    assert any("no AMD MA35D card is there" in line for line in lines)


def test_json_has_every_finding(rushes: Rushes) -> None:
    found = json.loads(rushes("encoders", "--json").stdout)

    assert found["schema"] == 1
    x264 = [one for one in found["findings"] if one["encoder"] == "libx264" and one["codec"] == "h264"]
    assert [(one["depth"], one["works"]) for one in x264] == [(8, True), (10, True)]
    assert found["curves"] == []


def test_what_was_found_is_not_tried_again_unless_it_is_asked_for(rushes: Rushes, rushes_home: Path) -> None:
    first = json.loads(rushes("encoders", "--json").stdout)

    again = json.loads(rushes("encoders", "--json").stdout)
    anew = json.loads(rushes("encoders", "--probe", "--json").stdout)

    assert again == first
    assert anew["probed_at"] > first["probed_at"]
    assert anew["thorough"]
    assert json.loads(rushes("encoders", "--cached", "--json").stdout) == anew


def test_doctor_says_what_was_found_and_tries_nothing(rushes: Rushes) -> None:
    before = rushes("doctor").stdout
    rushes("encoders")

    after = rushes("doctor").stdout

    assert "not tried yet" in before
    assert "work, on cpu" in after


def test_doctor_warns_of_a_device_on_which_nothing_works(
    rushes: Rushes, standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rushes.media.devices import probe_cache  # noqa: PLC0415 - its devices are replaced
    from rushes.media.devices.capability import SeenDevice  # noqa: PLC0415

    monkeypatch.setenv("RUSHES_FFMPEG", standin([FakeDevice(open_error="gpu-lost")]).setting)
    monkeypatch.setattr(probe_cache, "find_devices", lambda nodes: (SeenDevice("nvenc", 0, model="L4"),))
    rushes("encoders")

    assert "none on nvenc:0" in rushes("doctor").stdout


def test_nothing_cached_is_an_error_with_the_next_step(rushes: Rushes) -> None:
    result = rushes("encoders", "--cached")

    assert result.exit_code == 2
    assert "Leave --cached out" in result.stderr


def test_cached_and_probe_contradict_each_other(rushes: Rushes) -> None:
    assert rushes("encoders", "--cached", "--probe").exit_code == 2


def test_a_calibration_is_shown_from_then_on(rushes: Rushes, monkeypatch: pytest.MonkeyPatch) -> None:
    from rushes.media.devices import calibration  # noqa: PLC0415 - what it measures with is replaced
    from rushes.media.devices.capability import Curve, Point  # noqa: PLC0415

    def measured(found, build_of, say):  # type: ignore[no-untyped-def]
        curves = []
        for one in found.working("h264"):
            say(one)
            curves.append(Curve.fit(one, [Point(1920, 1080, 100, 1.0)]))
        return curves

    monkeypatch.setattr(calibration, "calibrate", measured)

    first = rushes("encoders", "--calibrate")
    later = rushes("encoders")

    assert "measuring libx264 (8 bits) on cpu" in first.stderr
    assert ["software", "cpu", "libx264", "h264", "8/10", "207.4"] in [
        one.split() for one in later.stdout.splitlines()
    ]


def test_each_device_says_how_it_stands(
    rushes: Rushes, standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_FFMPEG", standin([FakeDevice("nvenc")]).setting)
    seen = (
        SeenDevice("nvenc", 0, "/dev/nvidia0", "NVIDIA GeForce RTX 3060"),
        SeenDevice("nvenc", 1, "/dev/nvidia1"),
    )
    monkeypatch.setattr("rushes.media.devices.probe_cache.find_devices", lambda _: seen)
    ledger = open_ledger(os.environ)
    assert ledger is not None
    ledger.line_up().look([Option(card_device("nvenc:0", card_of("nvenc", seen[0].model)))], waited_s=0.0)
    ledger.failed("nvenc:1", "The GPU was lost.", gone=True)

    lines = rushes("encoders").stdout.splitlines()
    found = json.loads(rushes("encoders", "--cached", "--json").stdout)["standings"]

    assert "  ok, 1 of 3 in use" in lines
    assert any(line.startswith("  sick, 0 in use, The GPU was lost; tried again in ") for line in lines)
    assert (found["nvenc:0"]["state"], found["nvenc:1"]["state"]) == ("ok", "sick")
    assert found["nvenc:1"]["reason"] == "The GPU was lost."
