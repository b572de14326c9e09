"""The sound of a chunked encode: made once, beside the parts of the picture, and anywhere.

This module must not know of these parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rushes.asset import Asset
from rushes.media.chunking.chunk_mux import ChunkSound, sound_command
from rushes.media.chunking.one_chunk import PartMade, refuse_other_build
from rushes.media.chunking.part_order import SoundOrder
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoding.passes import measure_loudness
from rushes.media.planning.tracks import Loudness
from rushes.media.profile import Profile
from rushes.media.readers.guard import input_args, output_args
from rushes.media.running.box import weakest
from rushes.media.running.builds import Build
from rushes.media.running.dialect import classify, damage_in
from rushes.media.running.process import Supervision, ToolRun, check, run_ffmpeg

__all__ = ["SOUND", "make_sound", "plan_sound"]

SOUND = -1
"""The number of the sound among the parts."""


def plan_sound(
    source: Asset,
    info: MediaInfo,
    profile: Profile,
    heard: Path,
    *,
    start_us: int,
    loudness: Sequence[Loudness] | None = None,
) -> ChunkSound:
    """How the sound is made into the file `heard`, and which tracks it will have.

    Args:
        source: the clip.
        info: its description.
        profile: what the result should be.
        heard: the file to write, a mov by its name.
        start_us: where the clip's clock starts, in microseconds.
        loudness: of each track, as it was measured; before that the tracks are known, the filters not.

    Raises:
        CallerError: a track, codec or layout that source or container does not have.
    """
    return sound_command(
        info,
        profile,
        start_us=start_us,
        input_args=input_args(source, info.container.format),
        target=output_args(heard)[-1],
        loudness=loudness,
    )


def make_sound(
    source: Asset,
    profile: Profile,
    order: SoundOrder,
    heard: Path,
    *,
    build: Build,
    supervision: Supervision | None = None,
    info: MediaInfo | None = None,
) -> PartMade:
    """Encode the sound into the file `heard`, which appears when it is complete.

    Args:
        source: the clip.
        profile: what the result should be; it has to ask for sound that is encoded.
        order: the sound.
        heard: the file to write, a mov by its name.
        build: the ffmpeg to use; the same for all parts.
        supervision: limits, cancellation and log; its progress is not told.
        info: a description of `source`, where the caller has one already.

    Raises:
        CallerError: as of `plan_sound`.
        MediaError: the source is damaged.
        PlatformError: this machine could not do it.
    """
    refuse_other_build(build, order.ffmpeg)
    info = info or describe(source)
    quiet = replace(supervision or Supervision(), on_progress=None)
    runs: list[ToolRun] = []
    opened = input_args(source, info.container.format)
    measured = measure_loudness(
        info, profile, build, source=source, opened=opened, supervision=quiet, runs=runs
    )
    aside = heard.with_name(f"{heard.stem}.part{heard.suffix}")
    sound = plan_sound(source, info, profile, aside, start_us=order.start_us, loudness=measured)
    run = run_ffmpeg(build, sound.args or (), supervision=quiet)
    runs.append(run)
    check(run, build.major)
    if profile.on_damage == "fail" and damage_in(run) is not None:
        raise classify(run, build.major)
    made = PartMade(
        number=SOUND,
        path=aside,
        frames=0,
        encoder="",
        seconds=round(sum(one.seconds for one in runs), 3),
        cpu_s=round(sum(one.cpu_s for one in runs), 3),
        argv=run.argv,
        box=weakest(one.box for one in runs),
    )
    return made.moved_to(heard)
