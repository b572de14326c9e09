"""How like its source a result looks: VMAF, and PSNR and SSIM beside it, by ffmpeg's own libvmaf.

Frames are paired by number, not by time: containers round timestamps differently, and a pair that is one
frame off costs more than any encoder. This module must not know what was promised.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.encoding.verify import source_truth
from rushes.media.planning.geometry import upright
from rushes.media.readers.guard import check_source, input_args
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Supervision, check, run_ffmpeg

__all__ = ["Measured", "Pooled", "can_measure", "measure", "measure_args", "model_for", "read_log"]

_LOG: Final = "vmaf.json"
# The model for 4K was trained at 1.5 screen heights, the other at 3 of an HD one (Netflix/vmaf, models.md).
_4K_HEIGHT: Final = 1440
# libvmaf ends with SIGSEGV at 16 pixels of width or height, and works from 24 on.
_LEAST_SIZE: Final = 32
# PSNR of identical pictures is infinite; libvmaf writes 60 (8 bits) to 84 instead, or null in some versions.
_IDENTICAL_DB: Final = 60.0


@dataclass(frozen=True, slots=True)
class Pooled:
    """One score a frame, pooled over the frames.

    Args:
        mean: the usual figure.
        harmonic_mean: weighs bad frames more.
        low: the 1st percentile: of a hundred frames one is worse.
        minimum: the worst frame.
    """

    mean: float
    harmonic_mean: float
    low: float
    minimum: float

    @classmethod
    def of(cls, scores: Sequence[float]) -> Pooled:
        """The pools of some scores, at least one."""
        ordered = sorted(scores)
        # As libvmaf does it, a frame of score 0 does not make the whole 0.
        harmonic = len(ordered) / sum(1 / (score + 1) for score in ordered) - 1
        low = ordered[math.ceil(len(ordered) / 100) - 1]
        return cls(sum(ordered) / len(ordered), harmonic, low, ordered[0])


@dataclass(frozen=True, slots=True)
class Measured:
    """What a result is worth, measured against its reference.

    Args:
        vmaf: 0 to 100.
        psnr_y_db: of luma, 60 dB and above for identical pictures; None where it was not asked for.
        ssim: of luma, 0 to 1; None where it was not asked for.
        frames: frames that were compared.
        every: of how many frames one was scored.
        model: VMAF's model.
    """

    vmaf: Pooled
    psnr_y_db: Pooled | None
    ssim: Pooled | None
    frames: int
    every: int
    model: str


def can_measure(build: Build) -> bool:
    """Whether an ffmpeg has libvmaf inside it."""
    return "libvmaf" in build.filters


def model_for(height: int) -> str:
    """The model for a reference of so many lines: that of an HD screen or of a 4K one, never the phone's."""
    return "vmaf_4k_v0.6.1" if height > _4K_HEIGHT else "vmaf_v0.6.1"


def measure(
    result: Asset | Path,
    reference: Asset | Path,
    *,
    build: Build | None = None,
    supervision: Supervision | None = None,
    every: int = 1,
    threads: int = 2,
    also: bool = True,
) -> Measured:
    """Compare `result` with `reference`, frame by frame, at the reference's size.

    Args:
        result: what was made; scaled to the reference's size, bicubic, as VMAF asks.
        reference: what it was made of; a frame range of either is honoured.
        build: an ffmpeg with libvmaf; None for the one that the environment names.
        supervision: limits, progress and cancellation.
        every: score one frame in so many; motion is still followed through all of them. An odd number: every
            second frame of a hierarchical group of pictures is a better one (measured: 1.3 points of VMAF).
        threads: threads of libvmaf and of the decoders.
        also: measure PSNR and SSIM too, which takes longer.

    Raises:
        CallerError: they have not the same number of frames.
        MediaError: one of them is damaged, or has no picture.
        PlatformError: this ffmpeg has no libvmaf.
    """
    supervision = supervision or Supervision()
    build = build or find_build()
    if not can_measure(build):
        raise PlatformError(
            f"this ffmpeg ({build.version}) has no filter libvmaf, so VMAF cannot be measured.",
            code="no-filter",
            fix="Set RUSHES_FFMPEG to a build that has it, or unset it for the bundled one.",
        )
    sides = [_Side.of(source, supervision) for source in (result, reference)]
    _refuse_unlike(*sides)
    folder = Path(tempfile.mkdtemp(prefix="vmaf-", dir=supervision.cwd))
    try:
        args = measure_args(
            [side.opened for side in sides],
            [side.stream for side in sides],
            [side.range for side in sides],
            every=every,
            threads=threads,
            also=also,
        )
        own = replace(supervision, cwd=folder)
        check(run_ffmpeg(build, args, supervision=own, total_s=sides[1].duration_s), build.major)
        scores = read_log((folder / _LOG).read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    expected = math.ceil(sides[0].frames / every)
    if len(scores["vmaf"]) != expected:
        raise PlatformError(
            f"libvmaf scored {len(scores['vmaf'])} frames of {sides[0].name}, and {expected} were to be.",
            code="not-measured",
            fix="Check both with `rushes run inspect`; one may decode to other frames than it declares.",
        )
    pooled = {name: Pooled.of(values) for name, values in scores.items()}
    return Measured(
        vmaf=pooled["vmaf"],
        psnr_y_db=pooled.get("psnr_y"),
        ssim=pooled.get("float_ssim"),
        frames=sides[0].frames,
        every=every,
        model=model_for(upright(sides[1].stream)[1]),
    )


def _refuse_unlike(result: _Side, reference: _Side) -> None:
    """What cannot be compared frame by frame, or is too small to be scored, is the caller's mistake."""
    # An open group at the start may lose its leading pictures in the decoder: then in both.
    if not reference.frames - reference.leading <= result.frames <= reference.frames:
        raise CallerError(
            f"{result.name} has {result.frames} frames and {reference.name} {reference.frames}: "
            "they cannot be compared frame by frame.",
            code="frames-differ",
            fix="Compare a result with the clip, or the frame range, that it was made of.",
        )
    width, height = upright(reference.stream)[:2]
    if min(width, height) < _LEAST_SIZE:
        raise CallerError(
            f"{reference.name} is {width}x{height}: VMAF looks at a picture at a sixteenth of its size too.",
            code="bad-option",
            fix=f"Compare pictures of {_LEAST_SIZE} pixels and more.",
        )


@dataclass(frozen=True, slots=True)
class _Side:
    name: str
    stream: VideoStream
    opened: tuple[str, ...]
    range: tuple[int, int] | None
    frames: int
    leading: int
    duration_s: float | None

    @classmethod
    def of(cls, source: Asset | Path, supervision: Supervision) -> _Side:
        asset = Asset.of(source)
        check_source(asset)
        info = describe(asset)
        stream = _picture(info)
        rate = Fraction(stream.frame_rate) if info.is_sequence and stream.frame_rate else None
        truth = source_truth(asset, frame_rate=rate, strict=False, cancelled=supervision.cancelled)
        span = None if asset.frames is None else (asset.frames.start, asset.frames.stop)
        return cls(
            name=asset.name,
            stream=stream,
            opened=tuple(input_args(asset, info.container.format, frame_rate=rate)),
            range=span,
            frames=(truth.frames or 0) if asset.frames is None else len(asset.frames),
            leading=truth.leading if asset.frames is None else 0,
            duration_s=truth.duration_s,
        )


def _picture(info: MediaInfo) -> VideoStream:
    stream = info.primary_video
    if stream is None:
        raise MediaError(
            f"{info.name} has no picture to compare.", code="no-video", fix="Name a clip with one."
        )
    return stream


def measure_args(
    opened: Sequence[Sequence[str]],
    streams: Sequence[VideoStream],
    ranges: Sequence[tuple[int, int] | None],
    *,
    every: int,
    threads: int,
    also: bool = True,
) -> list[str]:
    """Ffmpeg's arguments for one comparison; its scores go to a file in the folder that it runs in.

    Args:
        opened: how each side is opened, the result first, the reference second.
        streams: the picture of each.
        ranges: its half-open frame range, or None for all.
        every: score one frame in so many.
        threads: of libvmaf and of each decoder.
        also: PSNR and SSIM too.
    """
    width, height = upright(streams[1])[:2]
    depth = max(stream.bit_depth or 8 for stream in streams)
    pix_fmt = "yuv420p" if depth <= 8 else "yuv420p10le" if depth <= 10 else "yuv420p12le"
    chains = []
    for number, (stream, span) in enumerate(zip(streams, ranges, strict=True)):
        cut = f"trim=start_frame={span[0]}:end_frame={span[1]}," if span else ""
        chains.append(
            f"[{number}:{stream.index}]{cut}settb=expr=1/25,setpts=expr=N,"
            # Both at video levels: the same picture in full range is not another picture.
            f"scale=w={width}:h={height}:flags=bicubic:out_range=tv,format=pix_fmts={pix_fmt},setsar=sar=1"
            f"[s{number}]"
        )
    options = (
        f"log_path={_LOG}:log_fmt=json:n_threads={threads}:n_subsample={every}"
        f":model=version={model_for(height)}:shortest=1"
    )
    options += ":feature='name=psnr|name=float_ssim'" if also else ""
    graph = ";".join([*chains, f"[s0][s1]libvmaf={options}"])
    inputs = [word for side in opened for word in ("-threads", str(threads), *side)]
    return [
        *inputs,
        "-filter_complex_threads",
        str(threads),
        "-filter_complex",
        graph,
        "-an",
        "-f",
        "null",
        "-",
    ]


def read_log(text: str) -> dict[str, list[float]]:
    """The scores that libvmaf logged, a list each of ``vmaf`` and, if asked for, ``psnr_y``, ``float_ssim``.

    Raises:
        PlatformError: the log is cut off or has another shape.
    """
    try:
        frames = json.loads(text)["frames"]
        scores = {"vmaf": [float(frame["metrics"]["vmaf"]) for frame in frames]}
        if all("psnr_y" in frame["metrics"] for frame in frames):
            scores["psnr_y"] = [_psnr(frame["metrics"]["psnr_y"]) for frame in frames]
            scores["float_ssim"] = [float(frame["metrics"]["float_ssim"]) for frame in frames]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlatformError(
            f"libvmaf's log cannot be read: {error}.",
            code="not-measured",
            fix="Try it again; if it stays so, use the bundled ffmpeg.",
        ) from error
    return scores


def _psnr(value: Any) -> float:
    return _IDENTICAL_DB if value is None or not math.isfinite(float(value)) else float(value)
