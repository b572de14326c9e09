"""Stills of clips: as many as were asked for, of the right size; key frames alone where far apart."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

import make_media
from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media.ladders.renditions import supervised
from rushes.media.ladders.snapshots import Snapshots, make_snapshots
from rushes.media.ladders.still_branches import Stills
from rushes.media.running.builds import Build
from rushes.media.running.process import Limits, Supervision
from rushes_functions.thumbnails import thumbnails

_LIMITS = Limits(stall_s=30, time_s=60, memory_bytes=2 * 1024**3)


def _take(clip: Path, folder: Path, build: Build, **wish: Any) -> Snapshots:
    folder.mkdir()
    run = supervised(build, Supervision(limits=_LIMITS, cwd=folder.parent))
    return make_snapshots(Asset.of(clip), Stills(**wish), folder, build=build, run=run)


def _size(picture: Path) -> tuple[int, int]:
    with av.open(picture) as opened:
        stream = opened.streams.video[0]
        next(opened.decode(stream))
        return stream.width, stream.height


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_stills_have_the_wished_size_and_number(
    kind: Any, build: Build, media: make_media.Workshop, tmp_path: Path
) -> None:
    clip = media.get("h264_24p.mp4")

    made = _take(clip, tmp_path / "out", build, every_s=0.5, columns=3, rows=2, height=60, kind=kind)

    assert (made.thumbnails, made.sheet, made.keys_only) == (4, f"contact-sheet.{kind}", False)
    assert {_size(p) for p in (tmp_path / "out" / "thumbnails").iterdir()} == {(106, 60)}
    assert _size(tmp_path / "out" / f"contact-sheet.{kind}") == (3 * 106 + 4 * 4, 2 * 60 + 3 * 4)


def test_stills_that_are_far_apart_are_key_frames_and_none_is_missing(build: Build, tmp_path: Path) -> None:
    clip = tmp_path / "slow.mp4"
    subprocess.run(
        [str(build.path), "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=2:d=41",
         "-c:v", "libx264", "-g", "8", "-pix_fmt", "yuv420p", f"file:{clip}"],
        check=True, timeout=60,
    )  # fmt: skip

    made = _take(clip, tmp_path / "out", build, every_s=10, columns=2, rows=2, height=90)

    assert made.keys_only
    assert made.thumbnails == 5
    assert _size(tmp_path / "out" / "contact-sheet.jpg") == (2 * 160 + 3 * 4, 2 * 90 + 3 * 4)


@pytest.mark.parametrize(
    "name", ["rotated_90.mov", "hdr10.mkv", "interlaced_tff.mxf", "vfr.mkv", "one_frame.mov"]
)
def test_any_clip_has_a_contact_sheet(name: str, media: make_media.Workshop, tmp_path: Path) -> None:
    result = thumbnails(str(media.get(name)), out=str(tmp_path), sheet="2x2", height=60)

    assert result.height == 60
    width, height = _size(result.folder.path / "contact-sheet.jpg")
    assert (width, height) == (2 * result.width + 12, 2 * 60 + 12)


def test_a_clip_without_picture_has_no_stills(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    sound.write_bytes(_silence())

    with pytest.raises(MediaError) as refused:
        thumbnails(str(sound), out=str(tmp_path / "out"))

    assert refused.value.code == "no-video"
    assert not (tmp_path / "out" / "sound").exists()


def test_a_frame_range_is_refused(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = Asset.of(media.get("h264_24p.mp4")).with_frames(0, 5)

    with pytest.raises(CallerError) as refused:
        thumbnails(clip, out=str(tmp_path))

    assert refused.value.code == "bad-range"


def _silence() -> bytes:
    size = 48_000 * 2
    header = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    header += b"\x01\x00\x01\x00" + (48_000).to_bytes(4, "little") + (96_000).to_bytes(4, "little")
    return header + b"\x02\x00\x10\x00data" + size.to_bytes(4, "little") + bytes(size)
