"""Reading where the frames of a clip are shown, in the process that has it open: a reader's answers.

This module must not know who asks.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import av.error

from rushes.asset import Asset
from rushes.errors import Cancelled, MediaError
from rushes.media.describing.index import FrameIndex
from rushes.media.readers.dialect import ratio
from rushes.media.readers.packets import open_source, primary_video

if TYPE_CHECKING:
    from av.packet import Packet as AnyPacket

    Packet = AnyPacket[Any]

__all__ = ["index_here", "key_frames_here", "times_here"]

_ASK_EVERY: Final = 512
_NAL_IDR: Final = 5


def index_here(source: Asset, *, cancelled: Callable[[], bool] = lambda: False) -> FrameIndex:
    """As `read_index`, read in this process: a reader's answer."""
    with open_source(source) as container:
        video = primary_video(container)
        if video is None or (base := ratio(video.time_base)) is None:
            raise _no_picture(source)
        codec = video.codec_context.name if video.codec_context is not None else ""
        found: list[tuple[int, int, bool, bool, int]] = []
        untimed = discarded = 0
        try:
            for number, packet in enumerate(container.demux(video)):
                if packet.size == 0:
                    continue
                discarded += packet.is_discard
                if packet.pts is None:
                    untimed += 1
                elif not packet.is_discard:
                    key = packet.is_keyframe
                    dts = packet.pts if packet.dts is None else packet.dts
                    found.append((packet.pts, packet.size, key, key and _is_entry(codec, packet), dts))
                if number % _ASK_EVERY == 0 and cancelled():
                    raise Cancelled
        except av.error.FFmpegError as error:
            raise _unreadable(source, error) from error
        found.sort(key=lambda frame: frame[0])
        return FrameIndex(
            format=container.format.name,
            codec=codec,
            time_base=base,
            start_us=container.start_time or 0,
            pts=array("q", (frame[0] for frame in found)),
            sizes=array("q", (frame[1] for frame in found)),
            keys=tuple(n for n, frame in enumerate(found) if frame[2]),
            decoded=tuple(frame[4] for frame in found if frame[2]),
            entries=frozenset(n for n, frame in enumerate(found) if frame[3]),
            untimed=untimed,
            discarded=discarded,
        )


def times_here(
    source: Asset, start: int, stop: int | None, *, cancelled: Callable[[], bool] = lambda: False
) -> array[int]:
    """As `times_between`, read in this process: a reader's answer."""
    with open_source(source) as container:
        video = primary_video(container)
        if video is None:
            raise _no_picture(source)
        found: list[int] = []
        try:
            container.seek(start, stream=video, backward=True)
            for number, packet in enumerate(container.demux(video)):
                if packet.size == 0 or packet.pts is None:
                    continue
                if stop is not None and packet.dts is not None and packet.dts >= stop:
                    break  # nothing is shown before it is decoded
                if packet.pts >= start and (stop is None or packet.pts < stop) and not packet.is_discard:
                    found.append(packet.pts)
                if number % _ASK_EVERY == 0 and cancelled():
                    raise Cancelled
        except av.error.FFmpegError as error:
            raise _unreadable(source, error) from error
    return array("q", sorted(found))


def key_frames_here(source: Asset, frames: Sequence[int], rate: float) -> list[int]:
    """As `key_frames_near`, read in this process: a reader's answer."""
    found: set[int] = set()
    with open_source(source) as container:
        video = primary_video(container)
        if video is None or (base := ratio(video.time_base)) is None:
            return []
        start = video.start_time or 0
        for frame in frames:
            container.seek(start + int(frame / rate / base), stream=video)
            packet: Packet | None = next(iter(container.demux(video)), None)
            if packet is not None and packet.pts is not None and packet.is_keyframe:
                found.add(round(float((packet.pts - start) * base) * rate))
    return sorted(found)


def _no_picture(source: Asset) -> MediaError:
    return MediaError(
        f"{source.name} has no picture.", code="no-video", fix="Name a clip with moving pictures."
    )


def _unreadable(source: Asset, error: av.error.FFmpegError) -> MediaError:
    return MediaError(
        f"{source.name} cannot be read to its end ({error.strerror}).",
        code="damaged",
        fix="Copy it from the source again, or wait until its copy is complete.",
    )


def _is_entry(codec: str, packet: Packet) -> bool:
    """Whether nothing from before a keyframe is needed for what is shown from it on.

    libavformat marks an H.264 picture with a recovery point as a keyframe, also where the picture is only
    whole some frames later; of the other codecs a keyframe is what it says.
    """
    if codec != "h264":
        return True
    data = bytes(memoryview(packet))
    starts = data.startswith((b"\0\0\1", b"\0\0\0\1"))
    return _NAL_IDR in (_units_by_start(data) if starts else _units_by_length(data))


def _units_by_start(data: bytes) -> set[int]:
    kinds: set[int] = set()
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        kind = data[at + 3] & 31
        kinds.add(kind)
        if kind in (1, _NAL_IDR):
            break  # the first slice says what the picture is
        at = data.find(b"\0\0\1", at + 3)
    return kinds


def _units_by_length(data: bytes) -> set[int]:
    # Lengths of four bytes are what every writer uses; another length gives no IDR, which is merely careful.
    kinds: set[int] = set()
    at = 0
    while at + 4 < len(data):
        kind = data[at + 4] & 31
        kinds.add(kind)
        if kind in (1, _NAL_IDR):
            break
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return kinds
