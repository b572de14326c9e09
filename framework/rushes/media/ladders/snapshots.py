"""Stills of a clip without renditions: pictures every so often, and a sheet of pictures, by one command.

Where the stills are far apart only key frames are decoded, which is what makes it quick. `plan_snapshots` is
pure; `make_snapshots` runs what it planned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media.describing.doubts import doubts
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.ladders.fanout import Branch, compile_fanout, ends_of
from rushes.media.ladders.ladder_graph import refuse_missing
from rushes.media.ladders.rendition_files import taken_stills, verified_stills
from rushes.media.ladders.renditions import Runner
from rushes.media.ladders.still_branches import THUMBNAILS, Stills, still_branches
from rushes.media.planning.device_graph import HERE
from rushes.media.planning.filters import Step
from rushes.media.planning.picture import BuildFacts, plan_picture
from rushes.media.profile import AudioWish, Profile, VideoWish
from rushes.media.readers.guard import check_source, input_args, output_args
from rushes.media.readers.sequence_rate import at_rate, sequence_rate
from rushes.media.running.builds import Build
from rushes.media.running.process import never

__all__ = ["Snapshots", "make_snapshots", "plan_snapshots"]

_FAR_APART_S: Final = 10.0
"""Groups of pictures are rarely longer: the next key frame is then the next still."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Stills that were taken.

    Args:
        thumbnails: how many.
        sheet: name of the contact sheet.
        width, height: of each still.
        keys_only: whether only key frames were looked at.
        encoder: ffmpeg's name of what wrote them.
        verification: what was checked of them.
        warnings: why they may not be of the whole clip.
    """

    thumbnails: int
    sheet: str | None
    width: int
    height: int
    keys_only: bool
    encoder: str = ""
    verification: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def make_snapshots(
    source: Asset,
    stills: Stills,
    folder: Path,
    *,
    build: Build,
    run: Runner,
    cancelled: Callable[[], bool] = never,
) -> Snapshots:
    """The stills of a clip, in `folder`.

    Args:
        source: the clip.
        stills: which ones.
        folder: where they go; it exists.
        build: the ffmpeg that `run` runs.
        run: how a command is run.
        cancelled: asked while stills are read back.

    Raises:
        CallerError: there is nothing to take, or only a part of the clip is named.
        MediaError: the source has no picture or cannot be decoded.
        PlatformError: this machine could not do it.
    """
    check_source(source)
    if source.frames is not None:
        raise CallerError(
            "stills are of whole clips: a frame range has none.", code="bad-range", fix="Leave the range out."
        )
    info = describe(source)
    rate = sequence_rate(info)
    info = at_rate(info, rate)
    opened = input_args(source, info.container.format, frame_rate=rate)
    args, made = plan_snapshots(info, stills, build, input_args=opened, place=output_args(folder)[-1])
    if stills.every_s is not None:
        (folder / THUMBNAILS).mkdir()
    done = run(args, info.duration_s)
    count, sheet = taken_stills(stills, folder)
    verification = verified_stills(stills, folder, (made.width, made.height), cancelled)
    return replace(
        made, thumbnails=count, sheet=sheet, verification=verification, warnings=doubts(info, done)
    )


def plan_snapshots(
    info: MediaInfo, stills: Stills, build: BuildFacts, *, input_args: Sequence[str], place: str
) -> tuple[list[str], Snapshots]:
    """The command, and what it makes; how many is seen afterwards.

    Raises:
        CallerError: neither thumbnails nor a contact sheet are wished.
        MediaError: the source has no picture.
        PlatformError: the build lacks a filter.
    """
    wish = VideoWish(
        codec="h264", height=stills.height, upscale="skip", square_pixels=True, deinterlace="on",
        tone_map="hable", pix_fmt="yuv420p",
    )  # fmt: skip
    profile = Profile(container="mp4", video=wish, audio=AudioWish(codec="none"))
    stream = info.primary_video
    picture = plan_picture(info, profile, build, frames=None, present=(None, None), spot=HERE)
    if stream is None or picture is None:
        raise MediaError(f"{info.name} has no picture.", code="no-video", fix="Leave sound files out.")
    duration_s = stream.duration_s or info.duration_s
    branches = [b for _, b in still_branches(stills, [picture.geometry], duration_s=duration_s)]
    if not branches:
        raise CallerError(
            "neither thumbnails nor a contact sheet are wished.",
            code="bad-option",
            fix="Give every or sheet.",
        )
    apart = [stills.every_s] if stills.every_s is not None else []
    apart += [duration_s / (stills.sheet[0] * stills.sheet[1])] if stills.sheet and duration_s else []
    keys_only = min(apart) >= _FAR_APART_S
    root = Branch((), branches=tuple(_early(branch, picture.steps) for branch in branches))
    refuse_missing(build, root, [])
    graph = compile_fanout(stream.index, root)
    args = ["-threads", "2", *(("-skip_frame", "nokey") if keys_only else ()), *input_args]
    args += ["-filter_complex_threads", "2", "-filter_complex", graph.text or "", "-y"]
    for end, label in zip(ends_of(root), graph.maps, strict=True):
        args += ["-map", label, *stills.output(end, place)]
    encoder = "mjpeg" if stills.kind == "jpg" else "png"
    return args, Snapshots(0, None, picture.geometry.width, picture.geometry.height, keys_only, encoder)


def _early(branch: Branch, steps: tuple[Step, ...]) -> Branch:
    """The same branch; what is done to the picture follows the choice, so that few pictures cost it."""
    chosen, *rest = branch.steps
    return Branch((chosen, *steps, *rest), branch.end)
