from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.media.running.builds import Build
from rushes.media.running.process import Supervision, run_ffmpeg
from rushes.media.running.progress import FfmpegProgress, LineProgress, Progress

# Captured from 9.0.2 and 5.1.9: the first block of each, and the last.
NINE = b"""frame=1
fps=0.00
stream_0_0_q=0.0
bitrate=N/A
total_size=48
out_time_us=N/A
out_time_ms=N/A
out_time=N/A
dup_frames=0
drop_frames=0
speed=N/A
progress=continue
frame=50
fps=0.00
stream_0_0_q=-1.0
bitrate= 241.9kbits/s
total_size=58048
out_time_us=1920000
out_time_ms=1920000
out_time=00:00:01.920000
dup_frames=2
drop_frames=1
speed=20.9x
progress=end
"""
FIVE_START = b"""frame=1
fps=0.0
total_size=48
out_time_us=-9223372036854775807
out_time_ms=-9223372036854775807
out_time=-577014:32:22.77
speed=0x
progress=continue
"""
FOUR = b"frame=10\nout_time_ms=400000\nout_time=00:00:00.400000\nprogress=continue\n"


def test_the_last_block_wins() -> None:
    progress = FfmpegProgress().feed(NINE)
    assert progress == Progress(50, 1.92, 58048, 20.9, 0.0, 2, 1, ended=True)


@pytest.mark.parametrize("text", [NINE[: NINE.index(b"frame=50")], FIVE_START])
def test_before_the_first_packet_there_is_no_time(text: bytes) -> None:
    progress = FfmpegProgress().feed(text)
    assert progress is not None
    assert (progress.frames, progress.out_time_s, progress.ended) == (1, None, False)


def test_version_4_names_microseconds_milliseconds() -> None:
    progress = FfmpegProgress().feed(FOUR)
    assert progress is not None
    assert progress.out_time_s == pytest.approx(0.4)


@given(st.lists(st.integers(1, 40), max_size=40))
def test_where_the_pipe_cuts_the_text_does_not_matter(cuts: list[int]) -> None:
    parser, newest, at = FfmpegProgress(), None, 0
    for length in [*cuts, len(NINE)]:
        newest = parser.feed(NINE[at : at + length]) or newest
        at += length
    assert newest == FfmpegProgress().feed(NINE)


@given(st.binary(max_size=300))
def test_rubbish_is_no_progress_and_no_error(data: bytes) -> None:
    parser = FfmpegProgress()
    parser.feed(data)
    assert parser.feed(b"\n" + NINE) is not None


def test_a_line_without_end_is_not_kept() -> None:
    parser = FfmpegProgress()
    for _ in range(100):
        assert parser.feed(b"x" * 10_000) is None
    assert len(parser._rest) <= 64 * 1024


@pytest.mark.parametrize(
    ("progress", "total_s", "fraction"),
    [
        (Progress(out_time_s=5.0), 10.0, 0.5),
        (Progress(out_time_s=11.0), 10.0, 1.0),
        (Progress(out_time_s=-0.1), 10.0, 0.0),
        (Progress(out_time_s=5.0), None, None),
        (Progress(out_time_s=5.0), 0.0, None),
        (Progress(), 10.0, None),
        (Progress(ended=True), None, 1.0),
        (Progress(share=0.25), 10.0, 0.25),
    ],
)
def test_a_fraction_needs_a_time_and_a_total(
    progress: Progress, total_s: float | None, fraction: float | None
) -> None:
    assert progress.fraction(total_s) == fraction


def test_the_same_report_twice_is_no_progress() -> None:
    first = Progress(frames=3, out_time_s=0.12, speed=2.0)
    assert not Progress(frames=3, out_time_s=0.12, speed=1.0).moved_since(first)
    assert Progress(frames=4, out_time_s=0.12).moved_since(first)


def test_a_vendors_lines_are_read_by_its_function() -> None:
    parser = LineProgress(lambda line: float(line.split()[1]) / 100 if line.startswith("done") else None)
    assert parser.feed(b"hello\ndone 1") is None
    progress = parser.feed(b"0\rdone 20\r")
    assert progress is not None
    assert progress.share == pytest.approx(0.2)


def test_real_ffmpeg_reports_its_end_and_its_frames(build: Build, tmp_path: Path) -> None:
    seen: list[Progress] = []
    args = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-c:v", "libx264", str(tmp_path / "o.mp4")]
    run = run_ffmpeg(build, args, supervision=Supervision(on_progress=seen.append), total_s=2.0)
    assert run.progress is not None
    assert (run.progress.frames, run.progress.ended) == (50, True)
    assert seen[-1].fraction(None) == 1.0
    assert seen[-1].size_bytes == (tmp_path / "o.mp4").stat().st_size
