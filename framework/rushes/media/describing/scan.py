"""Counting packets on request: frames, true durations, timestamps that jump, and the pace of the picture.

Reads the whole file once and decodes nothing. This module must not know descriptions.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rushes.media.describing.pacing import is_constant
from rushes.media.readers.demuxing import packets_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

__all__ = ["Counted", "Jump", "count_packets"]

# A hole that a player would show as a freeze, whatever the rate.
_JUMP_S: Final = 1.0
_MAX_JUMPS: Final = 20


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where decoding timestamps leap or go back."""

    at_s: float
    by_s: float


@dataclass(slots=True)
class Counted:
    """What the packets of one stream say."""

    packets: int = 0
    first_s: float | None = None
    end_s: float | None = None
    """End of the last packet."""
    corrupt: int = 0
    constant: bool | None = None
    jumps: list[Jump] = field(default_factory=list)


class _Track:
    """Running state of one stream while its packets pass."""

    __slots__ = ("base", "counted", "is_sparse", "is_video", "last", "limit", "pts", "span")

    def __init__(self, stream: object) -> None:
        self.counted = Counted()
        self.pts = array("q")
        self.is_video = getattr(stream, "type", "") == "video"
        self.is_sparse = getattr(stream, "type", "") == "subtitle"
        base = getattr(stream, "time_base", None)
        self.base = float(base) if base else 0.0
        self.limit = _JUMP_S / self.base if self.base else 0.0
        self.last: int | None = None
        self.span: list[int] = []

    def add(self, packet: Packet) -> None:  # type: ignore[type-arg]
        counted = self.counted
        counted.packets += 1
        if packet.is_corrupt:
            counted.corrupt += 1
        stamp, length = packet.pts, packet.duration or 0
        if stamp is not None:
            if self.is_video:
                self.pts.append(stamp)
            if not self.span:
                self.span = [stamp, stamp + length]
            else:
                self.span[0] = min(self.span[0], stamp)
                self.span[1] = max(self.span[1], stamp + length)
        decoded = packet.dts
        if decoded is None:
            return
        if self.is_sparse:
            return
        if self.last is not None and self.limit and len(counted.jumps) < _MAX_JUMPS:
            step = decoded - self.last
            if step < 0 or step > max(self.limit, 10 * length):
                counted.jumps.append(Jump(self.last * self.base, step * self.base))
        self.last = decoded

    def close(self) -> Counted:
        counted = self.counted
        if self.span and self.base:
            counted.first_s, counted.end_s = (t * self.base for t in self.span)
        if self.is_video and len(self.pts) == counted.packets and len(self.pts) > 1:
            counted.constant = is_constant(sorted(self.pts))
        return counted


def count_packets(container: InputContainer) -> dict[int, Counted]:
    """What every packet of an open container says, by stream index.

    Raises:
        av.error.FFmpegError: the demuxer gave up.
    """
    tracks = {s.index: _Track(s) for s in container.streams if s.type in {"video", "audio", "subtitle"}}
    for packet in _packets(container):
        track = tracks.get(packet.stream_index)
        if track is not None:
            track.add(packet)
    return {index: track.close() for index, track in tracks.items()}


def _packets(container: InputContainer) -> Iterable[Packet]:  # type: ignore[type-arg]
    for packet in packets_of(container):
        # The last one of each stream is empty: it tells a decoder to give what it has kept back.
        if packet.size:
            yield packet
