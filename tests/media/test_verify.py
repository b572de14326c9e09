from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from rushes.asset import Asset
from rushes.errors import CallerError, Cancelled, MediaError, PlatformError
from rushes.media.describing.truth import open_source
from rushes.media.describing.wholeness import missing_end
from rushes.media.encoding.verify import ExpectedOutput, packet_count, source_truth, verify
from rushes.media.readers.guard import input_args, output_args
from rushes.media.running.builds import Build
from rushes.media.running.process import check, run_ffmpeg

ClipMaker = Callable[[str], Path]

# name: frames that a player shows (None: no video)
GOOD: dict[str, int | None] = {
    "index-at-end.mp4": 75, "faststart.mp4": 75, "fragmented.mp4": 75, "prores.mov": 75, "long-gop.mkv": 75,
    "recorded-live.mkv": 75, "broadcast.ts": 75, "camera.m2ts": 75, "long-gop.mxf": 75, "intra.mxf": 25,
    "old.avi": 75, "web.webm": 75, "windows.asf": 75, "variable.mp4": 48, "variable.mkv": 48,
    "open-gop.mp4": 75, "open-gop-hevc.mp4": 75, "interlaced.mp4": 37, "interlaced.ts": 37,
    "edit-list.mp4": 57, "edit-list.mov": 57, "delayed.mp4": 75, "short-sound.mkv": 75, "tape.dv": 25,
    "sound.wav": None, "sound.flac": None, "sound.mp3": None, "sound.aiff": None, "sound.w64": None,
    "sound.caf": None, "sound.m4a": None, "sound.ogg": None,
}  # fmt: skip
# Formats that tell where they end, so that no cut can be missed.
TELLING = [
    "index-at-end.mp4", "faststart.mp4", "fragmented.mp4", "prores.mov", "long-gop.mkv", "recorded-live.mkv",
    "long-gop.mxf", "intra.mxf", "old.avi", "web.webm", "windows.asf", "sound.wav", "sound.aiff", "sound.w64",
    "sound.caf", "sound.m4a", "sound.ogg", "edit-list.mov", "variable.mkv", "open-gop-hevc.mp4",
]  # fmt: skip
CUTS = (0.11, 0.3, 0.43, 0.6, 0.77, 0.9, 0.97, 0.999)


def cut(source: Path, target: Path, share: float) -> Path:
    data = source.read_bytes()
    target.write_bytes(data[: min(len(data) - 1, int(len(data) * share))])
    return target


def as_it_is(path: Path) -> ExpectedOutput:
    truth = source_truth(path)
    return ExpectedOutput.of(truth, audio_tracks=truth.audio_tracks)


# No false alarms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_whole_and_counted(clip: ClipMaker, name: str) -> None:
    truth = source_truth(clip(name))
    assert truth.problem is None
    assert truth.frames == GOOD[name]
    assert truth.duration_s is not None


@pytest.mark.parametrize("name", GOOD)
def test_an_index_and_all_packets_tell_the_same(clip: ClipMaker, name: str) -> None:
    quick, slow = source_truth(clip(name)), source_truth(clip(name), every_packet=True)
    assert (quick.frames, quick.leading, quick.audio_tracks) == (slow.frames, slow.leading, slow.audio_tracks)
    assert quick.duration_s == pytest.approx(slow.duration_s, abs=0.045)


@pytest.mark.parametrize("level", ["packets", "full"])
@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_passes(clip: ClipMaker, name: str, level: str) -> None:
    found = verify(clip(name), as_it_is(clip(name)), "full" if level == "full" else "packets")
    assert found.frames == GOOD[name]
    assert level == "packets" or found.decoded_frames == (GOOD[name] or 0)


@pytest.mark.parametrize(
    "name", ["index-at-end.mp4", "variable.mkv", "open-gop.mp4", "interlaced.ts", "edit-list.mov"]
)
def test_an_encode_of_a_good_file_passes(build: Build, clip: ClipMaker, tmp_path: Path, name: str) -> None:
    made = tmp_path / "made.mov"
    keep = ["-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    check(run_ffmpeg(build, [*input_args(clip(name)), *keep, *output_args(made)]), build.major)
    truth = source_truth(clip(name))
    found = verify(made, ExpectedOutput.of(truth, audio_tracks=truth.audio_tracks), "full")
    assert abs((found.frames or 0) - (truth.frames or 0)) <= 1


# The truncation set -------------------------------------------------------------------------------


@pytest.mark.parametrize("share", CUTS)
@pytest.mark.parametrize("name", TELLING)
def test_a_cut_file_is_known_by_its_structure(
    clip: ClipMaker, tmp_path: Path, name: str, share: float
) -> None:
    path = cut(clip(name), tmp_path / name, share)
    assert missing_end(path) is not None
    with pytest.raises(MediaError) as caught:
        source_truth(path)
    assert caught.value.code == "truncated"
    assert name in caught.value.message


@pytest.mark.parametrize("share", CUTS)
@pytest.mark.parametrize("name", ["broadcast.ts", "camera.m2ts", "interlaced.ts"])
def test_a_transport_stream_cut_inside_a_packet_is_known(
    clip: ClipMaker, tmp_path: Path, name: str, share: float
) -> None:
    path = cut(clip(name), tmp_path / name, share)
    packet = 192 if name.endswith("m2ts") else 188
    if path.stat().st_size % packet == 0:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MediaError) as caught:
        source_truth(path)
    assert caught.value.code in {"truncated", "damaged"}


def test_a_transport_stream_cut_inside_a_picture_is_known_by_decoding_its_end(
    clip: ClipMaker, tmp_path: Path
) -> None:
    # At the edge of a packet, two packets into a large picture.
    data = clip("broadcast.ts").read_bytes()
    with av.open(str(clip("broadcast.ts"))) as container:
        starts = [p.pos for p in container.demux(video=0) if p.pos is not None and p.size > 1500]
    place = starts[len(starts) // 2] + 2 * 188
    assert place % 188 == 0
    (tmp_path / "cut.ts").write_bytes(data[:place])
    with pytest.raises(MediaError) as caught:
        source_truth(tmp_path / "cut.ts")
    assert caught.value.code == "damaged"


@pytest.mark.parametrize("name", ["faststart.mp4", "prores.mov", "long-gop.mkv", "long-gop.mxf"])
def test_ffmpeg_is_content_with_half_a_file_and_verify_is_not(
    build: Build, clip: ClipMaker, tmp_path: Path, name: str
) -> None:
    path = cut(clip(name), tmp_path / name, 0.6)
    made = tmp_path / "made.mkv"
    args = [*input_args(path), "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    run = run_ffmpeg(build, [*args, *output_args(made)])
    assert run.exit_status == 0
    whole = source_truth(clip(name))
    with pytest.raises(PlatformError, match="frames instead of 75") as caught:
        verify(made, ExpectedOutput.of(whole))
    assert caught.value.code == "bad-output"
    half = source_truth(path, strict=False)
    assert half.problem is not None
    with pytest.raises(MediaError, match="The source is cut short") as blamed:
        verify(made, replace(ExpectedOutput.of(whole), source_problem=half.problem))
    assert blamed.value.code == "truncated"


def test_what_is_left_of_a_cut_file_is_counted(clip: ClipMaker, tmp_path: Path) -> None:
    half = source_truth(cut(clip("faststart.mp4"), tmp_path / "a.mp4", 0.6), strict=False)
    assert half.frames is not None
    assert half.declared_frames == 75
    assert 30 < half.frames < 60


def test_rubbish_behind_the_last_atom_is_no_cut(clip: ClipMaker, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip("faststart.mp4").read_bytes() + b"\0" * 1000)
    assert source_truth(path).frames == 75


def test_a_sequence_ends_at_its_first_gap(bundled: Build, tmp_path: Path) -> None:
    for frame in (1001, 1002, 1003, 1005):
        (tmp_path / f"p.{frame}.exr").write_text("x")
    truth = source_truth(Asset.of(tmp_path / "p.[1001-1005].exr"))
    assert (truth.frames, truth.declared_frames, truth.how) == (3, 5, "files")


# Outputs that are not what they should be ---------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (ExpectedOutput(frames=73), "75 frames instead of 73"),
        (ExpectedOutput(frames=77), "75 frames instead of 77"),
        (ExpectedOutput(duration_s=3.2), "lasts 3.000 s instead of 3.200 s"),
        (ExpectedOutput(duration_s=2.8), "lasts 3.000 s instead of 2.800 s"),
        (ExpectedOutput(has_video=False), "has video where none was asked for"),
        (ExpectedOutput(audio_tracks=2), "has 1 audio tracks instead of 2"),
        (ExpectedOutput(audio_s=4.0), "in audio track 1 instead of 4.000 s"),
        (ExpectedOutput(width=640), "is 320 pixels wide instead of 640"),
        (ExpectedOutput(height=360), "is 180 pixels high instead of 360"),
    ],
)
def test_what_differs_is_said(clip: ClipMaker, expected: ExpectedOutput, words: str) -> None:
    with pytest.raises(PlatformError, match=words) as caught:
        verify(clip("faststart.mp4"), expected)
    assert caught.value.code == "bad-output"


@pytest.mark.parametrize(
    "expected",
    [
        ExpectedOutput(),
        ExpectedOutput(frames=76),
        ExpectedOutput(frames=74),
        ExpectedOutput(frames=80, leading=5),
        ExpectedOutput(duration_s=3.04),
        ExpectedOutput(duration_s=3.5, tolerance_s=0.6),
        ExpectedOutput(frames=90, tolerance_frames=15),
    ],
)
def test_what_is_within_tolerance_passes(clip: ClipMaker, expected: ExpectedOutput) -> None:
    assert verify(clip("faststart.mp4"), expected).frames == 75


def test_an_output_without_video_is_missed(clip: ClipMaker) -> None:
    with pytest.raises(PlatformError, match="has no video"):
        verify(clip("sound.wav"), ExpectedOutput(has_video=True))


def test_an_output_that_is_not_there_or_empty_is_bad(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for name in ("gone.mp4", "empty.mp4"):
        with pytest.raises(PlatformError) as caught:
            verify(tmp_path / name, ExpectedOutput())
        assert caught.value.code == "bad-output"


def damaged(source: Path, target: Path, picture: int) -> Path:
    """A copy with one picture's header overwritten."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        at = [p.pos for p in container.demux(video=0) if p.pos is not None][picture]
    data[at + 4 : at + 200] = bytes(196)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("picture", [0, 5, 74])
def test_damage_in_the_first_and_the_last_pictures_is_seen(
    clip: ClipMaker, tmp_path: Path, picture: int
) -> None:
    path = damaged(clip("prores.mov"), tmp_path / "a.mov", picture)
    with pytest.raises(PlatformError, match=r"decoded|damaged"):
        verify(path, ExpectedOutput(frames=75))


def test_damage_in_the_middle_takes_a_full_decode(clip: ClipMaker, tmp_path: Path) -> None:
    path = damaged(clip("prores.mov"), tmp_path / "a.mov", 40)
    assert verify(path, ExpectedOutput(frames=75)).frames == 75
    with pytest.raises(PlatformError, match=r"decoded|damaged"):
        verify(path, ExpectedOutput(frames=75), "full")


def test_verifying_can_be_cancelled(clip: ClipMaker) -> None:
    with pytest.raises(Cancelled):
        verify(clip("faststart.mp4"), ExpectedOutput(), cancelled=lambda: True)
    with pytest.raises(Cancelled):
        source_truth(clip("long-gop.mkv"), cancelled=lambda: True)


# Packets ------------------------------------------------------------------------------------------


def test_packets_are_counted_of_the_stream_that_is_asked_for(clip: ClipMaker) -> None:
    assert packet_count(clip("long-gop.mkv")) == 75
    assert packet_count(clip("long-gop.mkv"), 1) > 100
    with pytest.raises(MediaError, match="no such stream"):
        packet_count(clip("sound.wav"))


def test_what_is_no_media_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"\x07" * 4000)
    with pytest.raises(MediaError) as caught:
        open_source(tmp_path / "a.mov")
    assert caught.value.code == "not-media"
    with pytest.raises(CallerError):
        source_truth(tmp_path / "nowhere.mov")
