"""Transcodes of real clips: every preset, every kind of option, on a real ffmpeg."""

from __future__ import annotations

import filecmp
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

import make_media
from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.profile import AudioWish, Profile, VideoWish
from rushes.media.readers.dialect import beside
from rushes.media.running.builds import Build, find_build, read_build
from rushes.media.running.process import Supervision
from rushes_functions.presets import PRESETS
from rushes_functions.transcode import TranscodeParams, transcode

_DEBIAN = Path("/usr/bin/ffmpeg")
_FAST = {"codec": "h264", "speed": "ultrafast", "quality": 30}


@pytest.fixture(scope="session")
def hd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of 720p29.97, 10 bits, stereo, drop-frame timecode and a reel."""
    path = tmp_path_factory.mktemp("hd") / "A001C001.mov"
    _make(
        path, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30000/1001", "-f", "lavfi", "-i", "sine=r=48000",
        "-frames:v", "4", "-t", "0.2",
        "-vf", "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709",
        "-c:v", "prores_ks", "-profile:v", "0", "-c:a", "pcm_s24le", "-ac", "2", "-timecode", "01:00:00;00",
        "-metadata:s:v", "reel_name=A001",
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred frames whose brightness is their number, with key frames far apart."""
    path = tmp_path_factory.mktemp("numbered") / "numbered.mp4"
    _make(
        path, "-f", "lavfi", "-i", "color=black:s=64x64:r=25:d=8",
        "-f", "lavfi", "-i", "sine=r=48000:d=8",
        "-vf", "format=gray,geq=lum='16+N',format=yuv420p", "-c:v", "libx264", "-g", "60", "-bf", "3",
        "-qp", "1", "-c:a", "aac",
    )  # fmt: skip
    return path


def _make(path: Path, *args: str) -> None:
    subprocess.run([find_build().path, "-v", "error", "-nostdin", *args, str(path)], check=True)


def _encode(
    source: Path | Asset, target: Path, build: Build | None = None, **wishes: Any
) -> tuple[Encoded, MediaInfo]:
    profile = Profile.model_validate({"container": target.suffix[1:], "video": _FAST, **wishes})
    made = encode(Asset.of(source), target, profile, build=build)
    return made, describe(target)


def _planes(path: Path, pix_fmt: str) -> Iterator[tuple[bytes, int, int]]:
    """The first plane of each frame: its bytes without padding, width and height."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.reformat(format=pix_fmt).planes[0]
            data, line = bytes(plane), plane.line_size
            used = frame.width * (3 if pix_fmt == "rgb24" else 1)
            rows = (data[y * line : y * line + used] for y in range(frame.height))
            yield b"".join(rows), frame.width, frame.height


def _brightness(path: Path) -> list[int]:
    """The number that each frame of `numbered` carries."""
    return [round(sum(data) / len(data)) for data, _, _ in _planes(path, "gray")]


# -- presets --------------------------------------------------------------------------------------------

_EXPECTED = {
    "streaming-h264": ("h264", "yuv420p", "mp4", "aac"),
    "streaming-hevc": ("hevc", "yuv420p10le", "mp4", "aac"),
    "streaming-av1": ("av1", "yuv420p10le", "mp4", "aac"),
    "streaming-vp9": ("vp9", "yuv420p10le", "webm", "opus"),
    "prores-proxy": ("prores", "yuv422p10le", "mov", "pcm_s24le"),
    "prores-lt": ("prores", "yuv422p10le", "mov", "pcm_s24le"),
    "prores-422": ("prores", "yuv422p10le", "mov", "pcm_s24le"),
    "prores-422hq": ("prores", "yuv422p10le", "mov", "pcm_s24le"),
    "prores-4444": ("prores", "yuv444p12le", "mov", "pcm_s24le"),
    "dnxhr-lb": ("dnxhd", "yuv422p", "mov", "pcm_s24le"),
    "dnxhr-sq": ("dnxhd", "yuv422p", "mov", "pcm_s24le"),
    "dnxhr-hq": ("dnxhd", "yuv422p", "mov", "pcm_s24le"),
    "dnxhr-hqx": ("dnxhd", "yuv422p10le", "mov", "pcm_s24le"),
    "dnxhr-444": ("dnxhd", "yuv444p10le", "mov", "pcm_s24le"),
    "xdcam-hd422": ("mpeg2video", "yuv422p", "mxf", "pcm_s24le"),
    "avcintra-50": ("h264", "yuv420p10le", "mxf", "pcm_s24le"),
    "avcintra-100": ("h264", "yuv422p10le", "mxf", "pcm_s24le"),
    "ffv1": ("ffv1", "yuv422p10le", "mkv", "flac"),
    "jpeg2000": ("jpeg2000", "yuv422p10le", "mxf", "pcm_s24le"),
    "rewrap": ("prores", "yuv422p10le", "mov", "pcm_s24le"),
}


def test_every_preset_has_an_expectation() -> None:
    assert set(_EXPECTED) == set(PRESETS)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_makes_what_its_name_says_and_the_same_again(preset: str, hd: Path, tmp_path: Path) -> None:
    profile = TranscodeParams(preset=preset).profile()
    first, second = tmp_path / f"1.{profile.container}", tmp_path / f"2.{profile.container}"

    made = encode(Asset.of(hd), first, profile)
    encode(Asset.of(hd), second, profile)

    codec, pix_fmt, container, sound = _EXPECTED[preset]
    info = describe(first)
    picture = info.primary_video
    assert picture is not None
    assert (picture.codec, picture.pix_fmt) == (codec, pix_fmt)
    assert profile.container == container
    assert {a.codec for a in info.audio} == {sound}
    assert sum(a.channels or 0 for a in info.audio) == 2
    assert made.frames == 4
    assert picture.fps == Fraction(30000, 1001)
    assert (picture.color.primaries, picture.color.transfer, picture.color.matrix) == ("bt709",) * 3
    if container != "webm":
        assert info.timecode is not None
        assert info.timecode.value == "01:00:00;00"
    assert filecmp.cmp(first, second, shallow=False)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"streaming-hevc", "streaming-vp9", "prores-4444"}))
def test_a_preset_works_with_ffmpeg_5_too(preset: str, hd: Path, tmp_path: Path) -> None:
    profile = TranscodeParams(preset=preset).profile()
    target = tmp_path / f"1.{profile.container}"

    made = encode(Asset.of(hd), target, profile, build=read_build(_DEBIAN))

    picture = describe(target).primary_video
    assert picture is not None
    assert (picture.codec, picture.pix_fmt) == _EXPECTED[preset][:2]
    assert made.frames == 4


def test_the_function_publishes_its_result(media: make_media.Workshop, tmp_path: Path) -> None:
    result = transcode(
        str(media.get("h264.mp4")), out=str(tmp_path), preset="prores-proxy", height=90, audio="pcm_s16le"
    )

    assert result.transcoded.path == tmp_path / "h264.mov"
    assert describe(result.transcoded.path).primary_video.height == 90  # type: ignore[union-attr]
    assert result.frames == 50


# -- rate control ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "container"), [("h264", "mp4"), ("hevc", "mp4"), ("vp9", "webm")])
def test_a_target_size_is_met(codec: str, container: str, media: make_media.Workshop, tmp_path: Path) -> None:
    speed = {"h264": "veryfast", "hevc": "ultrafast", "vp9": "8"}[codec]
    wish = {"codec": codec, "speed": speed}

    made, _ = _encode(media.get("timecode.mov"), tmp_path / f"x.{container}", video=wish, target_size="150kB")

    assert 75_000 < made.size_bytes < 175_000
    assert len(made.commands) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / f"x.{container}"]


def test_loudness_is_set_to_the_wished_value(media: make_media.Workshop, tmp_path: Path) -> None:
    made, _ = _encode(
        media.get("h264.mov"), tmp_path / "x.mov", audio={"codec": "pcm_s24le", "loudness": -23}
    )

    assert len(made.commands) == 2
    measured = subprocess.run(
        [find_build().path, "-hide_banner", "-nostdin", "-i", str(tmp_path / "x.mov"),
         "-af", "ebur128", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    integrated = float(measured.rsplit("I:", 1)[1].split("LUFS")[0])
    assert integrated == pytest.approx(-23, abs=0.5)


# -- pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ({"height": 90}, (160, 90)),
        ({"fraction": "1/2"}, (160, 90)),
        ({"width": 100, "height": 100}, (100, 56)),
        ({"width": 100, "height": 100, "fit": "pad"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "fill"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "stretch"}, (100, 100)),
        ({"crop": "160:90:20:10"}, (160, 90)),
        ({"crop": "200:100:4:2", "height": 50}, (100, 50)),
        ({"height": 720, "upscale": "skip"}, (320, 180)),
        ({"height": 360, "upscale": "allow"}, (640, 360)),
    ],
)
def test_the_picture_has_the_wished_size(
    wish: dict[str, Any], size: tuple[int, int], media: make_media.Workshop, tmp_path: Path
) -> None:
    _, info = _encode(media.get("timecode.mp4"), tmp_path / "x.mp4", video={**_FAST, **wish})

    picture = info.primary_video
    assert picture is not None
    assert (picture.width, picture.height) == size


def test_bars_are_black_and_the_picture_sits_between_them(media: make_media.Workshop, tmp_path: Path) -> None:
    wish = {**_FAST, "width": 160, "height": 160, "fit": "pad"}

    _encode(media.get("timecode.mp4"), tmp_path / "x.mp4", video=wish)

    data, width, height = next(_planes(tmp_path / "x.mp4", "gray"))
    bands = [data[y * width : (y + 30) * width] for y in (0, 65, height - 30)]
    top, middle, bottom = (sum(band) / len(band) for band in bands)
    assert top < 20
    assert bottom < 20
    assert middle > 40


def test_an_anamorphic_picture_becomes_square_when_asked(media: make_media.Workshop, tmp_path: Path) -> None:
    before = describe(media.get("anamorphic.mov")).primary_video
    assert before is not None

    _, info = _encode(media.get("anamorphic.mov"), tmp_path / "x.mp4", video={**_FAST, "square_pixels": True})

    after = info.primary_video
    assert after is not None
    assert after.sar == "1:1"
    assert Fraction(after.width, after.height) == pytest.approx(Fraction(*before.display_size), rel=0.02)


def test_hdr_becomes_sdr_by_tone_mapping(media: make_media.Workshop, tmp_path: Path) -> None:
    _, info = _encode(media.get("hdr10.mp4"), tmp_path / "x.mp4", video={**_FAST, "tone_map": "hable"})

    picture = info.primary_video
    assert picture is not None
    assert picture.hdr is None
    assert (picture.color.primaries, picture.color.transfer, picture.color.matrix) == ("bt709",) * 3
    assert picture.pix_fmt == "yuv420p"


@pytest.mark.parametrize(("codec", "speed"), [("hevc", "ultrafast"), ("av1", "12")])
def test_hdr_metadata_survives(codec: str, speed: str, media: make_media.Workshop, tmp_path: Path) -> None:
    before = describe(media.get("hdr10.mp4")).primary_video
    assert before is not None
    assert before.hdr is not None

    _, info = _encode(media.get("hdr10.mp4"), tmp_path / "x.mkv", video={"codec": codec, "speed": speed})

    after = info.primary_video
    assert after is not None
    assert after.bit_depth == 10
    assert after.color.transfer == "smpte2084"
    with av.open(str(tmp_path / "x.mkv")) as container:
        side = set(beside(next(container.decode(video=0))))
    assert any("MASTERING" in kind for kind in side)
    assert any("CONTENT_LIGHT" in kind for kind in side)


def test_a_lut_changes_the_picture(media: make_media.Workshop, tmp_path: Path) -> None:
    lut = tmp_path / "it's a: [LUT], 50%.cube"
    corners = [(r, g, b) for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    lut.write_text("LUT_3D_SIZE 2\n" + "".join(f"{1 - r} {1 - g} {1 - b}\n" for r, g, b in corners))
    source = media.get("bt709.mov")

    _encode(source, tmp_path / "plain.mp4", video={**_FAST, "quality": 10})
    _encode(source, tmp_path / "inverted.mp4", video={**_FAST, "quality": 10, "lut": str(lut)})

    plain, inverted = (next(_planes(tmp_path / n, "rgb24"))[0] for n in ("plain.mp4", "inverted.mp4"))
    apart = sum(abs(255 - a - b) for a, b in zip(plain, inverted, strict=True)) / len(plain)
    assert apart < 12


def test_full_range_stays_full_and_becomes_limited_when_asked(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    source = media.get("full_range.mp4")

    _, kept = _encode(source, tmp_path / "kept.mp4")
    _, limited = _encode(source, tmp_path / "tv.mp4", video={**_FAST, "colour_range": "tv"})

    assert kept.primary_video.color.range == "full"  # type: ignore[union-attr]
    assert limited.primary_video.color.range != "full"  # type: ignore[union-attr]


def test_rotation_is_applied_once(media: make_media.Workshop, tmp_path: Path) -> None:
    _, info = _encode(media.get("rotated_90.mov"), tmp_path / "x.mp4")

    picture = info.primary_video
    assert picture is not None
    assert (picture.width, picture.height, picture.rotation) == (180, 320, 0)


@pytest.mark.parametrize(("codec", "name"), [("h264", "x.mov"), ("prores", "x.mov"), ("ffv1", "x.mkv")])
def test_fields_are_kept_where_codec_and_size_allow(
    codec: str, name: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    source = media.get("interlaced_tff.mxf")

    _, kept = _encode(source, tmp_path / name, video={"codec": codec})
    _, scaled = _encode(source, tmp_path / f"scaled-{name}", video={"codec": codec, "height": 96})

    assert kept.primary_video.field_order in {"tt", "tb"}  # type: ignore[union-attr]
    assert scaled.primary_video.field_order in {"progressive", "unknown"}  # type: ignore[union-attr]


# -- time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (7, 20), (61, 75), (140, 200), (199, 200)])
def test_a_frame_range_holds_exactly_those_frames(
    start: int, stop: int, numbered: Path, tmp_path: Path
) -> None:
    clip = Asset.of(numbered).with_frames(start, stop)

    made, info = _encode(clip, tmp_path / "x.mp4", video={**_FAST, "quality": 1})

    assert made.frames == stop - start
    assert _brightness(tmp_path / "x.mp4") == _brightness(numbered)[start:stop]
    assert info.audio[0].duration_s == pytest.approx((stop - start) / 25, abs=0.06)


def test_a_range_moves_the_timecode(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = Asset.of(media.get("timecode_drop.mov")).with_frames(15, 40)

    _, info = _encode(clip, tmp_path / "x.mov")

    assert info.timecode is not None
    assert info.timecode.value == "01:00:00;05"  # 00:59:59;20 and 15 frames


def test_a_variable_rate_passes_through_with_every_time(media: make_media.Workshop, tmp_path: Path) -> None:
    source = media.get("vfr.mp4")

    _encode(source, tmp_path / "x.mp4")

    assert _times(tmp_path / "x.mp4") == _times(source)


@pytest.mark.parametrize("end", ["1.52", "1.60", "1.64"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_clip_that_was_cut_amid_b_frames_keeps_its_frames_and_times(
    suffix: str, end: str, build: Build, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / f"cut.{suffix}"
    ffmpeg: list[str | Path] = [build.path, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=3"]
    subprocess.run([*ffmpeg, "-c:v", "libx264", "-bf", "3", "-b_strategy", "0", str(whole)], check=True)
    subprocess.run([build.path, "-v", "error", "-i", whole, "-t", end, "-c", "copy", cut], check=True)
    made, _ = _encode(cut, tmp_path / "made.mp4")

    assert _times(tmp_path / "made.mp4") == _times(cut)
    assert made.frames == len(_times(cut))


def _times(path: Path) -> list[float]:
    """When each frame is shown, in seconds from the first."""
    with av.open(str(path)) as container:
        times = sorted(float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None)
    return [round(one - times[0], 4) for one in times]


def test_a_variable_rate_becomes_constant_when_asked(media: make_media.Workshop, tmp_path: Path) -> None:
    made, info = _encode(media.get("vfr.mp4"), tmp_path / "x.mxf", video={"codec": "dnxhr", "cfr": True})

    assert made.frames == 50
    assert info.primary_video.fps == 25  # type: ignore[union-attr]


def test_a_ten_hour_gap_is_not_filled_with_frames(media: make_media.Workshop, tmp_path: Path) -> None:
    source = media.get("gap_10h.mkv")

    kept, _ = _encode(source, tmp_path / "kept.mkv")
    with pytest.raises(MediaError, match="timestamps jump"):
        _encode(source, tmp_path / "filled.mp4", video={**_FAST, "cfr": True})

    assert kept.frames == 3
    assert not (tmp_path / "filled.mp4").exists()


# -- tracks ---------------------------------------------------------------------------------------------


def test_every_channel_gets_a_track_of_its_own_when_split(media: make_media.Workshop, tmp_path: Path) -> None:
    _, info = _encode(
        media.get("surround.mov"), tmp_path / "x.mov", audio={"codec": "pcm_s16le", "layout": "split"}
    )

    assert [a.channels for a in info.audio] == [1] * 6


def test_chosen_tracks_keep_their_language(media: make_media.Workshop, tmp_path: Path) -> None:
    source = media.get("languages.mkv")
    spoken = [a.language for a in describe(source).audio]

    _, info = _encode(source, tmp_path / "x.mp4", audio={"codec": "aac", "tracks": [1]})

    assert [a.language for a in info.audio] == spoken[1:2]


@pytest.mark.parametrize(
    ("target", "codec"), [("x.mp4", "mov_text"), ("x.mkv", "subrip"), ("x.webm", "webvtt")]
)
def test_subtitles_take_the_containers_form(
    target: str, codec: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    video = {"codec": "vp9", "speed": "8"} if target.endswith("webm") else _FAST

    _, info = _encode(media.get("subtitles.mkv"), tmp_path / target, video=video, subtitles="keep")

    assert {s.codec for s in info.subtitles} == {codec}


def test_tags_are_kept_and_dropped_on_purpose(media: make_media.Workshop, tmp_path: Path) -> None:
    source = media.get("tagged.mov")

    _, kept = _encode(source, tmp_path / "kept.mov")
    _, dropped = _encode(source, tmp_path / "dropped.mov", metadata="drop")

    before = describe(source)
    assert before.camera is not None
    assert kept.camera is not None
    assert (kept.camera.make, kept.camera.model) == (before.camera.make, before.camera.model)
    assert kept.container.created == before.container.created
    assert dropped.camera is None
    assert dropped.container.created is None


# -- what must not pass ---------------------------------------------------------------------------------


def test_a_source_that_holds_less_than_it_says_leaves_no_result(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    with pytest.raises(MediaError, match="missing at its end"):
        _encode(media.get("cut60_h264.mkv"), tmp_path / "x.mp4")

    assert list(tmp_path.iterdir()) == []


def test_salvage_keeps_what_decodes_and_says_so(media: make_media.Workshop, tmp_path: Path) -> None:
    made, _ = _encode(media.get("cut60_h264.mkv"), tmp_path / "x.mp4", on_damage="salvage")

    assert 0 < made.frames < 50
    assert any("damaged" in warning or "missing" in warning for warning in made.warnings)


def test_an_unfitting_option_is_refused_before_anything_runs(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    def fail(_: object) -> None:
        pytest.fail("an encode was started")

    profile = Profile(container="mp4", video=VideoWish(height=720), audio=AudioWish())

    with pytest.raises(CallerError, match="larger than the source"):
        encode(
            Asset.of(media.get("h264.mp4")), tmp_path / "x.mp4", profile,
            supervision=Supervision(on_progress=fail),
        )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["a:b.mov", "-y.mov", 'it\'s; "50%" [x], {n}.mov', "x%03d.mov", "new\nline.mov"]
)
def test_any_name_is_a_name_even_burnt_in(name: str, media: make_media.Workshop, tmp_path: Path) -> None:
    source = tmp_path / name
    source.symlink_to(media.get("timecode.mov"))
    out = tmp_path / "out"
    out.mkdir()

    made, _ = _encode(source, out / name, video={**_FAST, "burn_in": ["name", "timecode", "frame"]})

    assert made.frames == 50
    assert [p.name for p in out.iterdir()] == [name]
    assert not any(name.strip() in word for word in made.argv if "drawtext" in word)
