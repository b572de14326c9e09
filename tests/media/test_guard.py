from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media.describing.truth import open_source
from rushes.media.readers.guard import (
    DEMUXERS,
    av_arguments,
    av_options,
    check_source,
    input_args,
    output_args,
)
from rushes.media.running.builds import Build
from rushes.media.running.process import Limits, Supervision, check, run_ffmpeg

ClipMaker = Callable[[str], Path]
NULL = ("-f", "null", "-")
QUICK = Supervision(Limits(stall_s=20.0, memory_bytes=1_500_000_000, time_s=60.0))
NAMES = [
    "-i", "-y", "a:b", "concat:x|y", "pipe:0", "data:x", "x%03dy", "%d", "%", "new\nline", "it's", 'say "x"',
    "$(id)", "*?", "[1]", "ünïcödé", "@x", " space ", "a=b,c;d", "back\\slash", "http:x", "\udcff\udcfe",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_video_of_any_name_is_read_and_written(
    build: Build, clip: ClipMaker, tmp_path: Path, name: str
) -> None:
    source = tmp_path / f"{name}.mp4"
    os.link(clip("faststart.mp4"), source)
    check_source(source)
    made = tmp_path / f"{name}-made.mkv"
    check(run_ffmpeg(build, [*input_args(source), "-c", "copy", *output_args(made)]), build.major)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, made.name])


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_any_name_is_read_and_written(build: Build, tmp_path: Path, name: str) -> None:
    picture, copy = tmp_path / f"{name}.png", tmp_path / f"{name}-made.png"
    one = ["-f", "lavfi", "-i", "testsrc2=s=64x36", "-frames:v", "1"]
    check(run_ffmpeg(build, [*one, *output_args(picture)]), build.major)
    check(run_ffmpeg(build, [*input_args(picture), *output_args(copy)]), build.major)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([picture.name, copy.name])


@pytest.mark.parametrize("name", [name for name in NAMES if "\udcff" not in name])
def test_pyav_opens_the_same_names(clip: ClipMaker, tmp_path: Path, name: str) -> None:
    os.link(clip("faststart.mp4"), tmp_path / f"{name}.mp4")
    with av.open(**av_arguments(tmp_path / f"{name}.mp4")) as container:
        assert container.streams.video[0].frames == 75


def test_a_sequence_is_opened_at_its_first_number_with_its_rate(build: Build, tmp_path: Path) -> None:
    pattern = str(tmp_path / "50%%[a].%04d.png")
    made = ["-f", "lavfi", "-i", "testsrc2=s=64x36:d=1", "-frames:v", "5", "-start_number", "1001"]
    check(run_ffmpeg(build, [*made, f"file:{pattern}"]), build.major)
    asset = Asset.of(tmp_path / "50%[a].[1001-1005].png")
    check_source(asset)
    args = input_args(asset, frame_rate="24000/1001")
    run = check(run_ffmpeg(build, [*args, *NULL]), build.major)
    assert run.progress is not None
    assert run.progress.frames == 5
    with av.open(**av_arguments(asset, frame_rate="24000/1001")) as container:
        assert len(list(container.decode(video=0))) == 5


def test_a_sequence_may_start_later(build: Build) -> None:
    args = input_args(Asset("/a/b.[0001-0100].exr"), start_number=50)
    assert args[args.index("-start_number") + 1] == "50"
    assert args[-1] == "file:/a/b.%04d.exr"


def test_every_input_has_the_limits(tmp_path: Path) -> None:
    for source in (tmp_path / "a.mov", tmp_path / "a.png", "/x/b.[1-9].dpx"):
        args = input_args(source)
        assert {"-protocol_whitelist", "-format_whitelist", "-max_pixels", "-max_streams"} <= set(args)
        assert args[args.index("-protocol_whitelist") + 1] == "file"


def test_nothing_that_names_other_files_may_be_opened() -> None:
    hostile = {"hls", "dash", "concat", "imf", "sdp", "rtp", "rtsp", "lavfi", "image2", "avisynth", "tty"}
    assert not hostile & {*DEMUXERS, *av_options()["format_whitelist"].split(",")}


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _hostile(folder: Path, good: Path) -> dict[str, bytes]:
    near = folder / "near.ts"
    near.write_bytes(good.read_bytes())
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT4S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" codecs="avc1.64000d">'
        f"<BaseURL>file://{near}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    return {
        "hls-file.mp4": hls.format(f"file://{near}").encode(),
        "hls.m3u8": hls.format(near.name).encode(),
        "hls-net.mp4": hls.format("http://127.0.0.1:9/x.ts").encode(),
        "self.mp4": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nself.mp4\n",
        "dash.mp4": dash.encode(),
        "concat.mp4": f"ffconcat version 1.0\nfile {near.name}\n".encode(),
        "session.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "random.mp4": bytes(range(256)) * 20,
        "zeros.mov": bytes(5000),
        "one-byte.mxf": b"x",
        "text.mkv": b"hello\n" * 100,
        "pixels.png": _png(16200, 16200),
        "more-pixels.png": _png(100_000, 100_000),
    }


HOSTILE = [
    "hls-file.mp4", "hls.m3u8", "hls-net.mp4", "self.mp4", "dash.mp4", "concat.mp4", "session.mp4",
    "random.mp4", "zeros.mov", "one-byte.mxf", "text.mkv", "pixels.png", "more-pixels.png",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_clear_media_error(
    build: Build, clip: ClipMaker, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(_hostile(tmp_path, clip("broadcast.ts"))[name])
    run = run_ffmpeg(
        build, [*input_args(path), "-c:v", "libx264", str(tmp_path / "o.mp4")], supervision=QUICK
    )
    with pytest.raises(MediaError) as caught:
        check(run, build.major)
    assert caught.value.code in {"refused-format", "not-media", "over-limits", "truncated"}
    assert "\n" not in caught.value.message
    assert name in caught.value.message
    # Not a frame of the file beside it was read.
    assert run.progress is None or run.progress.frames == 0


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.endswith(".png")])
def test_pyav_refuses_the_same_files(clip: ClipMaker, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(_hostile(tmp_path, clip("broadcast.ts"))[name])
    with pytest.raises(MediaError) as caught:
        open_source(tmp_path / name).close()
    assert caught.value.code in {"refused-format", "not-media"}


def test_an_index_of_millions_of_samples_is_refused_before_memory_is_spent(
    build: Build, tmp_path: Path
) -> None:
    def box(kind: bytes, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return struct.pack(">I", 8 + len(body)) + kind + body

    full = bytes(4)
    count = 67_000_000
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    entry = box(b"avc1", bytes(6) + b"\x00\x01" + bytes(16) + struct.pack(">HH", 64, 64) + bytes(50))
    stbl = box(
        b"stbl",
        box(b"stsd", full, struct.pack(">I", 1), entry),
        box(b"stts", full, struct.pack(">III", 1, count, 1)),
        box(b"stsc", full, struct.pack(">IIII", 1, 1, count, 1)),
        box(b"stsz", full, struct.pack(">II", 1, count)),
        box(b"stco", full, struct.pack(">II", 1, 8)),
    )
    mdhd = box(b"mdhd", full, struct.pack(">IIIIHH", 0, 0, 25, count, 0, 0))
    hdlr = box(b"hdlr", full, bytes(4), b"vide", bytes(13))
    minf = box(b"minf", box(b"vmhd", full, bytes(8)), stbl)
    size = struct.pack(">II", 64 << 16, 64 << 16)
    tkhd = box(b"tkhd", struct.pack(">IIIIII", 3, 0, 0, 1, 0, count), bytes(16), matrix, size)
    mvhd = box(b"mvhd", full, struct.pack(">IIII", 0, 0, 25, count), bytes(80))
    moov = box(b"moov", mvhd, box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))
    (tmp_path / "bomb.mp4").write_bytes(box(b"ftyp", b"isom", bytes(4)) + moov)
    run = run_ffmpeg(build, [*input_args(tmp_path / "bomb.mp4"), *NULL], supervision=QUICK)
    with pytest.raises(MediaError) as caught:
        check(run, build.major)
    assert caught.value.code in {"over-limits", "damaged"}
    assert run.stopped is None


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda p: None, "not-found", "is not there"),
        (lambda p: p.mkdir(), "not-a-file", "is a folder"),
        (os.mkfifo, "not-a-file", "is a named pipe"),
        (lambda p: p.symlink_to("/dev/zero"), "not-a-file", "is a device"),
        (lambda p: p.symlink_to(p), "link-loop", "leads back to itself"),
        (lambda p: p.symlink_to(p.parent / "gone.mov"), "dangling-link", "gone.mov, which is not there"),
    ],
)
def test_what_is_no_file_is_refused_before_anything_opens_it(
    tmp_path: Path, make: Callable[[Path], None], code: str, words: str
) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(CallerError, match=words) as caught:
        check_source(path)
    assert caught.value.code == code


def test_an_empty_file_is_the_medias_fault(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(MediaError, match="is empty"):
        check_source(tmp_path / "clip.mp4")


def test_a_path_below_a_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CallerError, match="below a file"):
        check_source(tmp_path / "file" / "clip.mov")


def test_a_name_with_a_null_byte_is_an_error_of_ours() -> None:
    with pytest.raises(CallerError):
        check_source("/a/b\0c.mov")


def test_a_link_to_a_file_passes_and_is_read_like_the_file(
    build: Build, clip: ClipMaker, tmp_path: Path
) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(clip("faststart.mp4"))

    check_source(link)
    run = check(run_ffmpeg(build, [*input_args(link), *NULL], supervision=QUICK), build.major)

    assert run.progress is not None
    assert run.progress.frames == 75


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.mov").write_text("x")
    (tmp_path / "clip.mov").chmod(0)
    with pytest.raises(CallerError, match="may not be read"):
        check_source(tmp_path / "clip.mov")


def test_a_sequence_needs_one_picture_and_no_pipe_among_them(tmp_path: Path) -> None:
    asset = Asset.of(tmp_path / "plate.[1001-1005].exr")
    with pytest.raises(CallerError, match="No picture of"):
        check_source(asset)
    (tmp_path / "plate.1002.exr").write_text("x")
    check_source(asset)
    os.mkfifo(tmp_path / "plate.1003.exr")
    with pytest.raises(CallerError, match="named pipe"):
        check_source(asset)
