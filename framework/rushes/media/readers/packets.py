"""What the packets of a file tell, read without decoding any. This module must not judge what they mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import av.error

from rushes.asset import Asset
from rushes.errors import Cancelled, MediaError
from rushes.media.readers.demuxing import packets_of
from rushes.media.readers.dialect import ratio
from rushes.media.readers.guard import av_arguments

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.stream import Stream
    from av.video.stream import VideoStream

    Packet = AnyPacket[Any]

__all__ = ["StreamCount", "count_packets", "open_source", "primary_video"]

_ASK_EVERY: Final = 512


@dataclass(frozen=True, slots=True)
class StreamCount:
    """One stream as its packets tell.

    Args:
        index: of the stream in the file.
        kind: ``video``, ``audio``, ``subtitle``, ``data``.
        packets: those that are shown or heard; what an edit list leaves out is not counted.
        leading: of these, pictures at the start that need others from before it: a decoder drops them.
        hidden: packets that make no picture of their own (VP8's alternate references).
        corrupt: packets that are incomplete.
        start_s, end_s: of the first and after the last, or None without timestamps.
        disordered: packets whose decoding time is not after the one before.
        untimed: packets without any timestamp.
        last_key: when the last keyframe is shown, in the stream's time base.
    """

    index: int
    kind: str
    packets: int = 0
    leading: int = 0
    hidden: int = 0
    corrupt: int = 0
    start_s: float | None = None
    end_s: float | None = None
    disordered: int = 0
    untimed: int = 0
    last_key: int | None = None

    @property
    def duration_s(self) -> float | None:
        """From the first to after the last."""
        return None if self.start_s is None or self.end_s is None else self.end_s - self.start_s


def open_source(
    source: Asset | str | os.PathLike[str], *, frame_rate: Fraction | None = None
) -> InputContainer:
    """A PyAV container, opened with the limits of `guard`.

    Raises:
        MediaError: it cannot be opened as media.
    """
    asset = Asset.of(source)
    try:
        container: InputContainer = av.open(**av_arguments(asset, frame_rate=frame_rate))
    except MemoryError as error:
        raise MediaError(
            f"{asset.name} asks for more memory than its function may have.",
            code="too-large",
            fix="Check its source, or give the function more memory (Resources(memory=...)).",
        ) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        refused = isinstance(error, av.error.ArgumentError | av.error.PermissionError)
        raise MediaError(
            f"{asset.name} is no media that may be opened."
            if refused
            else f"{asset.name} cannot be opened as media.",
            code="refused-format" if refused else "not-media",
            fix="Give the media file itself."
            if refused
            else "Copy it from the source again, or look at what it holds.",
            details={"reason": str(error)[:500]},
        ) from error
    return container


def primary_video(container: InputContainer) -> VideoStream | None:
    """The first stream of moving pictures; cover art is none."""
    attached = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & attached:
            return stream
    return None


def count_packets(
    container: InputContainer,
    cancelled: Callable[[], bool] = lambda: False,
    visit: Callable[[Packet], None] | None = None,
) -> tuple[dict[int, StreamCount], str | None]:
    """Reads all packets; per stream index what they tell, and the error that ended the reading, if any.

    Args:
        container: open at its start.
        cancelled: asked every few hundred packets.
        visit: is shown each packet, e.g. to decode some.
    """
    counters = {stream.index: _Counter(stream) for stream in container.streams}
    error: str | None = None
    try:
        for number, packet in enumerate(packets_of(container)):
            if packet.size == 0 and packet.dts is None:
                continue  # PyAV's own, at the end
            counter = counters.get(packet.stream_index)
            if counter is not None:
                counter.add(packet)
            if visit is not None:
                visit(packet)
            if number % _ASK_EVERY == 0 and cancelled():
                raise Cancelled
    except av.error.FFmpegError as failure:
        error = failure.strerror
    return {index: counter.result() for index, counter in counters.items()}, error


class _Counter:
    """Gathers what the packets of one stream tell."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_vp8 = (
            stream.type == "video" and stream.codec_context is not None and stream.codec_context.name == "vp8"
        )
        self._packets = self._leading = self._hidden = self._corrupt = self._disordered = self._untimed = 0
        self._first: int | None = None
        self._end: int | None = None
        self._last_dts: int | None = None
        self._key_pts: int | None = None
        self._keys = 0
        self._last_key: int | None = None

    def add(self, packet: Packet) -> None:
        self._corrupt += packet.is_corrupt
        if packet.size == 0:
            return
        leads = self._leads(packet)
        if packet.is_discard:
            return
        self._packets += 1
        self._leading += leads
        if self._is_vp8 and not bytes(memoryview(packet)[:1])[0] & 0x10:
            self._hidden += 1
        self._order(packet)
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            self._untimed += 1
            return
        self._first = time if self._first is None else min(self._first, time)
        end = time + (packet.duration or self._usual_duration())
        self._end = end if self._end is None else max(self._end, end)

    def result(self) -> StreamCount:
        base = ratio(self._stream.time_base)
        return StreamCount(
            index=self._stream.index,
            kind=self._stream.type,
            packets=self._packets,
            leading=self._leading,
            hidden=self._hidden,
            corrupt=self._corrupt,
            start_s=None if self._first is None or base is None else float(self._first * base),
            end_s=None if self._end is None or base is None else float(self._end * base),
            disordered=self._disordered,
            untimed=self._untimed,
            last_key=self._last_key,
        )

    def _order(self, packet: Packet) -> None:
        if packet.dts is None:
            return
        if self._last_dts is not None and packet.dts < self._last_dts:
            self._disordered += 1
        self._last_dts = packet.dts

    def _leads(self, packet: Packet) -> bool:
        # Before the first keyframe nothing can be decoded; behind it, what is shown before it needs
        # pictures from before the file began.
        if packet.is_keyframe:
            self._keys += 1
            self._last_key = packet.pts
            if self._keys == 1:
                self._key_pts = packet.pts
            return False
        if self._keys != 1 or packet.pts is None or self._key_pts is None:
            return self._keys == 0
        return packet.pts < self._key_pts

    def _usual_duration(self) -> int:
        rate = ratio(getattr(self._stream, "average_rate", None))
        base = ratio(self._stream.time_base)
        return round(1 / (rate * base)) if rate and base else 0
