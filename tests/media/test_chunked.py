"""A clip encoded in chunks is the clip: every frame once, at its own time, whatever the source is like."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from cuttable import RECIPES, maker
from started import Started

from rushes.asset import Asset
from rushes.errors import Cancelled, MediaError, PlatformError
from rushes.media.chunking.chunked import encode_chunked
from rushes.media.chunking.chunks import plan_chunks
from rushes.media.chunking.cutting import Clip
from rushes.media.chunking.makers import SideBySide
from rushes.media.chunking.one_chunk import PartMade, make_part
from rushes.media.chunking.part_order import PartOrder, orders_of
from rushes.media.chunking.stitch import check_part, stitch
from rushes.media.describing.index import read_index, times_between
from rushes.media.describing.inspection import describe
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.planning.device_graph import HERE
from rushes.media.profile import Profile
from rushes.media.running.builds import Build
from rushes.media.running.process import Supervision, ToolRun, run_ffmpeg
from rushes.media.running.progress import Progress


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, bundled: Build) -> Callable[[str], Asset]:
    make = maker(tmp_path_factory.mktemp("chunked"), bundled.path)
    return lambda name: Asset.of(make(name))


def _profile(
    container: str = "mp4", codec: str = "h264", speed: str | None = "ultrafast", **more: object
) -> Profile:
    video = {"codec": codec, "speed": speed, **dict(more.pop("video", {}) or {})}  # type: ignore[call-overload]
    return Profile.model_validate({"container": container, "video": video, **more})


def _shown(path: Path) -> list[float]:
    """When each picture of a file is shown, in seconds."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.time_base is not None
        found = [packet.pts for packet in container.demux(video) if packet.pts is not None]
        return [float(pts * video.time_base) for pts in sorted(found)]


def _decoded_in_order(path: Path) -> bool:
    with av.open(str(path)) as container:
        times = [p.dts for p in container.demux(container.streams.video[0]) if p.dts is not None]
    return times == sorted(set(times))


def _frames(build: Build, path: Path) -> str:
    command = [str(build.path), "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _psnr(build: Build, one: Path, other: Path) -> list[float]:
    graph = "[0:v]setpts=PTS-STARTPTS[a];[1:v]setpts=PTS-STARTPTS[b];[a][b]psnr=stats_file=-"
    command = [str(build.path), "-v", "error", "-i", str(one), "-i", str(other), "-lavfi", graph]
    command += ["-f", "null", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(value) for value in re.findall(r"psnr_avg:(\S+)", done.stdout)]


@pytest.mark.parametrize(
    "case",
    [
        ("plain.mp4", "mp4", "h264"),
        ("plain.mp4", "ts", "h264"),
        ("variable.mp4", "mp4", "h264"),
        ("variable.mkv", "mp4", "hevc"),
        ("open.mp4", "mkv", "h264"),
        ("open-hevc.mp4", "mov", "hevc"),
        ("film.ts", "mp4", "h264"),
        ("film.ts", "ts", "h264"),
        ("fields.mp4", "mov", "h264"),
        ("fields.ts", "mp4", "h264"),
        ("edits.mp4", "mp4", "h264"),
        ("edits.mov", "mov", "prores"),
        ("late.mp4", "mp4", "h264"),
        ("tracks.mkv", "mov", "h264"),
        ("deep.mov", "mov", "hevc"),
        ("deep.mov", "mp4", "av1"),
    ],
)
def test_chunks_give_the_frames_and_times_of_the_encode_in_one_piece(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    name, container, codec = case
    source = made(name)
    speed = {"av1": "12", "prores": None}.get(codec, "ultrafast")
    profile = _profile(container, codec, speed)
    whole, parts = tmp_path / f"whole.{container}", tmp_path / f"parts.{container}"

    expected = encode(source, whole, profile, build=bundled)
    result = encode_chunked(source, parts, profile, chunks=3, build=bundled)

    assert result.warnings == expected.warnings, "it was cut, and no part had to be made again"
    assert result.frames == expected.frames == read_index(source).frames
    assert _shown(parts) == _shown(whole)
    assert container in ("mkv", "ts") or _decoded_in_order(parts)
    # At this size a keyframe more at each joint is some 3 % of the file.
    assert 0.9 < result.size_bytes / expected.size_bytes < 1.12
    assert min(_psnr(bundled, whole, parts)) > 28, "the same picture at each time"
    assert _facts(parts) == _facts(whole)
    assert result.verification["audio_s"] == pytest.approx(expected.verification["audio_s"], abs=0.03)


# What follows from the number of bytes; the last packet of sound, of which a muxer may drop a padded one.
_SIZED = {"bit_rate", "bit_rate_max", "size_bytes"}
_LAST_PACKET = {"duration_s", "frames_declared", "edits"}
# Matroska alone says a range without primaries, which the parts do not carry, and who encoded the sound.
_OF_MATROSKA = {"color", "tags"}


def _facts(path: Path) -> dict[str, object]:
    """All that an inspection says of a file's tracks, sizes left out."""
    info = describe(path)
    left_out = _SIZED | (_OF_MATROSKA if path.suffix == ".mkv" else set())
    return {
        "video": [track.model_dump(exclude=left_out) for track in info.video],
        "audio": [track.model_dump(exclude=left_out | _LAST_PACKET) for track in info.audio],
        "timecode": info.timecode,
        "tags": info.tags,
        "start": info.container.start_s,
    }


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("build", ["debian"], indirect=True)
@pytest.mark.parametrize("name", ["variable.mkv", "film.ts", "edits.mp4"])
def test_chunks_are_exact_with_the_systems_older_ffmpeg_too(
    made: Callable[[str], Asset], build: Build, tmp_path: Path, name: str
) -> None:
    source, profile = made(name), _profile()
    whole, parts = tmp_path / "whole.mp4", tmp_path / "parts.mp4"

    encode(source, whole, profile, build=build)
    result = encode_chunked(source, parts, profile, chunks=3, build=build)

    assert not result.warnings
    assert _steps(parts) == _steps(whole)


def _steps(path: Path) -> list[float]:
    """From each picture to the next: where a clip's clock starts, two versions of ffmpeg may not agree."""
    return [round(b - a, 6) for a, b in pairwise(_shown(path))]


def test_a_repeat_gives_the_same_pictures(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    source, profile = made("variable.mp4"), _profile()

    for name in ("one.mp4", "two.mp4"):
        encode_chunked(source, tmp_path / name, profile, chunks=4, build=bundled)

    assert _frames(bundled, tmp_path / "one.mp4") == _frames(bundled, tmp_path / "two.mp4")


@pytest.mark.parametrize("name", ["fields.mp4", "fields.ts"])
def test_a_deinterlacer_sees_the_neighbours_across_a_joint(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, name: str
) -> None:
    source = made(name)
    profile = _profile(video={"deinterlace": "on", "quality": 4})

    encode(source, tmp_path / "whole.mp4", profile, build=bundled)
    encode_chunked(source, tmp_path / "parts.mp4", profile, chunks=3, build=bundled)

    assert min(_psnr(bundled, tmp_path / "whole.mp4", tmp_path / "parts.mp4")) > 44


def test_labels_that_count_frames_go_on_across_a_joint(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    source = made("deep.mov")
    profile = _profile("mov", video={"burn_in": ["name", "timecode", "frame"], "quality": 4})

    encode(source, tmp_path / "whole.mov", profile, build=bundled)
    encode_chunked(source, tmp_path / "parts.mov", profile, chunks=3, build=bundled)

    assert min(_psnr(bundled, tmp_path / "whole.mov", tmp_path / "parts.mov")) > 40


@pytest.mark.parametrize(
    "audio", [{"codec": "none"}, {"codec": "copy"}, {"codec": "opus"}, {"loudness": -20}]
)
def test_sound_is_what_it_is_in_one_piece(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, audio: dict[str, object]
) -> None:
    source, profile = made("plain.mp4"), _profile(audio=audio)

    whole = encode(source, tmp_path / "whole.mp4", profile, build=bundled)
    parts = encode_chunked(source, tmp_path / "parts.mp4", profile, chunks=2, build=bundled)

    assert _facts(tmp_path / "parts.mp4") == _facts(tmp_path / "whole.mp4")
    assert parts.verification["audio_s"] == pytest.approx(whole.verification["audio_s"], abs=0.03)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target_size": "300kB", "video": {"codec": "h264", "speed": "ultrafast"}}, "target size"),
        ({"video": {"codec": "copy"}}, "not encoded"),
        ({"video": {"codec": "h264", "speed": "ultrafast", "frame_rate": "30"}}, "frame rate"),
        ({"on_damage": "salvage", "video": {"codec": "h264", "speed": "ultrafast"}}, "damaged"),
        ({"container": "mkv", "video": {"codec": "ffv1"}}, "ffv1"),
    ],
)
def test_what_cannot_be_cut_is_encoded_whole_and_says_why(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    profile = Profile.model_validate(changes)

    result = encode_chunked(
        made("plain.mp4"), tmp_path / f"out.{profile.container}", profile, chunks=3, build=bundled
    )

    assert any(w.startswith("encoded whole: ") and reason in w for w in result.warnings)
    assert result.frames in (100, 120)


def test_a_range_of_frames_is_encoded_whole(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    source = made("plain.mp4").with_frames(10, 60)

    result = encode_chunked(source, tmp_path / "out.mp4", _profile(), chunks=3, build=bundled)

    assert result.frames == 50
    assert any("only a range" in warning for warning in result.warnings)


# -- when something goes wrong ------------------------------------------------------------------------------


def _made_again(result: Encoded) -> list[str]:
    return [w for w in result.warnings if "was made again" in w]


def test_a_chunk_whose_encoder_is_killed_is_made_again_alone(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[int] = []

    def kills_the_first(build: Build, args: Sequence[str], **named: Any) -> ToolRun:
        began.append(int(re.findall(r"(\d{4})\.part\.", args[-1])[0]))
        if began.count(1) == 1 and began[-1] == 1:
            raise PlatformError("ffmpeg was killed.", code="killed")
        return run_ffmpeg(build, args, **named)

    monkeypatch.setattr("rushes.media.chunking.one_chunk.run_ffmpeg", kills_the_first)

    result = encode_chunked(made("plain.mp4"), tmp_path / "out.mp4", _profile(), chunks=3, build=bundled)

    assert sorted(began) == [0, 1, 1, 2]
    assert len(_made_again(result)) == 1
    assert [part["redone"] for part in result.parts] == [0, 1, 0]
    assert result.frames == 100


def test_a_chunk_that_is_found_broken_once_all_are_made_is_made_again_alone(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    asked: list[list[int]] = []

    class Careless:
        """Loses what it made second, the first time."""

        def __call__(
            self, clip: Clip, orders: Sequence[PartOrder], *rest: Any, **named: Any
        ) -> list[PartMade]:
            found = SideBySide(2)(clip, orders, *rest, **named)
            asked.append([one.number for one in orders])
            if len(asked) == 1:
                found[1].path.write_bytes(found[0].path.read_bytes())
            return found

    result = encode_chunked(
        made("variable.mp4"), tmp_path / "out.mp4", _profile(), chunks=3, build=bundled, makers=Careless()
    )

    assert asked == [[0, 1, 2], [1]]
    assert [part["redone"] for part in result.parts] == [0, 1, 0]
    assert result.frames == read_index(made("variable.mp4")).frames


def test_a_kill_of_one_ffmpeg_costs_that_chunk_only(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    killed: list[int] = []
    started = Started()

    def kill_one(_progress: Progress) -> None:
        if killed:
            return
        for child in started.now():
            words, name = [""], ""
            with suppress(psutil.Error):
                words, name = child.cmdline(), child.name()
            if name.startswith("ffmpeg") and any(word.endswith("0001.part.mp4") for word in words):
                killed.append(child.pid)
                os.kill(child.pid, signal.SIGKILL)
                return

    slow = _profile(speed="veryslow")
    result = encode_chunked(
        made("deep.mov"),
        tmp_path / "out.mp4",
        slow,
        chunks=3,
        build=bundled,
        supervision=Supervision(on_progress=kill_one),
    )

    assert result.frames == 100
    assert len(_made_again(result)) == len(killed)
    assert len(result.commands) == 3 + 1 + 1, "three parts, the sound, the file"


def test_finished_chunks_are_not_made_again_within_the_attempt(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, scratch = made("plain.mp4"), tmp_path / "scratch"
    scratch.mkdir()
    supervision = Supervision(cwd=scratch)
    broken = PlatformError("the disk is full.", code="disk-full")

    def fails(*_: object, **__: object) -> None:
        raise broken

    with monkeypatch.context() as patch:
        patch.setattr("rushes.media.chunking.chunked.stitch", fails)
        with pytest.raises(PlatformError, match="disk is full"):
            encode_chunked(
                source, tmp_path / "out.mp4", _profile(), chunks=3, build=bundled, supervision=supervision
            )
    assert not (tmp_path / "out.mp4").exists()

    result = encode_chunked(
        source, tmp_path / "out.mp4", _profile(), chunks=3, build=bundled, supervision=supervision
    )

    assert len(result.commands) == 1, "the file alone: parts and sound were there"
    assert result.frames == 100
    assert list(scratch.iterdir()) == []


def test_a_cancel_ends_every_chunk_and_leaves_nothing(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    started = Started()
    asked = threading.Event()
    supervision = Supervision(on_progress=lambda _: asked.set(), cancelled=asked.is_set)

    with pytest.raises(Cancelled):
        encode_chunked(
            made("deep.mov"),
            tmp_path / "out.mp4",
            _profile(speed="placebo"),
            chunks=4,
            build=bundled,
            supervision=supervision,
        )

    assert not (tmp_path / "out.mp4").exists()
    assert not started.now()


def test_progress_is_the_sum_and_never_runs_backwards(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    seen: list[Progress] = []

    encode_chunked(
        made("deep.mov"),
        tmp_path / "out.mp4",
        _profile(),
        chunks=4,
        build=bundled,
        supervision=Supervision(on_progress=seen.append),
    )

    shares = [progress.share or 0.0 for progress in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert seen[-1].frames == 100


def test_a_truncated_source_is_told_as_it_is_in_one_piece(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    data = made("plain.mp4").path.read_bytes()
    cut.write_bytes(data[: len(data) // 2])

    with pytest.raises(MediaError):
        encode_chunked(Asset.of(cut), tmp_path / "out.mp4", _profile(), chunks=3, build=bundled)


# -- one part, one joint ------------------------------------------------------------------------------------


@pytest.fixture
def orders(made: Callable[[str], Asset], bundled: Build) -> tuple[PartOrder, ...]:
    index = read_index(made("plain.mp4"))
    return orders_of(plan_chunks(index, 3, rate=Fraction(25)), index.pts, spot=HERE, ffmpeg=bundled.version)


def _parameters(path: Path, order: PartOrder, source: Asset) -> tuple[object, ...]:
    return check_part(path, order, _times(source, order)).parameters


def _times(source: Asset, order: PartOrder) -> Sequence[int]:
    return read_index(source).pts[order.chunk.start : order.chunk.stop]


def test_a_part_is_a_function_of_the_clip_the_profile_and_its_order(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    source, order = made("plain.mp4"), orders[1]
    from_the_beginning = replace(order, chunk=replace(order.chunk, seek_us=None))

    here = make_part(source, _profile(), order, tmp_path / "a.mp4", build=bundled)
    sent = PartOrder.from_json(from_the_beginning.to_json())
    there = make_part(source, _profile(), sent, tmp_path / "b.mp4", build=bundled)

    assert _parameters(here.path, order, source) == _parameters(there.path, order, source)
    assert _frames(bundled, here.path) == _frames(bundled, there.path)


def test_a_part_of_another_clip_is_refused_before_it_is_encoded(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    with pytest.raises(MediaError, match="not the clip") as caught:
        make_part(made("variable.mp4"), _profile(), orders[1], tmp_path / "b.mp4", build=bundled)

    assert caught.value.code == "source-changed"
    assert list(tmp_path.iterdir()) == []


def test_a_part_by_another_ffmpeg_is_refused(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    order = replace(orders[1], ffmpeg="4.4")

    with pytest.raises(PlatformError, match=r"by ffmpeg 4\.4"):
        make_part(made("plain.mp4"), _profile(), order, tmp_path / "b.mp4", build=bundled)


def test_a_part_that_holds_other_frames_is_refused(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    source = made("plain.mp4")
    make_part(source, _profile(), orders[1], tmp_path / "b.mp4", build=bundled)

    with pytest.raises(PlatformError, match="frames instead of") as caught:
        check_part(tmp_path / "b.mp4", orders[0], _times(source, orders[0]))

    assert caught.value.code == "bad-chunk"


def test_a_part_with_a_damaged_end_is_refused(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    source, path = made("plain.mp4"), tmp_path / "b.mp4"
    make_part(source, _profile(), orders[1], path, build=bundled)
    with av.open(str(path)) as container:
        last = max(p.pos or 0 for p in container.demux(container.streams.video[0]))
    data = bytearray(path.read_bytes())
    data[last : last + 40] = b"\xff" * 40
    path.write_bytes(data)

    with pytest.raises(PlatformError, match=r"at its end|cannot be read back"):
        check_part(path, orders[1], _times(source, orders[1]))


def test_parts_of_two_encoders_are_not_put_together(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    source = made("plain.mp4")
    parts = []
    for order, speed in zip(orders, ("ultrafast", "medium", "ultrafast"), strict=True):
        path = tmp_path / f"{order.number}.mp4"
        make_part(source, _profile(speed=speed), order, path, build=bundled)
        parts.append(check_part(path, order, _times(source, order)))

    with pytest.raises(PlatformError, match="parameter sets"):
        stitch(parts, tmp_path / "out.mp4", range(100), Fraction(1, 25))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_times_of_a_part_are_read_without_reading_the_clip(
    made: Callable[[str], Asset], name: str
) -> None:
    source = made(name)
    pts = read_index(source).pts
    middle, end = len(pts) // 3, len(pts) * 2 // 3

    near = times_between(source, pts[middle], pts[end])

    # Where a container is not entered exactly some are missing, and then all of it is read.
    assert list(near) == list(pts[middle:end]) or (set(near) < set(pts[middle:end]) and name.endswith(".ts"))
    assert list(times_between(source, pts[0], None)) == list(pts) or name.endswith(".ts")


def test_a_part_in_hevc_keeps_no_pool_of_threads_for_its_one(
    made: Callable[[str], Asset], bundled: Build, tmp_path: Path, orders: tuple[PartOrder, ...]
) -> None:
    part = make_part(made("plain.mp4"), _profile(codec="hevc"), orders[1], tmp_path / "b.mp4", build=bundled)

    params = part.argv[part.argv.index("-x265-params") + 1].split(":")
    assert "pools=none" in params
    assert "pools=1" not in params
