"""Loudness: how loud each sound track of a clip is, by EBU R128."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from rushes import Asset, Context, Resources, Result, function
from rushes.media.describing.doubts import doubts
from rushes.media.describing.inspection import describe
from rushes.media.measuring.r128 import plan_r128, read_r128, report_name
from rushes.media.readers.guard import check_source, input_args
from rushes_functions.running import through

__all__ = ["LoudnessResult", "TrackResult", "loudness"]

_END_BYTES: Final = 16 * 1024
"""The last entries of a report, however many channels a track has."""


class TrackResult(Result):
    """One sound track; None where it is silent, or shorter than 0.4 s."""

    stream: int
    channels: int | None
    language: str | None
    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


class LoudnessResult(Result):
    """The loudness of every sound track, in the order of the file."""

    tracks: list[TrackResult]


@function(
    version="1",
    resources=Resources(cpu=1, memory="1GiB"),
    retries=2,
    tools=["ffmpeg"],
    reads_name=False,
    frame_ranges=False,
)
def loudness(clip: Asset, ctx: Context) -> LoudnessResult:
    """Measure how loud each sound track is: integrated loudness, range and true peak by EBU R128."""
    check_source(clip)
    info = describe(clip)
    if not info.audio:
        return LoudnessResult(tracks=[])
    args = plan_r128(info, input_args=input_args(clip, info.container.format))
    run = through(ctx)(args, info.duration_s)
    for doubt in doubts(info, run):
        ctx.warn(doubt)
    tracks = []
    for number, track in enumerate(info.audio):
        measured = read_r128(_end_of(ctx.scratch / report_name(number)))
        tracks.append(
            TrackResult(
                stream=track.index,
                channels=track.channels,
                language=track.language,
                integrated_lufs=measured.integrated_lufs,
                range_lu=measured.range_lu,
                true_peak_dbtp=measured.true_peak_dbtp,
            )
        )
    return LoudnessResult(tracks=tracks)


def _end_of(report: Path) -> str:
    with report.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
        return file.read().decode("ascii", "replace")
