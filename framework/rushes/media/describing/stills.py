"""Describe an image sequence: what is there, what is missing, and what its first and last frames are.

Two frames are opened, however many there are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from rushes.asset import Asset, ImageSequence
from rushes.errors import CallerError, MediaError
from rushes.media.describing import streams
from rushes.media.describing.checksum import digest
from rushes.media.describing.origin import bounded, find_camera, find_reel, find_timecode
from rushes.media.describing.schema import Container, MediaInfo, VideoStream
from rushes.media.describing.sequences import FoundFrames, scan_sequence
from rushes.media.describing.sources import open_clip, readable
from rushes.media.readers.dialect import ratio, texts
from rushes.media.readers.questions import ask_about

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Picture", "describe_sequence", "picture_here"]


def describe_sequence(clip: Asset, *, checksum: str | None = None) -> MediaInfo:
    """The description of an image sequence.

    Its frame rate is what the frames' headers state (OpenEXR can), else None: files in a folder have none.

    Args:
        clip: an asset whose `sequence` is set.
        checksum: also digest the bytes of all its frames, in order.

    Raises:
        CallerError: no frame exists, or the folder cannot be read.
        MediaError: the first frame is no picture.
    """
    sequence = clip.sequence
    if sequence is None:
        raise CallerError(
            f"{clip.name} is no image sequence.", code="bad-value", fix="Write plate.[1001-1096].exr."
        )
    found_info, found = scan_sequence(readable(clip.name), sequence)
    whole = [n for n, size in zip(found.numbers, found.sizes, strict=True) if size]
    first, tags, rate = _frame(sequence, whole[0])
    warnings = _holes(found_info.missing, found_info.empty)
    if len(whole) > 1:
        last, _, _ = _frame(sequence, whole[-1])
        if (last.width, last.height, last.pix_fmt) != (first.width, first.height, first.pix_fmt):
            warnings.append(
                f"frames-differ: frame {whole[0]} is {first.width}×{first.height} {first.pix_fmt}, "
                f"frame {whole[-1]} is {last.width}×{last.height} {last.pix_fmt}"
            )
    if first.chroma_subsampling and (first.width % 2 or first.height % 2):
        warnings.append(f"odd-dimensions: {first.width}×{first.height}: most encoders need even sizes")
    span = len(sequence)
    duration = float(span / rate) if rate else None
    text = f"{rate.numerator}/{rate.denominator}" if rate else None
    picture = first.model_copy(
        update={
            "frame_rate": text,
            "nominal_rate": text,
            "average_rate": text,
            "rate_decided_by": "sequence",
            "duration_s": duration,
            "frames_declared": span,
            "frames_counted": len(found.numbers),
            "start_s": 0.0,
        }
    )
    labelled = [(0, "video", tags)]
    timecode, _ = find_timecode({}, labelled, family="image2", rate=text)
    return MediaInfo(
        name=readable(clip.name),
        container=Container(
            format="image2",
            size_bytes=found.size_bytes,
            duration_s=duration,
            start_s=0.0,
            bit_rate=round(found.size_bytes * 8 / duration) if duration else None,
        ),
        video=[picture],
        timecode=timecode,
        reel=find_reel({}, labelled),
        camera=find_camera(tags),
        sequence=found_info,
        tags=bounded(tags),
        checksum=digest(_paths(sequence, found), checksum) if checksum is not None else None,
        warnings=warnings,
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a sequence: its description, its tags, and the rate that its header states."""

    stream: VideoStream
    tags: dict[str, str]
    rate: tuple[int, int] | None


def picture_here(clip: Asset, path: str) -> Picture:
    """The picture in one file, read in this process: a reader's answer."""
    container = open_clip(clip, path)
    try:
        pictures = container.streams.video
        if not pictures:
            raise MediaError(
                f"{clip.name} holds no picture.", code="no-picture", fix="Check that it opens at its source."
            )
        stream, rate = pictures[0], None
        context: Any = stream.codec_context
        described = streams.video(stream, context, None, "still", None)
        if stated := ratio(context.framerate):
            rate = (stated.numerator, stated.denominator)
        return Picture(described, texts({**container.metadata, **stream.metadata}), rate)
    finally:
        container.close()


def _frame(sequence: ImageSequence, number: int) -> tuple[VideoStream, dict[str, str], Fraction | None]:
    """One frame's description, its tags, and the rate that its header states."""
    path = os.path.abspath(sequence.path(number))  # noqa: PTH100 - resolve() would follow links
    found = ask_about("picture", Asset(path), path, _picture, arguments={}, brief=True)
    return found.stream, found.tags, Fraction(*found.rate) if found.rate and found.rate[1] else None


def _picture(told: bytes) -> Picture:
    return _pictures().validate_json(told)


@cache
def _pictures() -> TypeAdapter[Picture]:
    return TypeAdapter(Picture)


def _holes(missing: list[tuple[int, int]], empty: list[int]) -> list[str]:
    warnings = []
    if missing:
        shown = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in missing[:8])
        count = sum(b - a + 1 for a, b in missing)
        more = f" and {len(missing) - 8} more gaps" if len(missing) > 8 else ""
        warnings.append(f"missing-frames: {count} frames are missing: {shown}{more}")
    if empty:
        shown = ", ".join(map(str, empty[:8]))
        warnings.append(f"empty-frames: {len(empty)} frames hold no bytes: {shown}")
    return warnings


def _paths(sequence: ImageSequence, found: FoundFrames) -> Iterator[Path]:
    return (sequence.path(n) for n in found.numbers)
