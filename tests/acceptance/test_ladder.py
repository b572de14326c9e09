"""Ladders of real clips: every rung whole and aligned, and packages that a player can play."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

import make_media
from rushes.asset import Asset
from rushes.errors import CallerError, Cancelled, MediaError
from rushes.media.ladders.packaging import package, with_sound
from rushes.media.ladders.renditions import MadeLadder, make_renditions, supervised
from rushes.media.ladders.rungs import Ladder, Rung
from rushes.media.ladders.still_branches import Stills
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Limits, Supervision
from rushes_functions.ladder import ladder

_LIMITS = Limits(stall_s=30, time_s=60, memory_bytes=2 * 1024**3, output_bytes=256 * 1024**2)
# 214x120 is not quite the shape of the others: packaging has to say that it is.
_SMALL: dict[str, Any] = {"rungs": "180,120,72", "gop_s": 0.4, "segment_s": 0.8, "speed": "ultrafast"}


@pytest.fixture
def bundled() -> Build:
    return find_build(environ={})


def _made(
    source: Path, folder: Path, build: Build, *rungs: Rung, cancelled: Any = lambda: False, **wish: Any
) -> MadeLadder:
    supervision = Supervision(limits=_LIMITS, cwd=folder, cancelled=cancelled)
    return make_renditions(
        Asset.of(source),
        Ladder(rungs, **{"gop_s": 0.4, **wish}),
        folder / "renditions",
        stills_folder=folder,
        build=build,
        run=supervised(build, supervision),
        cancelled=cancelled,
    )


def _packets(path: Path) -> list[tuple[Fraction, bool]]:
    """When each picture of a file is shown, and whether it is a key frame, in the order they are shown."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1)
        return sorted((p.pts * base, p.is_keyframe) for p in container.demux(stream) if p.pts is not None)


def _decoded(playlist: Path, build: Build, *demuxers: str) -> int:
    """How many pictures ffmpeg decodes of a playlist's first variant, allowed to read what it names."""
    done = subprocess.run(
        [str(build.path), "-v", "error", "-nostdin", "-protocol_whitelist", "file",
         "-allowed_extensions", "ALL",
         "-format_whitelist", ",".join([*demuxers, "mov,mp4,m4a,3gp,3g2,mj2"]), "-i", f"file:{playlist}",
         "-map", "0:v:0", "-f", "framecrc", "-"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    return sum(not line.startswith("#") for line in done.stdout.splitlines())


def _named(playlist: Path) -> list[str]:
    """Every file that a playlist names."""
    lines = playlist.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")] + [
        name for line in lines for name in re.findall(r'URI="([^"]+)"', line)
    ]


def _from_both(clip: Path, tmp_path: Path, build: Build, *rungs: Rung) -> tuple[MadeLadder, Path]:
    made = _made(clip, tmp_path, build, *rungs, speed="8" if rungs[0].codec == "av1" else "ultrafast")
    out = tmp_path / "package"
    out.mkdir()
    run = supervised(build, Supervision(limits=_LIMITS, cwd=tmp_path))
    package(made, out, formats=("hls", "dash"), segment_s=0.8, run=run)
    return made, out


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_rungs_have_the_source_s_frames_and_key_frames_at_the_same_pictures(
    codec: Any, build: Build, media: make_media.Workshop, tmp_path: Path
) -> None:
    source = media.get("h264_24p.mp4")

    made, out = _from_both(source, tmp_path, build, Rung(180, codec=codec), Rung(90, codec=codec))

    first, second = (_packets(made.file(name)) for name in ("180p", "90p"))
    assert len(first) == len(_packets(source))
    assert first == second
    assert [n for n, (_, is_key) in enumerate(first) if is_key] == list(range(0, len(first), 10))
    assert {name for name in _named(out / "master.m3u8") if not (out / name).is_file()} == set()
    said = {"h264": r"avc1\.[0-9a-f]{6}", "hevc": r"hvc1\.1\.6\.L\d+\.90", "av1": r"av01\.0\.\d\dM\.08"}[
        codec
    ]
    assert re.search(f'CODECS="{said},mp4a\\.40\\.2"', (out / "master.m3u8").read_text())
    assert len(re.findall(f'codecs="{said}"', (out / "manifest.mpd").read_text())) == 2


def test_a_package_plays_as_hls_and_its_manifest_names_the_same_segments(
    build: Build, media: make_media.Workshop, tmp_path: Path
) -> None:
    source = media.get("h264_24p.mp4")

    made, out = _from_both(source, tmp_path, build, Rung(180), Rung(120), Rung(72))

    frames = made.pictures[0].frames
    for name in ("180p", "120p", "72p"):
        assert _decoded(out / f"{name}.m3u8", build, "hls") == frames
    assert _decoded(out / "master.m3u8", build, "hls") == frames
    manifest = ET.fromstring((out / "manifest.mpd").read_text())  # noqa: S314 - made above
    space = {"": "urn:mpeg:dash:schema:mpd:2011"}
    sets = manifest.findall("Period/AdaptationSet", space)
    assert [len(s.findall("Representation", space)) for s in sets] == [3, 1]
    assert manifest.attrib["mediaPresentationDuration"].startswith("PT1.96")
    listed = {n for p in out.glob("*.m3u8") if p.name != "master.m3u8" for n in _named(p)}
    assert listed == {p.relative_to(out).as_posix() for p in (out / "segments").iterdir()}


@pytest.mark.parametrize(
    "name",
    ["open_gop_b.ts", "vfr.mkv", "delayed_video.mp4", "rotated_90.mov", "interlaced_tff.mxf", "hdr10.mkv",
     "anamorphic.mov", "edit_list.mp4", "surround.mov", "full_range.mp4", "one_frame.mov"],
)  # fmt: skip
def test_any_clip_becomes_a_ladder_whose_rungs_agree(
    name: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    result = ladder(str(media.get(name)), out=str(tmp_path), **_SMALL)

    assert {r.frames for r in result.renditions} == {result.frames}
    assert all(r.width % 2 == 0 and r.height % 2 == 0 for r in result.renditions)
    shapes = [r.width / r.height for r in result.renditions]
    assert max(shapes) / min(shapes) < 1.05


def test_the_function_publishes_one_folder_and_tells_what_is_in_it(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    wish = {**_SMALL, "rungs": "1080,180:300k,90", "package": "hls,files", "contact_sheet": "3x2"}

    result = ladder(
        str(media.get("h264_24p.mp4")), out=str(tmp_path), thumbnails=0.5, still_height=60, **wish
    )

    folder = tmp_path / "h264_24p"
    assert result.folder.path == folder
    assert [(r.name, r.width, r.height) for r in result.renditions] == [("180p", 320, 180), ("90p", 160, 90)]
    assert result.notes == ["the rung of 1080 lines is left out: the source has 320x180"]
    assert result.playlists == ["master.m3u8"]
    assert not (folder / "manifest.mpd").exists()
    assert all(r.peak_bit_rate and 0 < r.bit_rate <= r.peak_bit_rate for r in result.renditions)
    assert len(list((folder / "thumbnails").iterdir())) == result.thumbnails == 4
    with av.open(folder / "contact-sheet.jpg") as sheet:
        picture = sheet.streams.video[0]
        assert (picture.width, picture.height) == (3 * 106 + 4 * 4, 2 * 60 + 3 * 4)
    for file in result.files:
        with av.open(folder / file) as made:
            assert [s.type for s in made.streams] == ["video", "audio"]
    assert len(_packets(folder / "90p.mp4")) == result.frames


@pytest.mark.parametrize("stem", ["A %03d $Number$", "it's [1-2], -y;é"])
def test_a_name_is_a_name_whatever_a_muxer_would_make_of_it(
    stem: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    clip = tmp_path / f"{stem}.mp4"
    shutil.copyfile(media.get("h264_24p.mp4"), clip)

    result = ladder(
        str(clip), out=str(tmp_path / f"out {stem}"), thumbnails=0.5, contact_sheet="2x2", **_SMALL
    )

    folder = tmp_path / f"out {stem}" / stem
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    playlists = {f"{name}.m3u8" for name in ("180p", "120p", "72p", "sound-1")}
    named = {name for playlist in playlists for name in _named(folder / playlist)}
    stills = {"contact-sheet.jpg", *(f"thumbnails/{n:05}.jpg" for n in range(1, result.thumbnails + 1))}
    assert there == {"master.m3u8", "manifest.mpd"} | playlists | named | stills


def test_a_frame_range_is_a_ladder_of_those_frames(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = Asset.of(media.get("h264_24p.mp4")).with_frames(10, 31)

    result = ladder(clip, out=str(tmp_path), **_SMALL)

    assert result.frames == 21
    assert {r.frames for r in result.renditions} == {21}


def test_a_cancelled_ladder_leaves_nothing(
    bundled: Build, media: make_media.Workshop, tmp_path: Path
) -> None:
    asked = iter([False, False])

    with pytest.raises(Cancelled):
        _made(
            media.get("h264_24p.mp4"), tmp_path, bundled, Rung(180), Rung(90),
            cancelled=lambda: next(asked, True), speed="placebo", stills=Stills(every_s=0.1),
        )  # fmt: skip

    assert list(tmp_path.iterdir()) == []


def test_a_truncated_clip_is_the_medias_fault_and_leaves_nothing(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    whole = media.get("h264_24p.mp4").read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole[: len(whole) * 2 // 3])

    with pytest.raises(MediaError):
        ladder(str(broken), out=str(tmp_path / "out"), **_SMALL)

    assert not (tmp_path / "out" / "broken").exists()


def test_files_of_a_silent_clip_have_no_sound(
    bundled: Build, media: make_media.Workshop, tmp_path: Path
) -> None:
    made = _made(media.get("open_gop_b.mp4"), tmp_path, bundled, Rung(90), speed="ultrafast")

    (file,) = with_sound(made, tmp_path, run=supervised(bundled))

    assert made.plan.sounds == ()
    with av.open(file) as opened:
        assert [s.type for s in opened.streams] == ["video"]


@pytest.mark.parametrize(
    "options",
    [{"rungs": "many"}, {"rungs": "720:fast"}, {"codec": "h264,h264"}, {"package": "smooth"},
     {"contact_sheet": "3"}, {"codec": "h264,av1", "speed": "medium"}],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused_before_anything_runs(
    options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(CallerError):
        ladder("/clips/none.mov", out=str(tmp_path), **options)

    assert list(tmp_path.iterdir()) == []
