"""VMAF, PSNR and SSIM of real encodes, and the search that uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import make_media
from rushes import Asset, CallerError, Cancelled, PlatformError, Profile
from rushes.errors import RushesError
from rushes.media.encoding.encode import encode
from rushes.media.measuring.lossless import cut
from rushes.media.measuring.metrics import Pooled, measure, model_for, read_log
from rushes.media.measuring.target import find_quality, spot_check
from rushes.media.running.builds import Build, read_build
from rushes.media.running.process import Supervision

Clip = Callable[[str], Path]


def encoded(source: Path | Asset, target: Path, **video: object) -> Path:
    profile = Profile.model_validate({"container": "mkv", "video": video, "audio": {"codec": "none"}})
    encode(Asset.of(source), target, profile)
    return target


def shape(codec: str = "h264", **video: object) -> Profile:
    wish = {"codec": codec, "speed": "veryfast", **video}
    return Profile.model_validate({"container": "mkv", "video": wish, "audio": {"codec": "none"}})


# -- measuring ----------------------------------------------------------------------------------------------


def test_a_clip_compared_with_itself_is_perfect(clip: Clip) -> None:
    found = measure(clip("faststart.mp4"), clip("faststart.mp4"))

    assert found.vmaf.mean >= 97
    assert found.psnr_y_db is not None
    assert found.psnr_y_db.minimum >= 60
    assert found.ssim is not None
    assert found.ssim.mean == pytest.approx(1, abs=1e-3)
    assert (found.frames, found.model) == (75, "vmaf_v0.6.1")


def test_a_worse_encode_measures_worse(clip: Clip, tmp_path: Path) -> None:
    source = clip("faststart.mp4")
    scores = [
        measure(encoded(source, tmp_path / f"{crf}.mkv", codec="h264", quality=crf), source)
        for crf in (20, 35, 48)
    ]

    assert scores[0].vmaf.mean > scores[1].vmaf.mean > scores[2].vmaf.mean
    assert all(s.vmaf.minimum <= s.vmaf.low <= s.vmaf.harmonic_mean <= s.vmaf.mean for s in scores)


def test_a_smaller_result_is_scaled_to_its_reference(clip: Clip, tmp_path: Path) -> None:
    small = encoded(clip("faststart.mp4"), tmp_path / "small.mkv", codec="h264", quality=10, height=90)

    found = measure(small, clip("faststart.mp4"), also=False)

    assert 5 < found.vmaf.mean < 95
    assert found.psnr_y_db is None


def test_frames_are_paired_by_number_whatever_their_times(clip: Clip, tmp_path: Path) -> None:
    source = clip("variable.mp4")

    found = measure(encoded(source, tmp_path / "a.mkv", codec="h264", quality=12), source)

    assert found.vmaf.minimum > 85


def test_a_range_is_compared_with_the_encode_of_it(clip: Clip, tmp_path: Path) -> None:
    part = Asset.of(clip("faststart.mp4")).with_frames(20, 45)

    found = measure(encoded(part, tmp_path / "part.mkv", codec="h264", quality=12), part)

    assert found.frames == 25
    assert found.vmaf.minimum > 85


def test_files_of_unlike_length_are_not_compared(clip: Clip, tmp_path: Path) -> None:
    part = encoded(Asset.of(clip("faststart.mp4")).with_frames(0, 20), tmp_path / "part.mkv", codec="h264")

    with pytest.raises(CallerError, match=r"20 frames and .* 75") as raised:
        measure(part, clip("faststart.mp4"))

    assert raised.value.code == "frames-differ"


def test_a_picture_too_small_for_vmaf_is_refused(media: make_media.Workshop) -> None:
    with pytest.raises(CallerError, match="sixteenth"):
        measure(media("tiny.mp4"), media("tiny.mp4"))


@pytest.mark.needs("ffmpeg")
def test_an_ffmpeg_without_libvmaf_is_named_with_what_to_do(clip: Clip) -> None:
    debian = read_build(Path("/usr/bin/ffmpeg"))
    if "libvmaf" in debian.filters:
        pytest.skip("left out: needs an ffmpeg without libvmaf")

    with pytest.raises(PlatformError, match="no filter libvmaf") as raised:
        measure(clip("faststart.mp4"), clip("faststart.mp4"), build=debian)

    assert raised.value.code == "no-filter"
    assert "RUSHES_FFMPEG" in raised.value.fix


def test_nothing_is_left_beside_the_comparison(clip: Clip, tmp_path: Path) -> None:
    measure(clip("faststart.mp4"), clip("faststart.mp4"), every=3, supervision=Supervision(cwd=tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_the_model_is_that_of_a_4k_screen_for_a_4k_picture() -> None:
    assert [model_for(height) for height in (540, 1080, 2160)] == [
        "vmaf_v0.6.1",
        "vmaf_v0.6.1",
        "vmaf_4k_v0.6.1",
    ]


def test_pools_are_those_of_a_hundred_frames() -> None:
    pooled = Pooled.of([float(score) for score in range(1, 201)])

    assert (pooled.mean, pooled.low, pooled.minimum) == (100.5, 2.0, 1.0)
    assert 0 < pooled.harmonic_mean < pooled.mean


def test_identical_frames_without_a_finite_psnr_count_as_60_db() -> None:
    metrics = {"vmaf": 100, "psnr_y": None, "float_ssim": 1}

    assert read_log(json.dumps({"frames": [{"metrics": metrics}]}))["psnr_y"] == [60.0]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"frames": [{}]}', "[1]", '{"frames": [{"metrics": {"vmaf": "x"}}]}']
)
def test_a_log_that_is_cut_off_is_an_error_of_this_machine(text: str) -> None:
    with pytest.raises(PlatformError) as raised:
        read_log(text)

    assert raised.value.code == "not-measured"


# -- searching ----------------------------------------------------------------------------------------------


def test_a_search_meets_its_target_on_real_footage(real_clips: tuple[Path, ...]) -> None:
    source = Asset.of(next(path for path in real_clips if path.name == "carphone_pristine.mp4"))
    said: list[str] = []

    found = find_quality(source, shape(), 90.0, say=said.append)

    assert found.predicted.vmaf == pytest.approx(90, abs=1.0)
    assert found.profile.video.quality == found.quality
    assert len(said) == len(found.tries) <= 5


def test_what_was_predicted_of_a_whole_clip_is_what_the_encode_gives(clip: Clip, tmp_path: Path) -> None:
    source = Asset.of(clip("faststart.mp4"))
    found = find_quality(source, shape(), "high")

    made = encode(source, tmp_path / "out.mkv", found.profile)
    checked = spot_check(source, tmp_path / "out.mkv", found.profile, samples=found.samples)

    assert made.size_bytes == pytest.approx(found.predicted.size_bytes, rel=0.05)
    assert checked is not None
    assert checked.vmaf.mean == pytest.approx(found.predicted.vmaf, abs=0.5)


def test_vmaf_is_of_what_the_encoder_was_given_so_a_wished_size_costs_none(clip: Clip) -> None:
    found = find_quality(Asset.of(clip("faststart.mp4")), shape(height=90), 92.0)

    assert found.predicted.vmaf == pytest.approx(92, abs=1.5)


def test_a_part_of_a_clip_is_searched_and_checked_as_that_part(clip: Clip, tmp_path: Path) -> None:
    part = Asset.of(clip("long-gop.mkv")).with_frames(30, 60)
    found = find_quality(part, shape(), 90.0)

    encode(part, tmp_path / "out.mkv", found.profile)
    checked = spot_check(part, tmp_path / "out.mkv", found.profile, samples=found.samples)

    assert found.samples == ((30, 60),)
    assert checked is not None
    assert checked.vmaf.mean == pytest.approx(found.predicted.vmaf, abs=1.0)


def test_several_samples_are_joined_into_what_the_source_shows_there(
    clip: Clip, tmp_path: Path, bundled: Build
) -> None:
    from rushes.media.describing.inspection import describe  # noqa: PLC0415 - after the clip is made

    source = Asset.of(clip("faststart.mp4"))
    cut(
        source,
        [(5, 15), (40, 50)],
        tmp_path / "joined.mkv",
        shape(),
        info=describe(source),
        build=bundled,
        supervision=Supervision(cwd=tmp_path),
    )

    for first, at in ((0, 5), (10, 40)):
        part = Asset.of(tmp_path / "joined.mkv").with_frames(first, first + 10)
        assert measure(part, source.with_frames(at, at + 10)).psnr_y_db.minimum >= 60  # type: ignore[union-attr]


def test_a_search_that_is_cancelled_stops_and_leaves_nothing(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises((Cancelled, RushesError)):
        find_quality(
            Asset.of(clip("faststart.mp4")),
            shape(),
            93.0,
            supervision=Supervision(cwd=tmp_path, cancelled=lambda: True),
        )

    assert list(tmp_path.iterdir()) == []


def test_a_codec_without_a_scale_is_refused_before_anything_runs(clip: Clip, tmp_path: Path) -> None:
    profile = Profile.model_validate({"container": "mov", "video": {"codec": "prores"}})

    with pytest.raises(CallerError) as raised:
        find_quality(Asset.of(clip("faststart.mp4")), profile, 93.0, supervision=Supervision(cwd=tmp_path))

    assert raised.value.code == "bad-option"
    assert list(tmp_path.iterdir()) == []
