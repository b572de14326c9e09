"""`transcode` with a wish for quality: by name, by VMAF, and checked afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import make_media
from rushes.media.measuring.metrics import measure
from rushes_functions.transcode import TranscodeParams, transcode


@pytest.fixture(scope="session")
def carphone(real_clips: tuple[Path, ...]) -> Path:
    return next(path for path in real_clips if path.name == "carphone_pristine.mp4")


def test_a_target_vmaf_is_met_on_a_real_clip(carphone: Path, tmp_path: Path) -> None:
    made = transcode(
        str(carphone), out=str(tmp_path), target_vmaf=92, speed="veryfast", audio="none", check_quality=True
    )

    assert measure(made.transcoded.path, carphone).vmaf.mean == pytest.approx(92, abs=1.5)
    assert made.predicted_vmaf == pytest.approx(92, abs=1.0)
    assert made.measured_vmaf == pytest.approx(made.predicted_vmaf, abs=1.0)
    assert made.quality is not None


def test_a_level_gives_each_codec_its_own_value(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = str(media("h264_24p.mp4"))

    made = [
        transcode(clip, out=str(tmp_path), preset=preset, quality_level="high", audio="none")
        for preset in ("streaming-h264", "streaming-av1")
    ]

    assert made[0].quality != made[1].quality
    assert all(one.predicted_vmaf == pytest.approx(93, abs=1) for one in made)
    assert all(one.measured_vmaf is None for one in made)


def test_a_preset_that_nobody_measured_says_so_in_a_note(media: make_media.Workshop, tmp_path: Path) -> None:
    made = transcode(
        str(media("h264_24p.mp4")), out=str(tmp_path), quality_level="proxy", speed="ultrafast", audio="none"
    )

    assert any("estimate" in note for note in made.notes)


def test_a_check_measures_what_any_encode_is_worth(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = str(media("h264_24p.mp4"))

    good = transcode(clip, out=str(tmp_path / "a"), quality=16, speed="veryfast", check_quality=True)
    bad = transcode(clip, out=str(tmp_path / "b"), quality=46, speed="veryfast", check_quality=True)

    assert good.measured_vmaf is not None
    assert bad.measured_vmaf is not None
    assert good.measured_vmaf > bad.measured_vmaf + 5
    assert good.predicted_vmaf is None


def test_frames_that_are_not_the_sources_are_not_measured_and_a_note_says_so(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    made = transcode(
        str(media("h264_24p.mp4")), out=str(tmp_path), frame_rate="12", speed="veryfast", check_quality=True
    )

    assert made.measured_vmaf is None
    assert any("not measured" in note for note in made.notes)


@pytest.mark.parametrize(
    "given",
    [
        {"target_vmaf": 93, "quality": 20},
        {"target_vmaf": 93, "quality_level": "high"},
        {"quality_level": "high", "bitrate": "8M"},
        {"quality_level": "medium", "target_size": "5MB"},
        {"quality_level": "high", "video": "copy"},
        {"target_vmaf": 93, "preset": "prores-422"},
        {"target_vmaf": 0},
        {"target_vmaf": 101},
        {"quality_level": "best"},
    ],
)
def test_wishes_for_quality_that_contradict_are_refused_before_anything_is_submitted(
    given: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        TranscodeParams.model_validate(given)
