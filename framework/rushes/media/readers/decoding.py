"""Decoding a part of a stream, to see whether it can be decoded. This module must not judge what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import av.error

from rushes.errors import Cancelled
from rushes.media.readers.dialect import ratio

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.stream import Stream
    from av.video.stream import VideoStream

    Packet = AnyPacket[Any]

__all__ = ["Decoding", "decode_from"]

_STEPS_BACK_S: Final = (0, 1, 5, 30, 3600)


class Decoding:
    """Decodes a stream's packets until it has seen enough; remembers the first thing that is wrong.

    Args:
        stream: whose own decoder is used, and left as new.
        most_packets: how many packets are enough; None for all that come.
        not_before: pictures shown before this time may be broken: theirs come from before the seek.
    """

    def __init__(self, stream: Stream, most_packets: int | None, not_before: int | None = None) -> None:
        self.kind = stream.type
        self.packets = 0
        self.frames = 0
        self.seconds = 0.0
        """Of sound."""
        self.goes_back = False
        """Pictures are not in the order of their times."""
        self._last: int | None = None
        self.problem: str | None = None
        self._most = most_packets
        self._not_before = not_before
        self._codec: Any = stream.codec_context
        if self._codec is not None and self.kind == "video" and not self._codec.is_open:
            # Not by frames: measured, the mark of a damaged picture is then lost in one run of three.
            self._codec.thread_type = "SLICE"

    def feed(self, packet: Packet) -> None:
        if self._codec is None or packet.size == 0:
            return
        # What an edit list leaves out is decoded too, others are made from it; the decoder keeps it back.
        self.packets += not packet.is_discard
        self._take(packet)
        if self._most is not None and self.packets >= self._most:
            self.finish()

    def finish(self) -> None:
        if self._codec is not None:
            self._take(None)
            self._codec.flush_buffers()
            self._codec = None

    def _take(self, packet: Packet | None) -> None:
        try:
            frames = self._codec.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            self.problem = self.problem or f"cannot be decoded ({error.strerror})"
            return
        for frame in frames:
            early = self._not_before is not None and frame.pts is not None and frame.pts < self._not_before
            self.frames += not early
            if self.kind == "audio" and frame.sample_rate:
                self.seconds += frame.samples / frame.sample_rate
            if frame.pts is not None:
                self.goes_back = self.goes_back or (self._last is not None and frame.pts <= self._last)
                self._last = frame.pts
            if self.kind == "video" and frame.is_corrupt and not early:
                self.problem = self.problem or "has damaged pictures"


def decode_from(
    container: InputContainer,
    video: VideoStream,
    keyframe: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> Decoding:
    """Decodes from the keyframe shown at `keyframe`, in the stream's time base, to the end."""
    base = ratio(video.time_base)
    second = round(1 / base) if base else 1
    decoding = Decoding(video, None, keyframe)
    for back in _STEPS_BACK_S:
        container.seek(max(0, keyframe - back * second) if back else keyframe, stream=video)
        decoding = Decoding(video, None, keyframe)
        for packet in container.demux(video):
            if decoding.packets == 0 and not packet.is_keyframe:
                continue
            # Sought by time, a transport stream is entered behind the keyframe: further back, then.
            if decoding.packets == 0 and packet.pts is not None and packet.pts > keyframe:
                break
            decoding.feed(packet)
            if decoding.packets % 64 == 0 and cancelled():
                raise Cancelled
        if decoding.packets:
            break
    decoding.finish()
    return decoding
