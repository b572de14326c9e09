"""One encoder makes all parts of a clip: when a device fails at one of them, another encoder makes them all.

The devices are a stand-in's; the failures are texts of real drivers and cards, the files are real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, MakeStandIn, StandIn

from rushes.asset import Asset
from rushes.errors import PlatformError
from rushes.media.builds import VARIABLE
from rushes.media.choice import EncoderChoice, parse_choice
from rushes.media.chunked import encode_chunked
from rushes.media.cutting import Clip
from rushes.media.encode import Encoded, encode
from rushes.media.makers import Makers, SideBySide
from rushes.media.one_chunk import PartMade
from rushes.media.part_order import PartOrder
from rushes.media.process import Supervision
from rushes.media.profile import Profile

_PROFILE = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}})

Make = Callable[..., Encoded]


@pytest.fixture
def make(clip: Callable[[str], Path], tmp_path: Path) -> Make:
    """Encodes a clip of 75 frames in three parts, by the families that are chosen."""

    def run(choice: EncoderChoice, makers: Makers | None = None, **more: Any) -> Encoded:
        return encode_chunked(
            Asset.of(clip("faststart.mp4")),
            tmp_path / "out.mp4",
            _PROFILE,
            chunks=3,
            choice=choice,
            makers=makers,
            **more,
        )

    return run


@pytest.fixture
def devices(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    """`devices(FakeDevice(…))` makes a stand-in the build of its devices' families."""

    def set_up(*fakes: FakeDevice) -> StandIn:
        made = standin(fakes)
        monkeypatch.setenv(VARIABLE, made.setting)
        return made

    return set_up


class FirstThen:
    """Makes the first part, calls `between` once, and then makes the others."""

    def __init__(self, between: Callable[[], None]) -> None:
        self._between: Callable[[], None] | None = between
        self.asked: list[tuple[str, int]] = []

    def __call__(self, clip: Clip, orders: Sequence[PartOrder], folder: Path, **named: Any) -> list[PartMade]:
        self.asked += [(clip.whole.encoder, one.number) for one in orders]
        made = SideBySide(1)(clip, orders[:1], folder, **named)
        if self._between is not None:
            self._between()
            self._between = None
        return made + SideBySide(1)(clip, orders[1:], folder, **named | {"heard": None})


def test_a_device_makes_all_parts(devices: Callable[..., StandIn], make: Make) -> None:
    fake = devices(FakeDevice("nvenc"))

    made = make(parse_choice("nvenc", "forbid"))

    assert (made.family, made.encoder, made.frames) == ("nvenc", "h264_nvenc", 75)
    assert [(one["number"], one["encoder"]) for one in made.parts] == [(n, "h264_nvenc") for n in range(3)]
    assert len(fake.calls()) == 3
    assert [(one.device, one.outcome) for one in made.tried] == [("nvenc:0", "made")]
    assert made.warnings == ()


@pytest.mark.parametrize(("fault", "code"), [("gpu-lost", "device-sick"), ("sessions", "encoder-busy")])
def test_a_device_that_fails_at_one_part_makes_none_of_them(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path, fault: str, code: str
) -> None:
    fake = devices(FakeDevice("nvenc"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    makers = FirstThen(lambda: fake.change("nvenc", fault=fault, after=5))

    made = make(parse_choice("nvenc"), makers, supervision=Supervision(cwd=scratch))

    assert (made.family, made.encoder, made.frames) == ("software", "libx264", 75)
    assert [one["encoder"] for one in made.parts] == ["libx264"] * 3
    assert makers.asked == [(name, n) for name in ("h264_nvenc", "libx264") for n in range(3)]
    assert [(one.device, one.outcome, one.code) for one in made.tried] == [
        ("nvenc:0", "failed", code), ("cpu", "made", ""),
    ]  # fmt: skip
    assert "NVIDIA NVENC did not make it" in made.warnings[0]
    assert "1 part by h264_nvenc discarded: one encoder makes all parts" in made.warnings
    assert list(scratch.iterdir()) == []


def test_what_steps_in_makes_the_frames_and_times_of_the_encode_in_one_piece(
    devices: Callable[..., StandIn], make: Make, clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions"))
    whole = encode(Asset.of(clip("faststart.mp4")), tmp_path / "whole.mp4", _PROFILE)

    made = make(parse_choice("nvenc"))

    assert (made.frames, made.duration_s) == (whole.frames, whole.duration_s)
    assert not any("discarded" in warning for warning in made.warnings), "the device had made none"


def test_a_device_that_must_not_be_replaced_leaves_nothing_when_it_fails(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    fake = devices(FakeDevice("nvenc"))
    makers = FirstThen(lambda: fake.change("nvenc", fault="gpu-lost", after=5))

    with pytest.raises(PlatformError) as failed:
        make(parse_choice("nvenc", "forbid"), makers)

    assert failed.value.code == "device-sick"
    assert not (tmp_path / "out.mp4").exists()


def test_a_clip_that_cannot_be_cut_is_encoded_whole_by_the_families_that_are_chosen(
    devices: Callable[..., StandIn], clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc"))
    source = Asset.of(clip("faststart.mp4")).with_frames(10, 40)

    made = encode_chunked(source, tmp_path / "out.mp4", _PROFILE, chunks=3, choice=parse_choice("nvenc"))

    assert (made.family, made.frames) == ("nvenc", 30)
    assert made.warnings[-1] == "encoded whole: only a range of its frames is wanted"
