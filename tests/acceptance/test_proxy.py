"""Proxies of real clips, held to what editing programs compare when they relink."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import make_media
from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media.describing.inspection import describe
from rushes.media.encoding.encode import encode
from rushes.media.planning.fonts import find_font
from rushes.media.planning.plan import PlannedOutput
from rushes.media.planning.relink import compare, require
from rushes_functions.proxy import ProxyParams, proxy

_DEBIAN = "/usr/bin/ffmpeg"

# One of each kind that relinks differently: containers, rates, timecodes, tracks, shapes.
_CLIPS = (
    "timecode.mov", "timecode_drop.mov", "timecode.mp4", "timecode.mxf", "timecode_drop.mxf", "timecode.dv",
    "timecode.mkv", "multi_mono_8.mov", "multi_mono_16.mxf", "surround.mov", "languages.mkv", "h264_24p.mp4",
    "h264_60p.mp4", "h264.ts", "open_gop_b.ts", "open_gop_b.mp4", "edit_list.mp4", "delayed_video.mp4",
    "late_start.ts", "vfr.mp4", "vfr.mkv", "mpeg4.avi", "rotated_90.mov", "rotated_270.mov", "anamorphic.mov",
    "odd_size.mkv", "interlaced_tff.mxf", "interlaced_bff.mov", "hdr10.mkv", "full_range.mp4", "qtrle.mov",
    "prores4444.mov", "cover.mp4", "subtitles.mkv", "one_frame.mov", "tiny.mp4", "still.png",
)  # fmt: skip


def _check(source: Path, out: Path, **options: Any) -> None:
    """Makes a proxy and compares it with the clip by what the clip says, not by what was planned."""
    result = proxy(str(source), out=str(out), **options)

    before, after = describe(source), describe(result.proxy.path)
    assert result.proxy.path.stem == source.stem
    assert [a.channels for a in after.audio] == [a.channels for a in before.audio]
    assert after.reel == before.reel
    if before.timecode is not None:
        assert after.timecode is not None
        assert after.timecode.value == before.timecode.value
        assert after.timecode.drop_frame == before.timecode.drop_frame
    was, now = before.primary_video, after.primary_video
    assert was is not None
    assert now is not None
    assert now.rotation == 0
    width, height = was.display_size
    assert width / height == pytest.approx(now.display_size[0] / now.display_size[1], rel=0.02)
    if was.rate_mode == "cfr" and was.rate_decided_by in {"sample-table", "edit-rate"}:
        assert now.fps == was.fps


@pytest.mark.parametrize("name", _CLIPS)
def test_a_proxy_has_all_that_relinking_compares(
    name: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    _check(media.get(name), tmp_path)

    frames = media.facts(name).get("frames")
    if frames is not None:
        made = describe(tmp_path / f"{Path(name).stem}.mov").primary_video
        assert made is not None
        assert made.frames_declared == frames


@pytest.mark.parametrize("codec", ["hevc", "prores_proxy", "dnxhr_lb"])
@pytest.mark.parametrize("name", ["timecode_drop.mov", "multi_mono_8.mov", "rotated_90.mov"])
def test_every_codec_relinks(codec: str, name: str, media: make_media.Workshop, tmp_path: Path) -> None:
    if codec == "dnxhr_lb" and name == "rotated_90.mov":
        with pytest.raises(CallerError, match="at least 256x120"):
            proxy(str(media.get(name)), out=str(tmp_path), codec=codec)
        return

    _check(media.get(name), tmp_path, codec=codec)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(
    "name", ["timecode.mov", "timecode_drop.mov", "multi_mono_8.mov", "vfr.mp4", "interlaced_tff.mxf"]
)
def test_a_proxy_relinks_with_ffmpeg_5_too(
    name: str, media: make_media.Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_FFMPEG", _DEBIAN)

    _check(media.get(name), tmp_path)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"height": 90}, (160, 90)),
        ({"fraction": "1/2"}, (160, 90)),
        ({"height": 1080}, (320, 180)),
        ({}, (320, 180)),
    ],
)
def test_a_proxy_is_never_larger_than_its_clip(
    options: dict[str, Any], size: tuple[int, int], media: make_media.Workshop, tmp_path: Path
) -> None:
    result = proxy(str(media.get("timecode.mov")), out=str(tmp_path), **options)

    assert (result.width, result.height) == size


def test_an_image_sequence_becomes_one_clip_at_the_named_rate(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    result = proxy(str(media.get("sequence.exr")), out=str(tmp_path), frame_rate="23.976")

    assert result.rate == "24000/1001"
    assert result.frames == media.facts("sequence.exr")["frames"]


def test_a_sequence_with_holes_is_refused_naming_them(media: make_media.Workshop, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="lacks frames"):
        proxy(str(media.get("sequence_gaps.exr")), out=str(tmp_path))


def test_burn_in_changes_corners_and_nothing_else(media: make_media.Workshop, tmp_path: Path) -> None:
    source, plain, burnt = media.get("bt709.mov"), tmp_path / "plain.mov", tmp_path / "burnt.mov"

    encode(Asset.of(source), plain, ProxyParams(codec="prores_proxy").profile())
    encode(Asset.of(source), burnt, ProxyParams(codec="prores_proxy", burn_in=("name", "timecode")).profile())

    assert _difference(plain, burnt, "iw:20:0:0") > 1
    assert _difference(plain, burnt, "iw:20:0:ih-22") > 1
    assert _difference(plain, burnt, "iw:60:0:60") < 0.5


def _difference(one: Path, other: Path, part: str) -> float:
    """Mean brightness of the difference of two clips' first frames, in one part of the picture."""
    from rushes.media.running.builds import find_build  # noqa: PLC0415

    graph = f"[0:v]crop={part},format=gray[a];[1:v]crop={part},format=gray[b];[a][b]blend=all_mode=difference"
    done = subprocess.run(
        [find_build().path, "-v", "error", "-nostdin", "-i", one, "-i", other, "-filter_complex", graph,
         "-frames:v", "1", "-f", "rawvideo", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    return sum(done) / len(done)


def test_without_any_font_burn_in_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="needs a font") as refused:
        find_font({}, folders=[str(tmp_path)])

    assert "RUSHES_FONT" in refused.value.fix


def test_a_named_font_is_used(tmp_path: Path) -> None:
    font = tmp_path / "mine.ttf"
    font.touch()

    assert find_font({"RUSHES_FONT": str(font)}) == font


@pytest.mark.parametrize("name", ["sound.wav", "cover.mp3"])
def test_a_clip_without_picture_is_the_medias_fault(
    name: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    with pytest.raises(MediaError, match="has no picture"):
        proxy(str(media.get(name)), out=str(tmp_path))


@pytest.mark.parametrize(
    ("field", "promised"),
    [
        ("timecode", {"timecode": "01:00:00:01"}),
        ("frames", {"frames": 51}),
        ("audio", {"audio_channels": (2, 2)}),
        ("reel", {"reel": "B002"}),
    ],
)
def test_a_proxy_that_would_not_relink_is_refused_by_its_field(
    field: str, promised: dict[str, Any], media: make_media.Workshop, tmp_path: Path
) -> None:
    source = media.get("timecode.mov")
    made = encode(Asset.of(source), tmp_path / "timecode.mov", ProxyParams().profile())
    facts = {f: getattr(made.expected, f) for f in made.expected.__slots__} | promised

    checks = compare(
        describe(source), describe(tmp_path / "timecode.mov"), PlannedOutput(**facts),
        stem="timecode", name="timecode",
    )  # fmt: skip

    assert [check.field for check in checks if not check.ok] == [field]
    with pytest.raises(PlatformError, match=f"{field} is"):
        require(checks)


def test_the_real_clips_relink(real_clips: tuple[Path, ...], tmp_path: Path) -> None:
    for clip in real_clips:
        _check(clip, tmp_path, height=120)
