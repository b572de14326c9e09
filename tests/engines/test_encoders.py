"""What a function asks of encoders, and what its receipt says of those that were tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, MakeStandIn, standin

from rushes import CallerError, PlatformError, catalog
from rushes.media.builds import VARIABLE
from rushes.runtime.receipt import Receipt

__all__ = ["standin"]

FUNCTIONS = Path(__file__).with_name("on_device.py")
Media = Callable[[str], Path]


@pytest.fixture
def functions(rushes_home: Path) -> Callable[[str], Any]:
    return lambda name: catalog.find(f"{FUNCTIONS}:{name}")


def test_a_receipt_says_which_encoder_stepped_in_for_which_and_why(
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    standin: MakeStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = standin([FakeDevice(open_error="sessions")])
    monkeypatch.setenv(VARIABLE, fake.setting)

    made = functions("wishes")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    receipt = json.loads((tmp_path / "out" / "made.mp4.rushes.json").read_text())
    assert made.encoder == receipt["encoder"] == "libx264"
    missed, last = receipt["tried"]
    assert (missed["family"], missed["device"], missed["encoder"]) == ("nvenc", "nvenc:0", "h264_nvenc")
    assert (missed["outcome"], missed["code"]) == ("failed", "encoder-busy")
    assert missed["reason"] == "The GPU has no free encoder session or memory."
    assert (last["family"], last["device"], last["outcome"]) == ("software", "cpu", "made")
    assert any("NVIDIA NVENC did not make it" in warning for warning in receipt["warnings"])


def test_a_receipt_says_what_the_encoder_that_stepped_in_was_held_to_and_what_it_reached(
    functions: Callable[[str], Any],
    media: Media,
    tmp_path: Path,
    standin: MakeStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = standin([FakeDevice(open_error="sessions")])
    monkeypatch.setenv(VARIABLE, fake.setting)

    functions("promises")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    receipt = Receipt.read(tmp_path / "out" / "made.mp4.rushes.json")
    assert receipt.encoder == "libx264"
    assert receipt.quality is not None
    assert receipt.quality["promised"]["basis"] in {"curve", "estimate"}
    assert receipt.quality["promised"]["least_vmaf"] == 20
    assert receipt.quality["promised"]["vmaf"] > 90
    assert receipt.quality["measured"]["vmaf"] > 20
    assert receipt.quality["within"] in {True, False}


def test_a_function_that_insists_on_a_device_says_what_is_missing(
    functions: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    with pytest.raises(PlatformError, match="h264_nvenc: this host was not probed") as failed:
        functions("insists")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    assert failed.value.code == "no-encoder"
    assert not (tmp_path / "out" / "made.mp4").exists()


def test_a_family_that_is_none_is_refused_with_those_that_are(
    functions: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    with pytest.raises(CallerError, match="'nvidia' is no encoder family") as refused:
        functions("misspells")(str(media("h264.mp4")), out=str(tmp_path / "out"))

    assert "nvenc" in refused.value.fix


def test_a_receipt_that_names_its_encoders_alone_is_still_read() -> None:
    data = {
        "function": "proxy", "version": "1", "ref": "proxy", "source": {"uri": "/clips/A001.mov"},
        "tried": ["libx264"],
    }  # fmt: skip

    receipt = Receipt.model_validate(data)

    assert [(one.encoder, one.family, one.outcome) for one in receipt.tried] == [
        ("libx264", "software", "made")
    ]
