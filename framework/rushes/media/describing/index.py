"""Where every frame of a clip is shown, and where decoding can begin: read from its packets, none decoded.

What an edit list leaves out is not counted. This module must not know what the frames are wanted for.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from rushes.asset import Asset
from rushes.media.readers.questions import ask_about, is_one_file, place_of

if TYPE_CHECKING:
    from av.packet import Packet as AnyPacket

    Packet = AnyPacket[Any]

__all__ = ["FrameIndex", "as_json", "key_frames_near", "read_index", "times_between"]

# What an array of 64 bits holds.
_Ticks = Annotated[int, Field(ge=-(2**63), lt=2**63)]


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a clip in the order in which they are shown.

    Args:
        format: the demuxer's name, as libavformat says it.
        codec: of the picture.
        time_base: seconds a tick.
        start_us: where the container's clock starts, in microseconds: ffmpeg counts from there.
        pts: when each frame is shown, in ticks, ascending.
        sizes: bytes of each frame.
        keys: numbers of the frames at which decoding can begin.
        decoded: when each of these is decoded, in ticks.
        entries: of `keys`, those that need nothing at all from before them.
        untimed: packets without a time; their frames are in no list.
        discarded: packets that only others need.
    """

    format: str
    codec: str
    time_base: Fraction
    start_us: int
    pts: array[int]
    sizes: array[int]
    keys: tuple[int, ...]
    decoded: tuple[int, ...]
    entries: frozenset[int]
    untimed: int = 0
    discarded: int = 0

    @property
    def frames(self) -> int:
        """How many frames are shown."""
        return len(self.pts)


def read_index(source: Asset, *, cancelled: Callable[[], bool] = lambda: False) -> FrameIndex:
    """The index of the first picture track of `source`.

    Raises:
        MediaError: it cannot be opened or read to its end, or it has no picture.
        Cancelled: `cancelled` said so.
    """
    if not is_one_file(source):
        from rushes.media.describing.index_reading import index_here  # noqa: PLC0415 - PyAV, of sequences alone

        return index_here(source, cancelled=cancelled)
    return ask_about("index", source, place_of(source), _index, arguments={}, cancelled=cancelled)


def times_between(
    source: Asset, start: int, stop: int | None, *, cancelled: Callable[[], bool] = lambda: False
) -> array[int]:
    """When the frames are shown whose times are from `start` up to but not including `stop`, ascending.

    Only packets near them are read, where the container can be entered there: where it cannot be entered
    exactly, some may be missing, which `read_index` would find.

    Args:
        source: the clip.
        start: in its ticks.
        stop: in its ticks; None for its end.
        cancelled: asked now and then.

    Raises:
        MediaError: as of `read_index`.
        Cancelled: `cancelled` said so.
    """
    if not is_one_file(source):
        from rushes.media.describing.index_reading import times_here  # noqa: PLC0415 - as above

        return times_here(source, start, stop, cancelled=cancelled)
    between = {"start": start, "stop": stop}
    return ask_about("times", source, place_of(source), _times, arguments=between, cancelled=cancelled)


def key_frames_near(source: Asset, frames: Sequence[int], rate: float) -> list[int]:
    """Numbers of the key frames at or before some frames of a constant-rate clip, found by seeking.

    Args:
        source: the clip.
        frames: frame numbers.
        rate: frames a second.
    """
    if not is_one_file(source):
        from rushes.media.describing.index_reading import key_frames_here  # noqa: PLC0415 - as above

        return key_frames_here(source, frames, rate)
    wanted = {"frames": list(frames), "rate": rate}
    return ask_about("key-frames", source, place_of(source), _numbers, arguments=wanted)


def _numbers(told: bytes) -> list[int]:
    numbers = json.loads(told)
    if not isinstance(numbers, list) or not all(type(one) is int for one in numbers):
        raise ValueError("no list of numbers")
    return numbers


def as_json(index: FrameIndex) -> bytes:
    """An index as a reader tells it."""
    told = _Told(
        format=index.format,
        codec=index.codec,
        time_base=(index.time_base.numerator, index.time_base.denominator),
        start_us=index.start_us,
        pts=index.pts.tolist(),
        sizes=index.sizes.tolist(),
        keys=index.keys,
        decoded=index.decoded,
        entries=sorted(index.entries),
        untimed=index.untimed,
        discarded=index.discarded,
    )
    return json.dumps(asdict(told)).encode()


@dataclass(frozen=True)
class _Told:
    """A `FrameIndex` in JSON's terms."""

    format: str
    codec: str
    time_base: tuple[int, Annotated[int, Field(gt=0)]]
    start_us: int
    pts: list[_Ticks]
    sizes: list[_Ticks]
    keys: tuple[int, ...]
    decoded: tuple[int, ...]
    entries: list[int]
    untimed: int
    discarded: int


@cache
def _tellings() -> TypeAdapter[_Told]:
    return TypeAdapter(_Told)


def _index(told: bytes) -> FrameIndex:
    one = _tellings().validate_json(told)
    return FrameIndex(
        format=one.format,
        codec=one.codec,
        time_base=Fraction(*one.time_base),
        start_us=one.start_us,
        pts=array("q", one.pts),
        sizes=array("q", one.sizes),
        keys=one.keys,
        decoded=one.decoded,
        entries=frozenset(one.entries),
        untimed=one.untimed,
        discarded=one.discarded,
    )


@cache
def _ticks() -> TypeAdapter[list[int]]:
    return TypeAdapter(list[_Ticks])


def _times(told: bytes) -> array[int]:
    return array("q", _ticks().validate_json(told))
