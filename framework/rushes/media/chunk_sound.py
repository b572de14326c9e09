"""The sound of a chunked encode: made once for all parts, beside them or before.

This module must not know of the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rushes.media.chunk_mux import Sound, sound_command
from rushes.media.cutting import Clip
from rushes.media.dialect import classify, damage_in
from rushes.media.guard import output_args
from rushes.media.passes import measure_loudness
from rushes.media.process import Supervision, ToolRun, check, run_ffmpeg
from rushes.media.tracks import Loudness

__all__ = ["make_sound", "plan_sound"]


def plan_sound(clip: Clip, heard: Path, loudness: Sequence[Loudness] | None = None) -> Sound:
    """How the sound is made into the file `heard`, and which tracks it will have.

    Args:
        clip: whose sound.
        heard: the file to write, a mov by its name.
        loudness: of each track, as it was measured; before that the tracks are known, the filters not.

    Raises:
        CallerError: a track, codec or layout that source or container does not have.
    """
    ground = clip.ground
    return sound_command(
        ground.info,
        clip.profile,
        start_us=ground.index.start_us,
        input_args=ground.opened,
        target=output_args(heard)[-1],
        loudness=loudness,
    )


def make_sound(clip: Clip, heard: Path, *, supervision: Supervision, runs: list[ToolRun]) -> None:
    """Encode the sound into the file `heard`, which appears when it is complete.

    Raises:
        CallerError: as of `plan_sound`.
        MediaError: the source is damaged.
        PlatformError: this machine could not do it.
    """
    quiet = replace(supervision, on_progress=None)
    ground, build = clip.ground, clip.build
    measured = measure_loudness(
        ground.info,
        clip.profile,
        build,
        source=clip.source,
        opened=ground.opened,
        supervision=quiet,
        runs=runs,
    )
    aside = heard.with_name(f"{heard.stem}.part{heard.suffix}")
    sound = plan_sound(clip, aside, measured)
    if sound.args is None:
        return
    run = run_ffmpeg(build, sound.args, supervision=quiet)
    runs.append(run)
    check(run, build.major)
    if clip.profile.on_damage == "fail" and damage_in(run) is not None:
        raise classify(run, build.major)
    aside.replace(heard)
