"""One part of a clip, encoded and checked: a function of the clip, the profile, the plan and its number.

So it may run anywhere, and give the same. This module must not know of the other parts.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rushes.asset import Asset
from rushes.media.builds import Build
from rushes.media.chunk_commands import chunk_command
from rushes.media.chunks import ChunkPlan
from rushes.media.device_graph import HERE, Spot
from rushes.media.dialect import classify, damage_in
from rushes.media.encode import _stage
from rushes.media.guard import input_args, output_args
from rushes.media.index import FrameIndex, read_index
from rushes.media.inspection import describe
from rushes.media.process import Supervision, ToolRun, check, run_ffmpeg
from rushes.media.profile import Profile
from rushes.media.schema import MediaInfo
from rushes.media.stitch import Part, check_part

__all__ = ["encode_chunk", "scratch"]


def encode_chunk(
    source: Asset,
    profile: Profile,
    plan: ChunkPlan,
    number: int,
    target: Path,
    *,
    build: Build,
    supervision: Supervision | None = None,
    info: MediaInfo | None = None,
    index: FrameIndex | None = None,
    spot: Spot = HERE,
    seeks: bool = True,
) -> tuple[Part, ToolRun]:
    """Make part `number` of `plan`, checked; its picture only, on one thread.

    Args:
        source: the clip.
        profile: what the result should be.
        plan: the parts.
        number: which, from 0.
        target: the file to write, a mov or mp4 as `chunk_commands.HELD_IN` says.
        build: the ffmpeg to use; the same for all parts.
        supervision: limits, progress, cancellation and log.
        info: a description of `source`, where the caller has one already.
        index: the index of `source`, likewise.
        spot: the family and device that encode it; the same for all parts.
        seeks: enter the file near the part; else decode it from its beginning.

    Raises:
        CallerError: the profile does not fit the source.
        MediaError: the source is damaged.
        PlatformError: this machine could not do it, or the part is not what was planned (``bad-chunk``).
    """
    supervision = supervision or Supervision()
    info = info or describe(source)
    index = index or read_index(source, cancelled=supervision.cancelled)
    made = chunk_command(
        info,
        profile.model_copy(update={"threads": 1}),
        build,
        plan,
        number,
        source=source,
        input_args=input_args(source, info.container.format),
        target=output_args(target)[-1],
        spot=spot,
        seeks=seeks,
    )
    with scratch(supervision.cwd) as folder:
        reads = (*supervision.reads, *_stage(made, folder))
        run = run_ffmpeg(
            build,
            made.passes[0],
            supervision=replace(supervision, cwd=folder, reads=reads),
            total_s=made.expected.duration_s,
        )
    check(run, build.major)
    if profile.on_damage == "fail" and damage_in(run) is not None:
        raise classify(run, build.major)
    return check_part(target, number, plan, index), run


@contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """A folder of this work's own below `parent`, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="encode-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
