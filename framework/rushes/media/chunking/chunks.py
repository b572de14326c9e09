"""Where one long clip is cut, so that its parts can be encoded apart and be exact again when put together.

A cut is a frame's own time in integer ticks of the source: no clock is converted, so no frame falls between
two parts or into both. Parts are of equal work, and begin at keyframes where these are near enough. Pure:
an index and numbers go in, a `ChunkPlan` comes out. This module must not know encoders.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

from rushes.media.describing.index import FrameIndex

__all__ = ["MOST_PARTS", "Chunk", "ChunkPlan", "Uncuttable", "choose_count", "plan_chunks", "timeline"]

PART_S: Final = 30.0
"""What a part is to have when nobody says how many: an extra keyframe and a look-ahead that is cut short cost
less than 0.5 % of so much, and the start of a process, its checks and its publication less than 2 %."""
MOST_PARTS: Final = 64
"""Nobody has so many slots for one clip; and each part is a row in a journal and a file to keep."""
_LEAST_FRAMES: Final = 24
_NEAR: Final = 0.15
"""A keyframe this near (in parts of a chunk) is taken: decoding half a group for nothing costs as much."""
_WEIGHT_OF_BYTES: Final = 0.3
"""What is hard to compress is slower to encode, but far less than in proportion to its bytes."""
_HEURISTIC_S: Final = Fraction(3, 23)
"""Where a container is not sought by presentation time and has B-frames, ffmpeg seeks this much earlier."""
_BY_PTS: Final = frozenset({"mov", "mp4"})
_INDEXED: Final = frozenset({"mov", "mp4", "matroska", "webm"})
_JITTER: Final = Fraction(1, 4)
"""Of a frame: with less at both ends of a difference, rounding to the nearest frame cannot be wrong."""


class Uncuttable(Exception):  # noqa: N818 - a finding about a clip, which its caller turns into another way
    """Why a clip has to be encoded in one piece, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One part: the frames from `start` up to but not including `stop`.

    Args:
        start, stop: frame numbers of the source, half-open.
        start_pts: the first frame's time, in ticks of the source.
        stop_pts: the time of the first frame that is not in it; None for the last part.
        lead_pts: as `start_pts`, of the frame from which a filter with memory has to see frames.
        tail_pts: as `stop_pts`, up to where it has to.
        seek_us: where to enter the file, in microseconds of its own clock; None for its beginning.
    """

    start: int
    stop: int
    start_pts: int
    stop_pts: int | None
    lead_pts: int
    tail_pts: int | None
    seek_us: int | None

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """The parts of a clip, which together hold each of its frames once.

    Args:
        time_base: seconds a tick of the source.
        frames: of the whole clip.
        rate: constant frames a second of the result; None when each frame keeps its own time.
        duration_s: of the picture, by its packets.
        chunks: in the order in which they are shown.
    """

    time_base: Fraction
    frames: int
    rate: Fraction | None
    duration_s: float | None
    chunks: tuple[Chunk, ...]


def choose_count(duration_s: float | None) -> int:
    """How many parts a clip of this length is cut into; 1 for one that is better left whole.

    It follows from the clip alone: how many slots are free changes, and the number of parts changes the
    bytes of a result.
    """
    return max(1, min(int((duration_s or 0.0) / PART_S), MOST_PARTS))


def plan_chunks(
    index: FrameIndex,
    count: int,
    *,
    rate: Fraction | None,
    duration_s: float | None = None,
    margin: int = 0,
) -> ChunkPlan:
    """At most `count` parts of about equal work.

    No part's work exceeds the mean by more than twice `_NEAR` of it and the heaviest frame. A clip of few
    frames gets fewer parts.

    Args:
        index: the clip's frames.
        count: how many parts.
        rate: constant frames a second of the result, or None.
        duration_s: of the picture.
        margin: frames that a filter has to see before and after the part that it works on.

    Raises:
        Uncuttable: the times of the clip do not tell its frames apart, or contradict `rate`.
    """
    _refuse_untimely(index)
    if rate is not None:
        _refuse_off_grid(index, rate)
    total = index.frames
    count = max(1, min(count, total // _LEAST_FRAMES or 1))
    bounds = [0, *_cuts(index, count), total]
    chunks = tuple(_chunk(index, a, b, margin) for a, b in pairwise(bounds))
    return ChunkPlan(index.time_base, total, rate, duration_s, chunks)


def timeline(index: FrameIndex, rate: Fraction | None) -> tuple[Sequence[int], Fraction]:
    """When each frame of the result is shown, and in which unit: what an encode in one piece would write.

    ffmpeg counts from the container's start; it rounds that to the source's ticks, and each time to the
    nearest frame where the rate is constant.
    """
    base = index.time_base
    offset = round(Fraction(index.start_us, 1_000_000) / base)
    if rate is None:
        return [pts - offset for pts in index.pts], base
    first = round((index.pts[0] - offset) * base * rate)
    return range(first, first + index.frames), 1 / rate


def _refuse_untimely(index: FrameIndex) -> None:
    if not index.frames:
        raise Uncuttable("no frame of it has a time")
    if index.untimed:
        raise Uncuttable(f"{index.untimed} of its frames have no time of their own")
    if any(a == b for a, b in pairwise(index.pts)):
        raise Uncuttable("some of its frames are shown at the same time")
    if index.codec == "vp8":
        raise Uncuttable("VP8 has packets that are no frames")


def _refuse_off_grid(index: FrameIndex, rate: Fraction) -> None:
    step = 1 / (index.time_base * rate)  # ticks a frame
    num, den = step.numerator, step.denominator
    first = index.pts[0]
    limit = num * _JITTER.numerator
    for number, pts in enumerate(index.pts):
        if abs((pts - first) * den - number * num) * _JITTER.denominator >= limit:
            raise Uncuttable(f"frame {number} is not where {rate} frames a second would have it")


def _cuts(index: FrameIndex, count: int) -> list[int]:
    """The frames at which the second and each later part begins."""
    total_bytes = sum(index.sizes) or 1
    flat = (1 - _WEIGHT_OF_BYTES) / index.frames
    work = [0.0, *accumulate(flat + _WEIGHT_OF_BYTES * size / total_bytes for size in index.sizes)]
    reach = work[-1] * _NEAR / count
    cuts: list[int] = []
    for number in range(1, count):
        ideal = work[-1] * number / count
        frame = _nearest(work, ideal)
        near = [k for k in _around(index.keys, frame) if abs(work[k] - ideal) <= reach]
        frame = min(near, key=lambda k: abs(work[k] - ideal), default=frame)
        if (cuts[-1] if cuts else 0) < frame < index.frames:
            cuts.append(frame)
    return cuts


def _nearest(work: Sequence[float], ideal: float) -> int:
    after = bisect_left(work, ideal)
    return after - 1 if after and ideal - work[after - 1] < work[after] - ideal else after


def _around(keys: Sequence[int], frame: int) -> Sequence[int]:
    at = bisect_left(keys, frame)
    return keys[max(0, at - 1) : at + 1]


def _chunk(index: FrameIndex, start: int, stop: int, margin: int) -> Chunk:
    pts, total = index.pts, index.frames
    lead, tail = max(0, start - margin), stop + margin
    return Chunk(
        start=start,
        stop=stop,
        start_pts=pts[start],
        stop_pts=pts[stop] if stop < total else None,
        lead_pts=pts[lead],
        tail_pts=pts[tail] if tail < total else None,
        seek_us=_seek_us(index, lead),
    )


def _seek_us(index: FrameIndex, frame: int) -> int | None:
    """A time that takes ffmpeg to the keyframe from which `frame` can be decoded, or before it."""
    at = bisect_right(index.keys, frame) - 1
    if at > 0 and index.keys[at] not in index.entries:
        at -= 1  # a picture that may not be whole at once: begin one group earlier
    if at <= 0:
        return None
    key = index.pts[index.keys[at]]
    names = frozenset(index.format.split(","))
    if _INDEXED.isdisjoint(names):
        # By time alone: it lands between keyframes and goes on to the next one, so not past it by a packet.
        past, key = Fraction(0), min(key, index.decoded[at])
    elif _BY_PTS.isdisjoint(names):
        # An index gives the keyframe at or before a time; past it by what ffmpeg goes back, and not by more.
        following = index.pts[index.keys[at + 1]] if at + 1 < len(index.keys) else index.pts[-1] + 1
        past = min((following - key) * index.time_base / 2, _HEURISTIC_S + Fraction(1, 20))
    else:
        past = Fraction(0)
    return int((key * index.time_base + past) * 1_000_000) + 1
