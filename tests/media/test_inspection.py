"""`describe` beyond the catalogue's facts: structure, warnings, sequences, counting, the second look."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from started import open_files

import make_media
from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media.describing import stills
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import VideoStream
from rushes.media.readers import questions
from rushes.media.readers.dialect import text_options
from rushes.media.running.builds import bundled_ffmpeg

Clip = Callable[[str], Path]


def picture_of(path: Path, **options: bool) -> VideoStream:
    picture = describe(path, **options).primary_video  # type: ignore[arg-type]
    assert picture is not None
    return picture


def test_pyav_alone_still_lacks_what_we_fill_in(media: make_media.Workshop) -> None:
    with av.open(str(media.get("hdr10.mp4"))) as container:
        stream = container.streams.video[0]

        assert not hasattr(stream, "side_data")
        if "metadata_errors" in text_options():  # 19 has it; nothing is asked of it that 18 cannot say
            assert not hasattr(stream.codec_context, "chroma_sample_location")


def test_chroma_location_is_read_from_parameter_sets_or_the_codecs_standard(
    media: make_media.Workshop, clip: Clip
) -> None:
    assert picture_of(media.get("h264.mp4")).chroma_location == "left"
    assert picture_of(media.get("hdr10.mkv")).chroma_location == "left"
    assert picture_of(clip("tape.dv")).chroma_location == "topleft"
    assert picture_of(clip("prores.mov")).chroma_location is None


def test_mastering_and_light_levels_are_read_in_mp4_and_matroska(media: make_media.Workshop) -> None:
    for name in ("hdr10.mp4", "hdr10.mkv"):
        hdr = picture_of(media.get(name)).hdr
        assert hdr is not None
        assert hdr.mastering is not None
        assert hdr.mastering.white == (0.3127, 0.329)
        assert hdr.content_light is not None


def test_an_edit_list_is_told(clip: Clip) -> None:
    edits = picture_of(clip("edit-list.mp4")).edits

    assert len(edits) >= 1
    assert edits[-1].media_start_s is not None
    assert edits[-1].media_start_s > 0.5


def test_where_the_index_lies_is_told(clip: Clip) -> None:
    assert describe(clip("index-at-end.mp4")).container.faststart is False
    assert describe(clip("faststart.mp4")).container.faststart is True
    assert describe(clip("fragmented.mp4")).container.fragmented is True
    assert describe(clip("long-gop.mkv")).container.faststart is None


@pytest.mark.parametrize(
    ("name", "mode", "decision"),
    [
        ("faststart.mp4", "cfr", "sample-table"),
        ("variable.mp4", "vfr", "sample-table"),
        ("long-gop.mkv", "cfr", "average-equals-nominal"),
        ("variable.mkv", "vfr", "first-packets"),
        ("long-gop.mxf", "cfr", "edit-rate"),
        ("broadcast.ts", "cfr", "average-equals-nominal"),
    ],
)
def test_how_the_rate_mode_was_decided_is_said(clip: Clip, name: str, mode: str, decision: str) -> None:
    picture = picture_of(clip(name))

    assert (picture.rate_mode, picture.rate_decided_by) == (mode, decision)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("open-gop.mp4", "cfr"),
        ("long-gop.mkv", "cfr"),
        ("variable.mkv", "vfr"),
        ("variable.mp4", "vfr"),
        ("broadcast.ts", "cfr"),
        ("interlaced.ts", "cfr"),
        ("tape.dv", "cfr"),
    ],
)
def test_counting_packets_settles_the_rate_mode(clip: Clip, name: str, mode: str) -> None:
    picture = picture_of(clip(name), count_frames=True)

    assert (picture.rate_mode, picture.rate_decided_by) == (mode, "packet-scan")


def test_frames_are_counted_only_on_request(clip: Clip) -> None:
    assert picture_of(clip("long-gop.mkv")).frames_counted is None
    assert picture_of(clip("long-gop.mkv"), count_frames=True).frames_counted == 75


def test_a_declared_count_that_is_not_there_is_a_warning(clip: Clip, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    whole = clip("faststart.mp4").read_bytes()
    cut.write_bytes(whole[: len(whole) * 7 // 10])

    info = describe(cut, count_frames=True)

    assert {"truncated", "frame-count-mismatch"} <= info.warning_codes


@pytest.mark.parametrize("name", ["long-gop.mkv", "long-gop.mxf", "prores.mov", "old.avi", "sound.wav"])
def test_a_cut_file_says_so_from_its_headers(clip: Clip, tmp_path: Path, name: str) -> None:
    cut = tmp_path / name
    whole = clip(name).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])

    assert describe(clip(name)).warnings == []
    assert "truncated" in describe(cut).warning_codes


def test_a_recording_without_its_index_fails_with_what_is_missing(clip: Clip, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mov"
    cut.write_bytes(clip("index-at-end.mp4").read_bytes()[:5000])

    with pytest.raises(MediaError, match=r"no index \(moov\), and [\d,]+ bytes are missing") as raised:
        describe(cut)

    assert raised.value.code == "truncated"


def test_sound_that_ends_early_is_a_warning(clip: Clip) -> None:
    (warning,) = (w for w in describe(clip("short-sound.mkv")).warnings if w.startswith("length-mismatch"))

    assert "1.98 s shorter" in warning


def test_odd_sizes_are_a_warning_only_where_chroma_is_subsampled(media: make_media.Workshop) -> None:
    info = describe(media.get("odd_size.mp4"))

    assert ("odd-dimensions" in info.warning_codes) is (
        info.video[0].chroma_subsampling in {"4:2:0", "4:2:2"}
    )


def test_a_live_recording_is_incomplete(clip: Clip) -> None:
    assert "incomplete-recording" in describe(clip("recorded-live.mkv")).warning_codes


def test_timestamps_that_leap_are_a_warning_when_packets_are_read(media: make_media.Workshop) -> None:
    path = media.get("gap_10h.mkv")

    assert "timestamp-jump" not in describe(path).warning_codes
    assert "timestamp-jump" in describe(path, count_frames=True).warning_codes


def test_an_encrypted_clip_says_so_and_is_described_all_the_same(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.mp4"
    key = "00112233445566778899aabbccddeeff"
    argv = [str(bundled_ffmpeg()), "-v", "error", "-i", str(media.get("h264.mp4")), "-c", "copy"]
    argv += [
        "-encryption_scheme",
        "cenc-aes-ctr",
        "-encryption_key",
        key,
        "-encryption_kid",
        key,
        str(locked),
    ]
    subprocess.run(argv, check=True, capture_output=True)

    info = describe(locked)

    assert info.encryption is not None
    assert info.encryption.schemes == ["cenc"]
    assert info.video[0].encrypted
    assert info.video[0].codec == "h264"
    assert "encrypted" in info.warning_codes


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5", "blake2b"])
def test_a_checksum_is_the_files_own(media: make_media.Workshop, algorithm: str) -> None:
    path = media.get("sound.wav")

    found = describe(path, checksum=algorithm).checksum

    assert found is not None
    assert found.value == hashlib.new(algorithm, path.read_bytes()).hexdigest()


def test_an_unknown_checksum_is_the_callers_mistake(media: make_media.Workshop) -> None:
    with pytest.raises(CallerError, match="crc32"):
        describe(media.get("sound.wav"), checksum="crc32")


# -- sequences ------------------------------------------------------------------------------------------


@pytest.fixture
def plates(media: make_media.Workshop, tmp_path: Path) -> Path:
    """plate.0001.png to plate.0012.png without 4, 7 and 8; 12 is empty."""
    still = media.get("still.png")
    for number in (1, 2, 3, 5, 6, 9, 10, 11):
        shutil.copy(still, tmp_path / f"plate.{number:04d}.png")
    (tmp_path / "plate.0012.png").touch()
    (tmp_path / "plate.0013.txt").touch()
    (tmp_path / "plate.00007.png").mkdir()
    return tmp_path / "plate.[0001-0014].png"


def test_a_sequence_reports_its_gaps_as_ranges(plates: Path) -> None:
    info = describe(plates)

    assert info.sequence is not None
    assert (info.sequence.first, info.sequence.last, info.sequence.frames) == (1, 12, 9)
    assert info.sequence.missing == [(4, 4), (7, 8), (13, 14)]
    assert info.sequence.empty == [12]
    assert {"missing-frames", "empty-frames"} <= info.warning_codes


def test_a_sequence_opens_two_frames_however_many_there_are(
    plates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    real = questions.ask_about

    def counting(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(stills, "ask_about", counting)

    describe(plates)

    assert len(opened) == 2


def test_a_sequence_whose_frames_change_size_is_a_warning(plates: Path) -> None:
    _resize(plates.parent / "plate.0011.png")

    assert "frames-differ" in describe(plates).warning_codes


def _resize(path: Path) -> None:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).reformat(width=32, height=16)
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as output:
        stream = output.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "rgb24"
        output.mux(stream.encode(frame))
        output.mux(stream.encode())


def test_a_sequence_has_no_rate_unless_its_frames_state_one(plates: Path) -> None:
    assert picture_of(plates).frame_rate is None
    assert describe(plates).duration_s is None


def test_a_sequence_checksum_is_over_its_frames_in_order(plates: Path) -> None:
    total = hashlib.sha256()
    for path in sorted(plates.parent.glob("plate.????.png")):
        total.update(path.read_bytes())

    found = describe(plates, checksum="sha256").checksum

    assert found is not None
    assert found.value == total.hexdigest()


def test_a_sequence_of_nothing_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="no frame"):
        describe(tmp_path / "plate.[0001-0010].exr")


def test_a_file_whose_name_looks_like_a_sequence_is_a_file(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    path = tmp_path / "take[1-3].mp4"
    shutil.copy(media.get("h264.mp4"), path)

    assert describe(path).container.format == "mp4"


# -- what must not happen -------------------------------------------------------------------------------


def test_a_sparse_film_of_500_gigabytes_is_described_from_its_headers(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    huge = tmp_path / "huge.mov"
    shutil.copy(media.get("bt709.mov"), huge)
    with huge.open("r+b") as file:  # a free box of 500 GB behind the film
        file.seek(0, os.SEEK_END)
        end = file.tell()
        file.write((1).to_bytes(4, "big") + b"free" + (500 * 10**9).to_bytes(8, "big"))
        try:
            file.truncate(end + 500 * 10**9)
        except OSError:
            pytest.skip("left out: this file system has no sparse files of that size")

    read_before = _bytes_read()
    info = describe(huge)

    assert info.warnings == []
    assert info.primary_video is not None
    assert _bytes_read() - read_before < 20_000_000


def _bytes_read() -> int:
    if not sys.platform.startswith("linux"):
        pytest.skip("left out: only Linux counts the bytes that a process reads")
    fields = Path("/proc/self/io").read_text(encoding="ascii").split()
    return int(fields[1])


def test_the_source_is_not_touched(media: make_media.Workshop) -> None:
    path = media.get("h264.mp4")
    before = path.stat()

    describe(path, count_frames=True, checksum="md5")

    after = path.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (
        before.st_mtime_ns,
        before.st_size,
        before.st_ino,
    )


def test_no_file_is_left_open(media: make_media.Workshop, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(media.get("h264.mp4").read_bytes()[:3000])
    if not Path("/proc/self/fd").exists():
        pytest.skip("left out: needs /proc")
    describe(media.get("h264.mp4"))
    before = open_files()

    describe(media.get("h264.mp4"))
    with pytest.raises(MediaError):
        describe(broken)

    assert open_files() <= before


def test_a_playlist_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "harmless.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", encoding="ascii")

    with pytest.raises(MediaError, match="HLS playlist") as raised:
        describe(path)

    assert raised.value.code == "refused-format"


def test_a_remote_asset_is_not_on_this_machine() -> None:
    with pytest.raises(CallerError):
        describe(Asset.of("s3://bucket/clip.mov"))


# -- the second look ------------------------------------------------------------------------------------


def test_a_second_look_finds_nothing_to_say_about_a_good_clip(clip: Clip) -> None:
    for name in ("faststart.mp4", "sound.wav", "tape.dv"):
        assert describe(clip(name), deep=True).warnings == []


def test_a_second_look_says_that_the_picture_does_not_decode(clip: Clip, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mov"
    data = bytearray(clip("prores.mov").read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    broken.write_bytes(data)

    codes = describe(broken, deep=True).warning_codes

    assert {"first-frame", "disagreement"} <= codes


def test_a_second_look_knows_whether_there_is_dynamic_metadata(media: make_media.Workshop) -> None:
    picture = picture_of(media.get("hdr10.mp4"), deep=True)

    assert picture.hdr is not None
    assert picture.hdr.dynamic_metadata is False
